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


class Share(NamedTuple):
    """What a controller holds of a pool's slots, and how many it could use; `slots` is how many it thinks there are."""

    pool: str
    controller: int
    priority: int
    slots: int
    held: int
    wanted: int
    granted_at: float


def others_shares(tx: Transaction, controller: int) -> list[Share]:
    """Of all controllers that are at work, but for this one; a dead one counts until its lease is voided."""
    rows = tx.execute(
        "SELECT pool, controller, priority, slots, held, wanted, granted_at FROM shares WHERE controller <> ?",
        (controller,),
    )
    return [Share(*row) for row in rows]


def put_share(tx: Transaction, share: Share) -> None:
    """What a controller holds and wants from now on."""
    tx.execute("INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?, ?, ?, ?)", share)


def drop_shares(tx: Transaction, controller: int) -> None:
    """It is no longer at work."""
    tx.execute("DELETE FROM shares WHERE controller = ?", (controller,))


class Paused(NamedTuple):
    """A pool whose quota is used up, until when (wall clock), and what the other side said."""

    pool: str
    until: float
    reason: str


def pauses(tx: Transaction) -> list[Paused]:
    """Those that are not over."""
    return [Paused(*row) for row in tx.execute("SELECT pool, until, reason FROM pauses WHERE until > ?", (tx.now,))]


def put_pause(tx: Transaction, paused: Paused) -> None:
    """Nothing of it starts before then, whoever asks; the later of two moments holds."""
    tx.execute(
        "INSERT INTO pauses VALUES (?, ?, ?) ON CONFLICT (pool) DO UPDATE SET"
        " until = excluded.until, reason = excluded.reason WHERE excluded.until > until",
        paused,
    )
