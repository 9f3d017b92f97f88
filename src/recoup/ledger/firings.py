"""What follows a backfill: due in the transaction that ends it, taken in the one that begins what it fires.

So it is never lost, and never fired twice: whoever was killed in between left a row that the next command finds. One
that was taken is due again while the backfill that carries it out is interrupted, until that has ended.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recoup.ledger.reader import LedgerReader
from recoup.ledger.transaction import Transaction
from recoup.model.errors import FiredElsewhereError
from recoup.model.partition import PartitionSet

_DUE = (
    "SELECT f.firing, f.backfill, b.backfill_id, b.pipeline, f.follower"
    " FROM firings f JOIN backfills b USING (backfill) WHERE f.follower = ? AND f.settled_at IS NULL ORDER BY f.firing"
)
_TAKEN = (
    "SELECT f.firing, f.backfill, b.backfill_id, b.pipeline, f.follower, begun.backfill_id, begun.state,"
    " begun.controller FROM backfills begun JOIN firings f ON f.fired = begun.backfill"
    " JOIN backfills b ON b.backfill = f.backfill"
    " WHERE f.follower = ? AND begun.state IN ('interrupted', 'running', 'paused') ORDER BY f.firing"
)
_TAKE = (
    "UPDATE firings SET settled_at = ?, fired = ?, outcome = 'fired' WHERE firing = ? AND (settled_at IS NULL"
    " OR fired IN (SELECT backfill FROM backfills WHERE state = 'interrupted'))"
)
_GIVEN_UP = (
    "SELECT backfill FROM backfills b WHERE pipeline = ? AND digest = ? AND state IN ('interrupted', 'stopped',"
    " 'cancelled') AND NOT EXISTS (SELECT 1 FROM firings f WHERE f.backfill = b.backfill AND f.dates IS NULL)"
)
_OF = (
    "SELECT f.follower, f.outcome, b.backfill_id FROM firings f LEFT JOIN backfills b ON b.backfill = f.fired"
    " WHERE f.backfill = ? ORDER BY f.firing"
)
_BY = "SELECT b.backfill_id FROM firings f JOIN backfills b USING (backfill) WHERE f.fired = ? ORDER BY f.firing"


@dataclass(frozen=True, slots=True)
class Due:
    """A pipeline that is to run because of what a backfill has published."""

    firing: int
    backfill: int
    backfill_id: str
    pipeline: str
    follower: str
    begun: str | None = None
    """The backfill that carries it out, and was interrupted."""


@dataclass(frozen=True, slots=True)
class Dates:
    """Partitions of a partitioning that has this identity."""

    grain: Mapping[str, Any]
    ordinals: PartitionSet


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of it: `fired` with the backfill that it is, `nothing` to run, or `due` still."""

    follower: str
    outcome: str
    backfill_id: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """Whether a run is `live` or a `backfill`, its choice, what fired it, what it fires; None: from before a choice."""

    mode: str | None = None
    downstream: str | None = None
    by: tuple[str, ...] = ()
    fired: tuple[Fired, ...] = ()


def note_mode(tx: Transaction, backfill: int, mode: str, downstream: str) -> None:
    """What kind of run it is, and when what follows it is fired."""
    tx.execute("INSERT OR REPLACE INTO modes VALUES (?, ?, ?)", (backfill, mode, downstream))


def owe(tx: Transaction, backfill: int, followers: Iterable[str]) -> None:
    """These are due, now that it has ended."""
    names = list(followers)
    for name in names:
        tx.execute("INSERT INTO firings (backfill, follower, due_at) VALUES (?, ?, ?)", (backfill, name, tx.now))
    if names:
        tx.event("downstream due", backfill=backfill, data={"pipelines": names})


def owe_for_earlier(tx: Transaction, pipeline: str, digest: str, followers: Iterable[str]) -> None:
    """What stopped before its end owes it, too, now that nothing is left of what it was asked for."""
    names = list(followers)
    for (backfill,) in tx.execute(_GIVEN_UP, (pipeline, digest)).fetchall() if names else ():
        owe(tx, backfill, names)


