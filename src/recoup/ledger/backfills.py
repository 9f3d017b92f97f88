"""The life of a backfill: opened, wished to pause or to stop from another terminal, ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger

WISHES = ("", "pause", "cancel")


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
) -> int:
    """A new backfill that this controller runs; its row number."""
    backfill = ledger.next_row("backfills", "backfill")
    tx.execute(
        "INSERT INTO backfills (backfill, backfill_id, pipeline, request, digest, state, controller, actions,"
        " created_at, who)"
        " VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?)",
        (backfill, backfill_id, pipeline, json.dumps(request), digest, controller, actions, tx.now, who),
    )
    tx.event("backfill started", backfill=backfill, data={"who": who, "request": dict(request)})
    return backfill


def take_up(tx: Transaction, backfill: int, controller: int, who: str) -> None:
    """Go on with a backfill that stopped."""
    tx.execute(
        "UPDATE backfills SET state = 'running', wish = '', controller = ?, ended_at = NULL WHERE backfill = ?",
        (controller, backfill),
    )
    tx.event("backfill resumed", backfill=backfill, data={"who": who})


def set_wish(tx: Transaction, backfill: int, wish: str, who: str) -> None:
    """What a person wants of a running backfill; its controller looks at it at every commit."""
    tx.execute("UPDATE backfills SET wish = ? WHERE backfill = ?", (wish, backfill))
    tx.event(f"wished: {wish or 'resume'}", backfill=backfill, data={"who": who})


def set_state(tx: Transaction, backfill: int, state: str, summary: Mapping[str, Any] | None = None) -> None:
    """How it stands; with a summary it has ended."""
    ended_at = tx.now if summary is not None else None
    tx.execute(
        "UPDATE backfills SET state = ?, ended_at = ?, summary = coalesce(?, summary) WHERE backfill = ?",
        (state, ended_at, json.dumps(summary) if summary is not None else None, backfill),
    )
    tx.event(f"backfill {state}", backfill=backfill)


def wish_of(ledger: Ledger, backfill: int) -> str:
    """What is wished of it now."""
    row = ledger.db.execute("SELECT wish FROM backfills WHERE backfill = ?", (backfill,)).fetchone()
    return str(row[0])
