"""What pools have let start: rows that outlive a controller, and that all controllers of a ledger share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from recoup.ledger.transaction import Transaction


class Starts(NamedTuple):
    """When a pool last let something start, and when its rate's even schedule expects the next; wall clock."""

    pool: str
    last_at: float
    next_at: float


def all_starts(tx: Transaction) -> list[Starts]:
    """Of every pool that ever had a rate or a delay."""
    return [Starts(*row) for row in tx.execute("SELECT pool, last_at, next_at FROM starts")]


def note_starts(tx: Transaction, starts: Iterable[Starts]) -> None:
    """Remember them, in the transaction that claims what has started."""
    for row in starts:
        tx.execute("INSERT OR REPLACE INTO starts VALUES (?, ?, ?)", row)
