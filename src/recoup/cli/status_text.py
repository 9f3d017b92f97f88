"""A status for people and for programs: the figures, then whatever is not as it should be, with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from recoup.app.pool_use import PoolUse
from recoup.app.standing import Overdue, Part, Status, StepStatus, counts, iso, parts
from recoup.cli.partial_text import partial_dates, partial_json, partial_rows
from recoup.cli.tally import where_json
from recoup.cli.text import Cell, Row, View, ago, clean, counted, duration, name_cell, number, ranges
from recoup.engine.partial import partial
from recoup.model.errors import RecoupError
from recoup.model.partition import PartitionSet

REASONS_SHOWN: Final = 5
_OPTIONAL: Final = ("running", "failed", "blocked", "waived", "stale")
_STYLE: Final = {"failed": "bad", "blocked": "warn", "running": "", "missing": "warn", "waived": "dim", "stale": "dim"}


# --- for programs


def status_json(found: Status, only: str | None) -> dict[str, Any]:
    """Totals by date, figures by step, and what is not complete."""
    insight = found.insight
    return {
        "pipeline": insight.pipeline,
        "complete": insight.complete,
        **_totals_json(found),
        "steps": [_step_json(step) for step in found.steps],
        "partial": partial_json(insight),
        "incomplete": [_part_json(part) for part in parts(found, only) if part.state != "waived"],
        "waived": [_waived_json(part) for part in parts(found, "waived")],
        "active_backfills": [row.backfill_id for row in found.active],
        **_undone(found),
        "due": list(found.due),
        "unread_calendars": list(found.unread),
        "overdue": _overdue_json(found.overdue),
        "pools": [_pool_json(use) for use in found.pools],
        "outages": [{"dataset": a.dataset, "since": iso(a.since), "message": a.message} for a in found.outages],
    }


def overview_json(found: Mapping[str, Status | RecoupError]) -> dict[str, Any]:
    """All pipelines with their totals."""
    return {
        "pipelines": [
            {"pipeline": name, "error": one.message}
            if isinstance(one, RecoupError)
            else {"pipeline": name, "complete": one.insight.complete, **_overview_json(one)}
            for name, one in found.items()
        ]
    }


def _overview_json(found: Status) -> dict[str, Any]:
    return {**_totals_json(found), **_trouble(found), **_undone(found)}


def _totals_json(found: Status) -> dict[str, Any]:
    insight = found.insight
    return {
        "total_dates": len(insight.dates),
        "completed_dates": len(insight.completed),
        "partial_dates": partial_dates(found.insight),
        "remaining": insight.remaining,
        "pct_complete": insight.pct_complete,
    }


def _step_json(status: StepStatus) -> dict[str, Any]:
    step, at = status.insight, status.last_successful_time
    return {
        "step": step.node.name,
        "kind": step.node.kind.value,
        "expected": len(step.expected),
        "completed": len(step.complete),
        "missing": len(step.missing),
        "failed": {kind: len(ordinals) for kind, ordinals in step.failed.items()},
        "blocked": len(step.blocked),
        "running": len(step.running),
        "waived": len(step.waived),
        "stale": {"code": len(step.stale_code), "input": len(step.stale_input)},
        "unexpected": len(step.unexpected),
        "last_successful_date": status.last_successful_date,
        "last_successful_time": None if at is None else iso(at),
    }


def _overdue_json(late: Overdue | None) -> dict[str, Any] | None:
    return None if late is None else {"step": late.step, "since": iso(late.since), "seconds": round(late.seconds, 1)}


def _pool_json(use: PoolUse) -> dict[str, Any]:
    times = {"last_start": use.last_start, "paused_until": use.paused_until}
    return {
        "pool": use.pool,
        "slots": use.declared.slots,
        "interval_seconds": use.declared.interval_seconds or None,
        "delay_seconds": use.declared.delay_seconds or None,
        "running": use.running,
        **{name: None if at is None else iso(at) for name, at in times.items()},
        "reason": use.reason,
    }


def _waived_json(part: Part) -> dict[str, Any]:
    return {**(part.more or {}), **where_json(part.step.node, part.partitions)}


def _part_json(part: Part) -> dict[str, Any]:
    return {"state": part.state, **(part.more or {}), **where_json(part.step.node, part.partitions)}


# --- for people


def status_lines(found: Status, only: str | None, view: View, now: datetime) -> Iterator[str]:
    """The headline and the figures, then each part; with `only` the parts alone."""
    if only is None:
        if found.insight.dates or any(step.insight.expected for step in found.steps):
            yield _headline(found, view)
            for row in found.undone:
                yield view.paint("warn", f"interrupted: {row.backfill_id}, `recoup backfill resume {row.backfill_id}`")
            if late := found.overdue:
                open_for = f"a failure of {late.step} is open for {duration(late.seconds)}"
                yield view.paint("bad", f"{open_for}: `recoup escalate` puts together what the next person needs")
            for away in found.outages:
                told = f"{away.dataset} is in an outage since {iso(away.since)}: {clean(away.message)}"
                yield from view.columns([[Cell(told, "bad")]])
            yield ""
            yield from view.columns(_figures(found.steps, view, now))
            yield from view.columns(_pool_rows(found.pools, view, now))
        else:
            yield f"{found.insight.pipeline}: nothing is expected here: the calendar leaves it out{_active(found)}"
    chosen = list(parts(found, only)) if only != "partial" else []
    groups = partial(found.insight) if only in (None, "partial") else ()
    if only is None and (chosen or groups):
        yield ""
    yield from view.columns(partial_rows(found.insight, groups, view))
    if only == "partial" and groups:
        return
    if only is not None and not chosen:
        yield f"{found.insight.pipeline}: nothing is {only}"
    yield from view.columns(_part_rows(chosen, view))


def overview_lines(found: Mapping[str, Status | RecoupError], view: View) -> Iterator[str]:
    """One line for each pipeline."""
    rows: list[Row] = []
    for name, one in found.items():
        if isinstance(one, RecoupError):
            rows.append([name, Cell("unknown", "warn"), Cell(""), clean(one.message)])
            continue
        insight = one.insight
        word = Cell("complete", "good") if insight.complete else Cell("incomplete", "warn")
        counts = f"{number(len(insight.completed))} of {number(len(insight.dates))}"
        trouble = "".join(f" · {number(count)} {what}" for what, count in _trouble(one).items() if count)
        trouble += _active(one) + "".join(f" · interrupted: {row.backfill_id}" for row in one.undone[:1])
        rows.append([name, word, Cell(counts, right=True), f"{insight.pct_complete:g} %{trouble}"])
    yield from view.columns(rows)


def _trouble(found: Status) -> dict[str, int]:
    """Over all steps."""
    figures = [counts(step.insight) for step in found.steps]
    return {what: sum(count[what] for count in figures) for what in ("failed", "blocked")}


def _undone(found: Status) -> dict[str, list[str]]:
    return {"interrupted": [row.backfill_id for row in found.undone]}


def _headline(found: Status, view: View) -> str:
    insight = found.insight
    style, word = ("good", "complete") if insight.complete else ("warn", "incomplete")
    counts = f"{number(len(insight.completed))} of {number(len(insight.dates))} {insight.partitions.grain}"
    left = f", {number(insight.remaining)} remaining" if insight.remaining else ""
    left += f", {number(some)} of them partial" if (some := partial_dates(found.insight)) else ""
    share = f"{insight.pct_complete:g} %"
    return f"{insight.pipeline}: {view.paint(style, word)} · {counts} ({share}){left}{_active(found)}"


def _active(found: Status) -> str:
    active = "".join(f" · backfill {row.backfill_id} {row.state}" for row in found.active[:1])
    return active + "".join(f" · due after {backfill}: any `recoup run` fires it" for backfill in found.due[:1])


def _figures(steps: Sequence[StepStatus], view: View, now: datetime) -> Iterator[Row]:
    """One line for each step; columns that hold nothing are left out."""
    figures = [(status, counts(status.insight)) for status in steps]
    shown = [word for word in _OPTIONAL if any(count[word] for _, count in figures)]
    heads = [Cell(word, "dim", right=True) for word in ("done", "missing", *shown)]
    yield [Cell("step", "dim"), *heads, Cell("last success", "dim")]
    for status, count in figures:
        cells = [Cell(f"{number(count['done'])}/{number(len(status.insight.expected))}", right=True)]
        for word in ("missing", *shown):
            text = number(count[word]) if count[word] else "–"
            cells.append(Cell(text, _STYLE[word] if count[word] else "dim", right=True))
        yield [name_cell(status.insight.node.name), *cells, _last(status, view, now)]


def _pool_rows(pools: Sequence[PoolUse], view: View, now: datetime) -> Iterator[Row]:
    """`pool warehouse  1 running · 2 slots · last start 3 s ago · paused until …: Exceeded quota`."""
    for use in pools:
        told = [f"{number(use.running)} running", str(use.declared)]
        if use.last_start is not None:
            when = iso(use.last_start) if view.width is None else ago(now.timestamp() - use.last_start)
            told.append(f"last start {when}")
        if use.paused_until is not None:
            told.append(f"paused until {iso(use.paused_until)}: {clean(use.reason or '')}")
        yield [Cell(f"pool {use.pool}", "dim"), Cell(" · ".join(told), "warn" if use.paused_until else "dim")]


def _last(status: StepStatus, view: View, now: datetime) -> str:
    at = status.last_successful_time
    if at is None:
        return "never"
    when = iso(at) if view.width is None else ago(now.timestamp() - at)
    return f"{status.last_successful_date}, {when}" if status.last_successful_date else when


def _part_rows(chosen: Sequence[Part], view: View) -> Iterator[Row]:
    """A line for each part; a step that is blocked for many reasons shows the first few on a terminal."""
    seen: dict[str, int] = {}
    left: dict[str, list[Part]] = {}
    for part in chosen:
        name = part.step.node.name
        if part.state == "blocked" and view.width is not None:
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > REASONS_SHOWN:
                left.setdefault(name, []).append(part)
                continue
        yield _part_row(part, view)
    for more in left.values():
        rest = PartitionSet()
        for part in more:
            rest |= part.partitions
        yield _part_row(
            Part(more[0].step, "blocked", "blocked", rest, f"for {counted(len(more), 'more reason')}"), view
        )


def _part_row(part: Part, view: View) -> Row:
    texts = part.step.node.partitions.ranges_text(part.partitions, part.step.expected)
    where = ranges(texts, view, len(part.partitions))
    word = Cell(part.word, _STYLE.get(part.state, ""))
    row: list[str | Cell] = [name_cell(part.step.node.name), word, where]
    return [*row, clean(part.text)] if part.text else row
