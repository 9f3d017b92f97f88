"""How a run ended: what is incomplete and why, what to do about it, where the log is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from recoup.app.arrivals import Arrivals
from recoup.app.backfilling import RunReport
from recoup.app.gaps import GapKind, Gate
from recoup.app.summary import stage_json
from recoup.cli.gate_text import gap_lines
from recoup.cli.paths import from_here
from recoup.cli.stage_text import stopped_lines
from recoup.cli.tally import BlockGroup, FailureGroup, Tally
from recoup.cli.text import Cell, Row, View, clean, counted, duration, name_cell, number, ranges
from recoup.model.graph import NodeKind
from recoup.model.partition import PartitionSet

CAUSES_SHOWN: Final = 10
REASONS_SHOWN: Final = 3
MEMBERS_SHOWN: Final = 5
_OUTCOMES: Final = {"published": "good", "blocked": "warn", "missing": "warn"}
_WORDS: Final = {
    "done": "done",
    "incomplete": "finished, incomplete",
    "interrupted": "stopped; nothing is lost",
    "cancelled": "cancelled",
    "stopped": "stopped",
}


def report_json(report: RunReport, tally: Tally) -> dict[str, Any]:
    """The closing line."""
    counts = tally.counts
    return {
        "state": report.state,
        "backfill_id": report.backfill_id,
        "seconds": round(report.seconds, 3),
        "counts": {
            "actions": counts.total,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "blocked": tally.blocked,
            "done_before": report.planned.plan.done,
        },
        "arrived": _arrived_json(report.arrived),
        "gate": report.gate and report.gate.to_json(),
        "stopped_at": report.stopped.to_json() if report.stopped else None,
        "halted": report.halted.kind if report.halted else None,
        "stopped_after": report.enough or None,
        "stages": [stage_json(stage) for stage in report.stages],
        "incomplete": tally.incomplete_json(),
    }


def report_lines(report: RunReport, tally: Tally, view: View) -> Iterator[str]:
    """The figures, then what is incomplete, the largest cause first."""
    yield from view.columns([[_headline(report, tally)]])
    if report.halted:
        yield view.paint("bad", f"stopped at once, as everything else would fail alike: {clean(report.halted.message)}")
    if report.enough:
        failed = f"{counted(report.enough, 'partition')} failed"
        yield view.paint("bad", f"stopped, as --stop-after {report.planned.plan.request.stop_after} says: {failed}")
    failures, blocks = tally.failure_groups(), list(tally.block_groups())
    told = {group.node.name for group in failures} | {group.node.name for group in blocks}
    yield from stopped_lines(report.stages, view, told)
    if report.stopped:
        yield from view.columns([[word, text] for word, text in report.stopped.lines()], indent="  ")
    yield from _of_one_partition(report, view)
    if failures:
        yield from ("", view.paint("bad", "failed"))
        for group in failures[:CAUSES_SHOWN]:
            yield from _failure_lines(group, view)
        if more := failures[CAUSES_SHOWN:]:
            count = sum(len(group.ordinals) for group in more)
            yield f"  and {counted(len(more), 'more cause')}, {counted(count, 'partition')}"
        if log := next((group.log for group in failures if group.log), None):
            yield f"  log of the first: {from_here(log)}"
    yield from _block_lines(blocks, view)
    if report.gate:
        yield from _gate_lines(report.gate, view)
    if report.arrived:
        yield view.paint("warn", _arrived_text(report.arrived))


def _arrived_json(arrived: Arrivals | None) -> dict[str, Any] | None:
    return None if arrived is None else {"members": list(arrived.members), "to_run": arrived.to_run}


def _arrived_text(arrived: Arrivals) -> str:
    """`2 members arrived (acme, globex): 35 more to run`."""
    names = [clean(member) for member in arrived.members[:MEMBERS_SHOWN]]
    names += ["…"] if len(arrived.members) > MEMBERS_SHOWN else []
    who = f"{counted(len(arrived.members), 'member')} arrived ({', '.join(names)})"
    return f"{who}: {number(arrived.to_run)} more to run" if arrived.to_run else who


def _headline(report: RunReport, tally: Tally) -> str:
    name = report.planned.plan.request.pipeline
    verdict = _verdict(report.gate)
    if not report.planned.plan.actions and not tally.blocked:
        what = f"all {counted(tally.total, 'partition-step')} asked for are published"
        return " · ".join([f"{name}: nothing to do, {what}", *verdict])
    counts = tally.counts
    word = _WORDS[report.state]
    parts = [f"{number(tally.done)} of {number(tally.total)} published"]
    parts += [f"{number(counts.failed)} failed"] if counts.failed else []
    parts += [f"{number(tally.blocked)} blocked"] if tally.blocked else []
    left = counts.total - counts.settled
    parts += [f"{number(left)} to go"] if left else []
    return f"{name}: {word} · {' · '.join(parts)} · {' · '.join([duration(report.seconds), *verdict])}"


def _verdict(gate: Gate | None) -> list[str]:
    if gate is None:
        return []
    missing, expected = len(gate.missing), len(gate.expected)
    which = f", {number(missing)} of {number(expected)} missing" if missing else ""
    return [f"gate: {gate.verdict}{which}"]


def _gate_lines(gate: Gate, view: View) -> Iterator[str]:
    """What is published, and is not there all the same; what is not published was told already."""
    if gaps := [gap for gap in gate.gaps if gap.kind is not GapKind.NOT_PUBLISHED]:
        yield from ("", view.paint("bad", "the data is not there"))
        yield from gap_lines(gaps, view)


def _of_one_partition(report: RunReport, view: View) -> Iterator[str]:
    """Each step's outcome, where one partition was asked for; of more, only what is incomplete is told."""
    request = report.planned.plan.request
    asked: set[str | None] = {*request.partitions} or {request.start, request.end}
    words = {name: next(iter(outcomes)) for name, outcomes in report.summary.get("partitions", {}).items()}
    steps = [n.name for n in report.planned.prepared.graph.nodes if n.kind is NodeKind.STEP and n.name in words]
    key = next(iter(asked))
    if len(asked) > 1 or key is None or len(steps) < 2:  # noqa: PLR2004 - one step's outcome is the headline's
        return
    yield from ("", key)
    yield from view.columns(([step, Cell(words[step], _OUTCOMES.get(words[step], "bad"))] for step in steps), "  ")
    if bad := sum(words[step] != "published" for step in steps):
        yield view.paint("warn", f"  {key} is not complete: {bad} of {len(steps)} steps are not published")


