"""The life of a backfill: opened, wished to pause or to stop from another terminal, ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from recoup.ledger.facts import Controls
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger

IN_FORCE = "settings in force"
"""What its controller says when it has taken over what a person set."""
_WISH = (
    "SELECT wish, max_parallel, delay_seconds, priority FROM backfills LEFT JOIN controls USING (backfill)"
    " WHERE backfill = ?"
)


def open_backfill(
    tx: Transaction,
    ledger: Ledger,
    *,
    backfill_id: str,
    pipeline: str,
    request: Mapping[str, Any],
    digest: str,
    controller: int,
    actions: int,
    who: str,
    told: Mapping[str, Any] | None = None,
) -> int:
    """A new backfill that this controller runs; its row number. `told` is what else the history keeps of it."""
    backfill = ledger.next_row("backfills", "backfill")
    tx.execute(
        "INSERT INTO backfills (backfill, backfill_id, pipeline, request, digest, state, controller, actions,"
        " created_at, who)"
        " VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?)",
        (backfill, backfill_id, pipeline, json.dumps(request), digest, controller, actions, tx.now, who),
    )
    tx.event("backfill started", backfill=backfill, data={"who": who, "request": dict(request), **(told or {})})
    return backfill


def take_up(tx: Transaction, backfill: int, controller: int, who: str, told: Mapping[str, Any] | None = None) -> None:
    """Go on with a backfill that stopped."""
    tx.execute(
        "UPDATE backfills SET state = 'running', wish = '', controller = ?, ended_at = NULL WHERE backfill = ?",
        (controller, backfill),
    )
    tx.event("backfill resumed", backfill=backfill, data={"who": who, **(told or {})})


def set_wish(tx: Transaction, backfill: int, wish: str, by: Mapping[str, Any]) -> None:
    """What a person wants of a running backfill; its controller looks at it at every commit."""
    tx.execute("UPDATE backfills SET wish = ? WHERE backfill = ?", (wish, backfill))
    tx.event(f"wished: {wish or 'resume'}", backfill=backfill, data=dict(by))


def set_state(
    tx: Transaction,
    backfill: int,
    state: str,
    summary: Mapping[str, Any] | None = None,
    told: Mapping[str, Any] | None = None,
) -> None:
    """How it stands; with a summary it has ended."""
    ended_at = tx.now if summary is not None else None
    tx.execute(
        "UPDATE backfills SET state = ?, ended_at = ?, summary = coalesce(?, summary) WHERE backfill = ?",
        (state, ended_at, json.dumps(summary) if summary is not None else None, backfill),
    )
    more = {"summary": dict(summary)} if summary else {}
    tx.event(f"backfill {state}", backfill=backfill, data={**more, **(told or {})} or None)


def set_controls(tx: Transaction, backfill: int, controls: Controls, by: Mapping[str, Any]) -> None:
    """How it is to be carried out from now on, and after a resume."""
    row = (backfill, controls.max_parallel, controls.delay_seconds, controls.priority)
    tx.execute("INSERT OR REPLACE INTO controls VALUES (?, ?, ?, ?)", row)
    tx.event("backfill set", backfill=backfill, data={**by, **asdict(controls)})


def wish_of(ledger: Ledger, backfill: int) -> tuple[str, Controls]:
    """What is wished of it now, and how it is to be carried out."""
    wish, *controls = ledger.db.execute(_WISH, (backfill,)).fetchone()
    return str(wish), Controls(*controls)
