"""Up to when an incremental job has read: it grows with the job's successes, and only a person sets it back.

An attempt's advance counts from what it was told when it was claimed. Who sets a watermark while an attempt runs means
what is read from then on, so that attempt advances it no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from recoup.ledger.reader import Executes, LedgerReader
from recoup.ledger.transaction import Transaction
from recoup.model.watermark import moment_at, moment_text

SET: Final = "watermark set"
ADVANCED: Final = "watermark advanced"
KEPT: Final = "watermark kept"


@dataclass(frozen=True, slots=True)
class Pinned:
    """What an attempt was told: the value, None where there is none, and how often people had set it by then."""

    name: str
    value_microseconds: int | None
    sets: int


@dataclass(frozen=True, slots=True)
class Advance:
    """What an attempt that succeeded has read up to."""

    token: int
    pinned: Pinned
    to_microseconds: int


@dataclass(frozen=True, slots=True)
class Watermark:
    """As it stands: `who` set it, None where an attempt has advanced it since."""

    name: str
    value: datetime
    changed_at: float
    who: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One of its history: `step` and `partition` where an attempt made it."""

    at: float
    kind: str
    value: datetime
    before: datetime | None
    who: str | None
    reason: str | None
    step: str | None
    partition: str | None


def pinned(tx: Executes, name: str) -> Pinned:
    """As a transaction sees it."""
    row = tx.execute("SELECT value_microseconds, sets FROM watermarks WHERE name = ?", (name,)).fetchone()
    return Pinned(name, *row) if row else Pinned(name, None, 0)


def set_watermark(tx: Transaction, name: str, value_microseconds: int, by: Mapping[str, Any]) -> Pinned:
    """To whatever value, backwards too; the answer is what it was before."""
    before = pinned(tx, name)
    tx.execute(
        "INSERT INTO watermarks VALUES (?, ?, ?, ?, 1) ON CONFLICT (name) DO UPDATE SET sets = sets + 1,"
        " value_microseconds = excluded.value_microseconds, changed_at = excluded.changed_at, who = excluded.who",
        (name, value_microseconds, tx.now, by["who"]),
    )
    tx.event(SET, data={**by, **_told(before, value_microseconds)})
    return before


def foresee(tx: Transaction, advances: Iterable[Advance]) -> None:
    """In the transaction that intends the publications: whoever settles them later can advance what they read."""
    for one in advances:
        row = (one.token, one.pinned.name, one.pinned.sets, one.to_microseconds)
        tx.execute("INSERT INTO advances VALUES (?, ?, ?, ?)", row)


def foreseen(tx: Transaction, tokens: Iterable[int]) -> list[Advance]:
    """What these attempts would advance."""
    sql = "SELECT token, name, sets, to_microseconds FROM advances WHERE token = ?"
    rows = (tx.execute(sql, (token,)).fetchone() for token in tokens)
    return [Advance(token, Pinned(name, None, sets), to) for token, name, sets, to in filter(None, rows)]


def forget(tx: Transaction, tokens: Iterable[int]) -> None:
    """They are over, whether they have succeeded or not."""
    for token in tokens:
        tx.execute("DELETE FROM advances WHERE token = ?", (token,))


def advance(tx: Transaction, advances: Iterable[Advance]) -> None:
    """In the transaction that records the successes; what is further on already stays."""
    for one in advances:
        forget(tx, [one.token])
        now = pinned(tx, one.pinned.name)
        if now.sets != one.pinned.sets:
            tx.event(KEPT, token=one.token, data=_told(now, one.to_microseconds))
        elif now.value_microseconds is None or now.value_microseconds < one.to_microseconds:
            tx.execute(
                "INSERT INTO watermarks VALUES (?, ?, ?, NULL, 0) ON CONFLICT (name) DO UPDATE SET"
                " value_microseconds = excluded.value_microseconds, changed_at = excluded.changed_at, who = NULL",
                (one.pinned.name, one.to_microseconds, tx.now),
            )
            tx.event(ADVANCED, token=one.token, data=_told(now, one.to_microseconds))


def watermarks(reader: LedgerReader, name: str | None = None) -> list[Watermark]:
    """All of them by name, or the one."""
    rows = reader.query(
        "SELECT name, value_microseconds, changed_at, who FROM watermarks WHERE ? IN (name, '') ORDER BY name",
        (name or "",),
    )
    return [Watermark(row[0], moment_at(row[1]), *row[2:]) for row in rows]


def history(reader: LedgerReader, name: str) -> list[Change]:
    """Every value that it had, newest first; and what was not taken over, because a person had set it meanwhile."""
    rows = reader.query(
        "SELECT e.at, e.kind, e.data, n.name, r.partition FROM events e LEFT JOIN attempts a USING (token)"
        " LEFT JOIN nodes n USING (node) LEFT JOIN runs r USING (run)"
        " WHERE e.kind IN (?, ?, ?) AND json_extract(e.data, '$.name') = ? ORDER BY e.seq DESC",
        (SET, ADVANCED, KEPT, name),
    )
    return [_change(at, kind, json.loads(text), step, partition) for at, kind, text, step, partition in rows]


def contradictions(db: Executes) -> list[str]:
    """Watermarks that are not what their history says; in sentences."""
    shown = {name: moment_at(value) for name, value in db.execute("SELECT name, value_microseconds FROM watermarks")}
    newest = db.execute(
        "SELECT json_extract(data, '$.name'), json_extract(data, '$.value'), max(seq) FROM events"
        " WHERE kind IN (?, ?) GROUP BY 1",
        (SET, ADVANCED),
    )
    told = {name: datetime.fromisoformat(value) for name, value, _ in newest}
    wrong = (name for name in sorted(shown.keys() | told.keys()) if shown.get(name) != told.get(name))
    return [f"the watermark {name} is not what its history says" for name in wrong]


def _told(before: Pinned, value_microseconds: int) -> dict[str, Any]:
    old = before.value_microseconds
    was = None if old is None else moment_text(moment_at(old))
    return {"name": before.name, "value": moment_text(moment_at(value_microseconds)), "before": was}


def _change(at: float, kind: str, data: Mapping[str, Any], step: str | None, partition: str | None) -> Change:
    value, before = datetime.fromisoformat(data["value"]), data["before"] and datetime.fromisoformat(data["before"])
    return Change(at, kind, value, before, data.get("who"), data.get("reason"), step, partition)
