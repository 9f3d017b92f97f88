"""Publications and rollbacks for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from recoup.app.publications import Accepted, History, Shown
from recoup.app.rollback import RollbackReport
from recoup.cli.text import Cell, Row, View, clean, counted, name_cell, number, ranges

_MOVES_SHOWN: Final = 20
_RUN_SHOWN: Final = 13
"""The time part of a run's id tells runs apart for people."""


def shown_json(one: Shown) -> dict[str, Any]:
    """One publication."""
    return {
        "dataset": one.dataset,
        "partition": one.partition,
        "run_id": one.run_id,
        "generation": one.generation,
        "rows": one.rows,
        "state": one.state,
        "published_at": _iso(one.published_at),
        "superseded_at": None if one.superseded_at is None else _iso(one.superseded_at),
        "token": one.token,
        "digest": one.digest,
        "code_version": one.code_version,
        "reason": one.reason,
    }


def shown_lines(shown: Sequence[Shown], view: View) -> Iterator[str]:
    """One line for each partition."""
    if not shown:
        yield "nothing is published"
        return
    yield from view.columns(_row(one, view) for one in shown)


def history_json(history: History) -> dict[str, Any]:
    """All generations, and what the pointer says."""
    return {
        "dataset": history.dataset,
        "partition": history.partition,
        "agrees": history.agrees,
        "verdict": history.verdict,
        "generations": [shown_json(one) for one in history.generations],
    }


def history_lines(history: History, view: View) -> Iterator[str]:
    """Newest first; the verdict on top."""
    verdict = view.paint("" if history.agrees else "bad", clean(history.verdict))
    yield f"{history.dataset} {history.partition}: {verdict}"
    yield from view.columns((_row(one, view)[2:] for one in history.generations), indent="  ")


def rollback_json(report: RollbackReport) -> dict[str, Any]:
    """What goes and what comes, by partition."""
    return {
        "done": report.done,
        "moved": report.moved,
        "delivered": report.delivered,
        "undelivered": list(report.undelivered),
        "refused": list(report.plan.refused),
        "notes": list(report.plan.notes),
        "tables": {name: asdict(change) for name, change in report.plan.tables.items()},
        "moves": [
            {
                "dataset": move.dataset,
                "partition": move.partition,
                "from_run": move.before.run_id,
                "from_rows": move.before.publication.rows,
                "to_run": move.after.run_id if move.after else None,
                "to_rows": move.after.publication.rows if move.after else None,
            }
            for move in report.plan.moves
        ],
    }


def rollback_lines(report: RollbackReport, view: View) -> Iterator[str]:
    """Moves by dataset, the tables that follow, and why it cannot be, if so."""
    plan = report.plan
    for dataset, moves in plan.by_dataset().items():
        shown = moves if view.width is None else moves[:_MOVES_SHOWN]
        yield from view.columns([name_cell(dataset), move.partition, clean(move.sentence)] for move in shown)
        if len(shown) < len(moves):
            yield f"{dataset}  and {number(len(moves) - len(shown))} more"
    for table, change in plan.tables.items():
        rows = f"{counted(change.rows_go, 'row')} go, {counted(change.rows_come, 'row')} come"
        yield f"{table}: {counted(change.partitions, 'partition')} delivered again, {rows}"
    yield from (clean(note) for note in plan.notes)
    if plan.refused:
        yield view.paint("bad", "this is refused:")
        yield from (f"  {clean(reason)}" for reason in plan.refused)
        yield f"  {clean(plan.remedy)}"
        return
    emptied = sum(move.after is None or move.after.publication.run is None for move in plan.moves)
    nothing = f", {number(emptied)} of them to nothing" if emptied else ""
    if report.done:
        yield f"{number(report.moved)} moved{nothing}, {number(report.delivered)} delivered"
        yield from (view.paint("bad", clean(sentence)) for sentence in report.undelivered)
    else:
        yield f"nothing has been changed: {counted(len(plan.moves), 'partition')} would be moved{nothing}"


def accepted_lines(found: Accepted, view: View) -> Iterator[str]:
    """Ranges by step."""
    yield from view.columns([name, ranges(texts, view)] for name, texts in found.ranges.items())
    if not found.count:
        yield "nothing to accept: today's code made everything that is published"
    elif found.done:
        yield f"accepted {counted(found.count, 'partition')} as made by today's code"
    else:
        yield f"nothing has been changed: {counted(found.count, 'partition')} would be accepted"


def _row(one: Shown, view: View) -> Row:
    run = one.run_id or "nothing"
    return [
        name_cell(one.dataset),
        one.partition,
        Cell(f"#{one.generation}", right=True),
        one.state,
        run if view.width is None else run[:_RUN_SHOWN],
        Cell("–" if one.rows is None else counted(one.rows, "row"), right=True),
        _iso(one.published_at) if view.width is None else f"{one.published_at.astimezone():%Y-%m-%d %H:%M:%S}",
        clean(one.reason),
    ]


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