def take(tx: Transaction, due: Sequence[Due], fired: int) -> None:
    """They are carried out by this backfill, which begins in this transaction, or is about to go on in it.

    FiredElsewhereError when somebody else was first.
    """
    for one in due:
        if not tx.execute(_TAKE, (tx.now, fired, one.firing)).rowcount:
            message = f"what follows {one.backfill_id} has been fired by somebody else"
            raise FiredElsewhereError(message, "`recoup backfill ls` lists it")
    if new := [one for one in due if one.begun is None]:
        _tell(tx, new, fired)


def take_dates(tx: Transaction, by: Due, dates: Dates, fired: int) -> None:
    """The same for dates of one that has not ended yet: they are complete."""
    ranges = json.dumps({"grain": dates.grain, "ranges": [[run.start, run.stop] for run in dates.ordinals.ranges()]})
    tx.execute(
        "INSERT INTO firings (backfill, follower, dates, due_at, settled_at, fired, outcome)"
        " VALUES (?, ?, ?, ?, ?, ?, 'fired')",
        (by.backfill, by.follower, ranges, tx.now, tx.now, fired),
    )
    _tell(tx, [by], fired)


def _tell(tx: Transaction, due: Sequence[Due], fired: int) -> None:
    """In the history of both."""
    (backfill_id,) = tx.execute("SELECT backfill_id FROM backfills WHERE backfill = ?", (fired,)).fetchone()
    tx.event("downstream fired", backfill=fired, data={"by": [one.backfill_id for one in due]})
    for one in due:
        begun = {"pipeline": one.follower, "backfill_id": backfill_id}
        tx.event("downstream begun", backfill=one.backfill, data=begun)


def settle(tx: Transaction, due: Sequence[Due], outcome: str) -> None:
    """Nothing is left to be done about these."""
    for one in due:
        tx.execute(
            "UPDATE firings SET settled_at = ?, outcome = ? WHERE firing = ? AND settled_at IS NULL",
            (tx.now, outcome, one.firing),
        )


def due_of(reader: LedgerReader, follower: str, live: Collection[int]) -> list[Due]:
    """For what this pipeline is to run: first what was begun by controllers that are not `live`; then the oldest."""
    taken = reader.query(_TAKEN, (follower,))
    begun = [Due(*row) for *row, state, controller in taken if state == "interrupted" or controller not in live]
    return begun + [Due(*row) for row in reader.query(_DUE, (follower,))]


def followers_due(reader: LedgerReader) -> list[str]:
    """All pipelines for which anything is due."""
    return [row[0] for row in reader.query("SELECT DISTINCT follower FROM firings WHERE settled_at IS NULL")]


def dates_fired(reader: LedgerReader, backfill: int, follower: str) -> list[Dates]:
    """The dates of a backfill for which a pipeline was fired while it ran."""
    sql = "SELECT dates FROM firings WHERE backfill = ? AND follower = ? AND dates IS NOT NULL"
    found = [json.loads(dates) for (dates,) in reader.query(sql, (backfill, follower))]
    return [Dates(one["grain"], _ordinals(one["ranges"])) for one in found]


def _ordinals(ranges: Iterable[Sequence[int]]) -> PartitionSet:
    found = PartitionSet()
    for start, stop in ranges:
        found |= PartitionSet.of_range(range(start, stop))
    return found


def told_of(reader: LedgerReader, backfill: int) -> Told:
    """What is known of how a backfill and what follows it hang together."""
    modes = reader.query("SELECT mode, downstream FROM modes WHERE backfill = ?", (backfill,))
    mode, downstream = modes[0] if modes else (None, None)
    by = tuple(row[0] for row in reader.query(_BY, (backfill,)))
    fired = tuple(Fired(name, outcome or "due", id_) for name, outcome, id_ in reader.query(_OF, (backfill,)))
    return Told(mode, downstream, by, fired)
