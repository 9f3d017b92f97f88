"""A plan for people and for programs: one line for each group, the blocked ones with their reason, and the totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from recoup.app.kept import Kept
from recoup.app.memory_limits import raised
from recoup.app.prepare import Planned
from recoup.cli.text import Cell, Row, View, clean, counted, duration, name_cell, number, ranges
from recoup.cli.typed import typed
from recoup.model.errors import RecoupError
from recoup.model.partition import PartitionSet
from recoup.model.size import memory_text, memory_words
from recoup.plan.plan import Group, Verb
from recoup.plan.request import Request

KEPT_SHOWN = 20
BLOCKS_SHOWN = 3
"""Reasons for each step on a terminal; a lookback over a gap has one for each partition."""


def plan_json(planned: Planned) -> dict[str, Any]:
    """As a saved plan holds it, with the totals."""
    plan = planned.plan
    return {
        "pipeline": plan.request.pipeline,
        "actions": plan.actions,
        "blocked": plan.blocked,
        **plan.to_json(planned.prepared.graph),
    }


def plans_json(found: Mapping[str, Planned | RecoupError]) -> dict[str, Any]:
    """All pipelines with their totals."""
    return {
        "pipelines": [
            {"pipeline": name, "error": one.message}
            if isinstance(one, RecoupError)
            else {"pipeline": name, "actions": one.plan.actions, "blocked": one.plan.blocked, "done": one.plan.done}
            for name, one in found.items()
        ]
    }


def plans_lines(found: Mapping[str, Planned | RecoupError], view: View) -> Iterator[str]:
    """One line for each pipeline."""
    yield from view.columns(_plan_row(name, one) for name, one in found.items())


def plan_lines(planned: Planned, view: View, parallel: int, left: Sequence[Kept] = ()) -> Iterator[str]:
    """Groups in the order of the graph, what is kept where that is little, then what it comes to."""
    rows = [row for _, groups in groupby(planned.plan.groups, _kind) for row in _rows(planned, list(groups), view)]
    if len(left) <= KEPT_SHOWN:
        rows += [[kept.step, kept.partition, Cell(f"published by run {kept.run_id}", "dim")] for kept in left]
    yield from view.columns(rows)
    if rows:
        yield ""
    for name, (own, asked) in raised(planned).items():
        yield f"{name} may take {memory_text(asked)} of memory this time, {memory_text(own)} as a rule"
    yield totals(planned, parallel)


def kept_json(left: Sequence[Kept]) -> list[dict[str, Any]]:
    """What is left as it is, with the run that made it."""
    return [{"step": kept.step, "partition": kept.partition, "run_id": kept.run_id} for kept in left]


def totals(planned: Planned, parallel: int) -> str:
    """`1,094 to run · 1 blocked · 365 done · about 4 min, 2 at once`."""
    plan = planned.plan
    parts = [f"{number(plan.actions)} to run"]
    parts += [f"{number(plan.blocked)} blocked"] if plan.blocked else []
    parts += [f"{number(plan.done)} done"]
    if plan.actions:
        parts.append(estimate(planned, parallel))
    return f"{plan.request.pipeline}: {' · '.join(parts)}"


def estimate(planned: Planned, parallel: int) -> str:
    """From the history of each step; plainly when there is none."""
    seconds = planned.plan.estimated_seconds
    if seconds is None:
        return "no estimate yet"
    at_once = max(min(parallel, planned.plan.actions), 1)
    return f"about {duration(seconds / at_once)}, {at_once} at once"


def run_words(request: Request, name: str, verb: str = "run") -> str:
    """The command that carries this request out; a recovery's places are found anew."""
    if request.places and verb == "run":
        return typed("recover", name)
    words = ["--start", request.start] if request.start else []
    words += ["--end", request.end] if request.end else []
    if request.only != Request(name).only:
        words += ["--only", ",".join(request.only)]
    for flag, values in (("--step", request.steps), ("--exclude", request.exclude)):
        words += [word for value in values for word in (flag, value)]
    words += ["--include-upstream"] if request.include_upstream else []
    words += ["--order", request.order.value] if request.order != Request(name).order else []
    words += ["--as-of-mode", request.as_of_mode] if request.as_of_mode != "now" else []
    words += ["--downstream", request.downstream.value] if request.downstream and verb == "run" else []
    words += [word for stage in request.stages for word in ("--stage", stage)]
    words += ["--stop-after", request.stop_after] if request.stop_after else []
    words += ["--pause-between", f"{request.pause_between_seconds:g}s"] if request.pause_between_seconds else []
    words += ["--memory", memory_words(request.memory_bytes)] if request.memory_bytes else []
    return typed(verb, name, *request.partitions, flags=words)


def _plan_row(name: str, found: Planned | RecoupError) -> Row:
    if isinstance(found, RecoupError):
        return [name, Cell("unknown", "warn"), "", "", clean(found.message)]
    plan = found.plan
    counts = f"{number(plan.actions)} to run", f"{number(plan.blocked)} blocked" if plan.blocked else ""
    reasons = ", ".join(dict.fromkeys(group.reason for group in plan.groups if group.verb is Verb.RUN))
    return [name, *(Cell(text, right=True) for text in (*counts, f"{number(plan.done)} done")), reasons]


def _kind(group: Group) -> tuple[int, Verb]:
    return group.node, group.verb


def _rows(planned: Planned, groups: list[Group], view: View) -> Iterator[Row]:
    """The groups of one step that are decided alike."""
    shown = groups
    if groups[0].verb is Verb.BLOCK and view.width is not None and len(groups) > BLOCKS_SHOWN + 1:
        shown = groups[:BLOCKS_SHOWN]
    for group in shown:
        reason = f"blocked: {group.reason}" if group.verb is Verb.BLOCK else group.reason
        yield _row(planned, group, Cell(reason, "warn" if group.verb is Verb.BLOCK else ""), view)
    if len(shown) < len(groups):
        rest = Group(groups[0].node, Verb.BLOCK, _union(groups[len(shown) :]), "")
        more = f"blocked, for {counted(len(groups) - len(shown), 'more reason')} of this sort"
        yield _row(planned, rest, Cell(more, "warn"), view)


def _row(planned: Planned, group: Group, reason: Cell, view: View) -> Row:
    node = planned.prepared.graph.nodes[group.node]
    expected = planned.prepared.snapshot.states[group.node].expected
    texts = node.partitions.ranges_text(group.ordinals, expected)
    return [name_cell(node.name), ranges(texts, view, len(group.ordinals)), reason]


def _union(groups: list[Group]) -> PartitionSet:
    everything = PartitionSet()
    for group in groups:
        everything |= group.ordinals
    return everything