def _failure_lines(group: FailureGroup, view: View) -> Iterator[str]:
    texts = group.node.partitions.ranges_text(PartitionSet.of(group.ordinals))
    message = f"{group.failure.kind}: {clean(group.failure.message)}"
    yield from view.columns(
        [[name_cell(group.node.name), ranges(texts, view, len(group.ordinals)), Cell(message, "bad")]], indent="  "
    )
    yield from view.columns([[Cell(group.failure.advice)]], indent="    ")


def _block_lines(groups: list[BlockGroup], view: View) -> Iterator[str]:
    if not groups:
        return
    yield from ("", view.paint("warn", "blocked"))
    rows: list[Row] = []
    for node, of_one in groupby(groups, lambda group: group.node):
        same = list(of_one)
        shown = same if view.width is None or len(same) <= REASONS_SHOWN + 1 else same[:REASONS_SHOWN]
        rows += [[name_cell(node.name), _where(group, view), group.reason] for group in shown]
        if rest := same[len(shown) :]:
            ordinals = PartitionSet()
            for group in rest:
                ordinals |= group.ordinals
            reason = f"for {counted(len(rest), 'more reason')} of this sort"
            rows.append([name_cell(node.name), _where(BlockGroup(node, reason, ordinals), view), reason])
    yield from view.columns(rows, indent="  ")


def _where(group: BlockGroup, view: View) -> str:
    return ranges(group.node.partitions.ranges_text(group.ordinals), view, len(group.ordinals))
