"""Backfills for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from recoup.app.backfills import ACTIVE, Detail
from recoup.app.standing import iso
from recoup.app.summary import stage_json
from recoup.cli.plan_text import run_words
from recoup.cli.stage_text import stage_lines, standing_words
from recoup.cli.text import Cell, View, ago, clean, counted, duration, number
from recoup.ledger.facts import BackfillRow, Controls
from recoup.ledger.firings import Told
from recoup.plan.request import Request

_STYLE = {
    "running": "good",
    **dict.fromkeys(("paused", "interrupted", "stopped", "cancelled", "incomplete"), "warn"),
}


def row_json(row: BackfillRow) -> dict[str, Any]:
    """One backfill in a list."""
    return {
        "backfill_id": row.backfill_id,
        "pipeline": row.pipeline,
        "state": row.state,
        "wish": row.wish,
        "actions": row.actions,
        "created_at": iso(row.created_at),
        "ended_at": None if row.ended_at is None else iso(row.ended_at),
        "who": row.who,
        "request": dict(row.request),
    }


def detail_json(detail: Detail) -> dict[str, Any]:
    """One backfill with what became of it."""
    return {
        **row_json(detail.row),
        "controls": controls_json(detail.row.controls),
        "mode": detail.following.mode,
        "downstream": detail.following.downstream,
        "fired_by": list(detail.following.by),
        "fired": [
            {"pipeline": one.follower, "outcome": one.outcome, "backfill_id": one.backfill_id}
            for one in detail.following.fired
        ],
        "attempts": dict(detail.attempts),
        "blocked": detail.blocked,
        "failures": [
            {
                "step": cause.step,
                "count": cause.count,
                "kind": cause.failure.kind.value,
                "message": cause.failure.message,
                "advice": cause.failure.advice,
                "fingerprint": cause.failure.fingerprint,
                "log": cause.log,
            }
            for cause in detail.causes
        ],
        "stages": [stage_json(stage) for stage in detail.stages],
        "summary": None if detail.row.summary is None else dict(detail.row.summary),
    }


def controls_json(controls: Controls) -> dict[str, Any]:
    """How it is carried out; null: as the settings say."""
    return asdict(controls)


def controls_words(controls: Controls) -> str:
    """`at most 2 at once · 10 s between partitions · priority 5`."""
    words = []
    if controls.max_parallel is not None:
        words.append(f"at most {number(controls.max_parallel)} at once")
    if controls.delay_seconds is not None:
        words.append(f"{duration(controls.delay_seconds)} between partitions" if controls.delay_seconds else "no delay")
    if controls.priority is not None:
        words.append(f"priority {controls.priority}")
    return " · ".join(words)


def row_lines(rows: Sequence[BackfillRow], view: View, now: float) -> Iterator[str]:
    """One line each, newest first."""
    if not rows:
        yield "there is no backfill yet"
        return
    yield from view.columns(
        [
            row.backfill_id,
            Cell(f"{row.state}{', to ' + row.wish if _pending(row) else ''}", _STYLE.get(row.state, "")),
            Cell(number(row.actions), right=True),
            _when(row, view, now),
            _asked(row),
        ]
        for row in rows
    )


def detail_lines(detail: Detail, view: View, now: float) -> Iterator[str]:
    """What was asked, how it stands, what failed."""
    row, attempts = detail.row, dict(detail.attempts)
    took = (row.ended_at or now) - row.created_at
    yield f"{row.backfill_id}: {view.paint(_STYLE.get(row.state, ''), row.state)}"
    done = attempts.pop("succeeded", 0)
    rest = [f"{number(count)} {state}" for state, count in sorted(attempts.items()) if state != "released"]
    rest += [f"{number(detail.blocked)} blocked"] if detail.blocked else []
    rows = [
        ["asked", run_words(Request.from_json(row.request), row.pipeline)],
        ["by", f"{row.who}, {_when(row, view, now)}"],
        ["took" if row.ended_at else "runs for", duration(took)],
        ["attempts", " · ".join([f"{number(done)} of {counted(row.actions, 'action')} succeeded", *rest])],
    ]
    rows.append(["goes", controls_words(Controls(detail.max_parallel).changed_by(row.controls))])
    rows += _following_rows(detail.following)
    if _pending(row):
        rows.append(["wish", f"{row.wish}, which its controller has not taken over yet"])
    if standing := standing_words(detail.stages, at_work=row.state in ACTIVE):
        rows.append(["stage", standing])
    yield from view.columns(rows, indent="  ")
    yield from stage_lines(detail.stages, view)
    if detail.causes:
        yield from ("", "failed attempts, those that were tried again included")
        yield from view.columns(
            (
                [
                    c.step,
                    Cell(f"{number(c.count)} ×", right=True),
                    Cell(f"{c.failure.kind}: {clean(c.failure.message)}", "bad"),
                ]
                for c in detail.causes
            ),
            indent="  ",
        )
        if log := next((c.log for c in detail.causes if c.log), None):
            yield f"  log of one: {log}"


def _following_rows(told: Told) -> Iterator[list[str]]:
    if told.mode is not None:
        yield ["mode", f"{told.mode}, downstream {told.downstream}"]
    if told.by:
        yield ["fired by", ", ".join(told.by)]
    for one in told.fired:
        yield ["fired", f"{one.follower}: {one.backfill_id or one.outcome}"]


def _pending(row: BackfillRow) -> bool:
    return (row.state, row.wish) in {("running", "pause"), ("running", "cancel"), ("paused", "cancel")}


def _when(row: BackfillRow, view: View, now: float) -> str:
    return iso(row.created_at) if view.width is None else ago(now - row.created_at)


def _asked(row: BackfillRow) -> str:
    """The window in a few words."""
    request = Request.from_json(row.request)
    return run_words(request, row.pipeline).split(" ", 2)[2]
