"""`recoup runs`: every attempt, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from recoup.app.runs import Attempt
from recoup.app.runs import runs as ask
from recoup.app.settings import Settings
from recoup.cli import names
from recoup.cli.options import Common, Steps
from recoup.cli.output import Answer
from recoup.cli.paths import from_here
from recoup.cli.text import Cell, Row, View, clean, counted, cut, duration, name_cell, number
from recoup.cli.typed import status_of
from recoup.model.errors import UsageError

_USUAL = Common()
_STYLE = {"succeeded": "good", "failed": "bad", "lost": "bad", "running": "", "cancelled": "warn"}
_MESSAGE_ROOM = 300


def runs(
    pipeline: Annotated[str | None, Parameter(help="Its name; without one, all.", completer=names.pipelines)] = None,
    partition: Annotated[str | None, Parameter(help="Only attempts at this partition.")] = None,
    /,
    *,
    failed: Annotated[bool, Parameter(help="Only those that failed.")] = False,
    step: Steps = None,
    since: Annotated[str | None, Parameter(metavar="TIME", help="Only those begun in the last 30m, 2h, 7d …")] = None,
    limit: Annotated[int, Parameter(metavar="N", help="At most so many; 0 for all.")] = 20,
    common: Common = _USUAL,
) -> Answer:
    """List attempts, newest first: when, which step and partition, how it ended, and what it said."""
    if limit < 0:
        raise UsageError(f"--limit is {limit}", "give a number from 0 up")
    workspace = common.workspace()
    found = ask(
        workspace, pipeline, partition, failed=failed, steps=tuple(step or ()), since=since, limit=limit or None
    )
    return Answer(
        "runs",
        {"runs": found},
        lambda view: _lines(found, view),
        next=common.again(_next(workspace.settings, found, pipeline)),
        notes=(f"the newest {number(limit)}; --limit 0 shows all",) if limit and len(found) == limit else (),
    )


def _lines(found: list[Attempt], view: View) -> Iterator[str]:
    if not found:
        yield "no such attempt"
        return
    yield from view.columns(_row(attempt, view) for attempt in found)
    if log := next((a["log"] for a in found if a["log"] and not a["success"]), None):
        yield f"log of the newest failure: {from_here(log)}"


def _row(attempt: Attempt, view: View) -> Row:
    kind = attempt["failure_kind"]
    state = f"failed({kind})" if kind and attempt["state"] in ("failed", "lost") else attempt["state"]
    tries = "" if attempt["attempt"] == 1 else f" try {attempt['attempt']}"
    return [
        _local(attempt["created_at"], view),
        name_cell(attempt["step"]),
        attempt["partition"],
        Cell(f"{state}{tries}", _STYLE.get(attempt["state"], "")),
        Cell(_took(attempt), right=True),
        cut(clean(attempt["error_message"] or _made(attempt)), None if view.width is None else _MESSAGE_ROOM),
    ]


def _made(attempt: Attempt) -> str:
    rows = attempt["rows_processed"]
    return attempt["decision"] if rows is None else f"{attempt['decision']}, {counted(rows, 'row')}"


def _took(attempt: Attempt) -> str:
    if not attempt["started_at"] or not attempt["ended_at"]:
        return ""
    spent = datetime.fromisoformat(attempt["ended_at"]) - datetime.fromisoformat(attempt["started_at"])
    return duration(max(spent.total_seconds(), 0))


def _local(text: str, view: View) -> str:
    """The clock on the wall for people; UTC as it is kept for whoever reads a pipe."""
    return text if view.width is None else f"{datetime.fromisoformat(text).astimezone():%m-%d %H:%M:%S}"


def _next(settings: Settings, found: list[Attempt], pipeline: str | None) -> str:
    name = pipeline or (found[0]["layer"] if found else "")
    return status_of(settings, name) if name else "recoup backfill ls"
