"""A backfill's own log, put together from the ledger: who did what to it and why, how far it was, what went wrong.

`execution_log(workspace, name) -> ExecutionLog`; `note(workspace, name, text)` adds a person's line. What was done to
its partitions otherwise (a retry, a rollback, a waiver, another backfill that took them up) belongs to it too.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from recoup.app.backfills import as_they_stand, at_work, find
from recoup.app.log_progress import completions, milestones
from recoup.app.workspace import Workspace
from recoup.ledger.backfills import IN_FORCE
from recoup.ledger.cells import Cells, meet, read, united
from recoup.ledger.facts import BackfillRow
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import UsageError
from recoup.model.failure import Failure
from recoup.model.partition import PartitionSet

NOTE: Final = "note"
_CAUSES: Final = 50
"""So many causes are told with their first partition; `recoup why` has them all."""
_OF_PARTITIONS: Final = ("retry", "recover", "waived", "waiver taken back", "rollback begun", "code accepted")
_LIVES: Final = tuple(
    f"backfill {word}" for word in ("started", "done", "incomplete", "interrupted", "cancelled", "stopped")
)
_UNTOLD: Final = (IN_FORCE, "claimed")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log; `kind` is the event's, or `progress` and `error`, which are taken from the attempts."""

    at: float
    kind: str
    who: str | None = None
    reason: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecutionLog:
    """Of one backfill: `total` partitions, and the moments at which each of them was complete."""

    row: BackfillRow
    total: int
    completed_at: tuple[float, ...]
    entries: tuple[Entry, ...]

    def completed_by(self, moment: float) -> int:
        """How many partitions were complete then."""
        return bisect_right(self.completed_at, moment)


def execution_log(workspace: Workspace, name: str) -> ExecutionLog:
    """All that the ledger knows of it, in its order."""
    with workspace.reader() as reader:
        row = as_they_stand([find(reader, name)], at_work(workspace, reader))[0]
        return log_of(reader, row)


def log_of(reader: LedgerReader, row: BackfillRow) -> ExecutionLog:
    """The same, of one that was found already."""
    own, cells = _own(reader, row)
    total, completed_at = completions(reader, cells, row.created_at)
    progress = [Entry(at, "progress", data={"done": k, "total": total}) for k, at in milestones(total, completed_at)]
    if row.state == "done":  # its end says the last one
        progress = [one for one in progress if one.data["done"] < total]
    told = [*own, *_errors(reader, row), *progress, *_of_its_partitions(reader, row, cells)]
    return ExecutionLog(row, total, tuple(completed_at), tuple(sorted(told, key=_place)))


def _place(entry: Entry) -> tuple[float, bool]:
    """At one moment how far it was comes first: what is said after it counts that in."""
    return entry.at, entry.kind != "progress"


def note(workspace: Workspace, name: str, text: str) -> tuple[BackfillRow, Entry]:
    """Write a person's line into the log of a backfill."""
    by = workspace.acting(text)
    if "reason" not in by:
        raise UsageError("the note is empty", 'write what there is to say: recoup backfill note ID "the vendor called"')
    with workspace.ledger() as ledger:
        row = find(LedgerReader(ledger.path, ledger.db), name)
        data = {"who": by["who"], "text": by["reason"]}
        with ledger.transaction() as tx:
            tx.event(NOTE, backfill=row.backfill, data=data)
            return row, Entry(tx.now, NOTE, by["who"], data=data)


def _own(reader: LedgerReader, row: BackfillRow) -> tuple[list[Entry], Cells]:
    """What was done to the backfill itself, and all that it is about."""
    entries: list[Entry] = []
    cells: Cells = {}
    rows = reader.query(
        "SELECT at, kind, data FROM events WHERE backfill = ? AND token IS NULL ORDER BY seq", (row.backfill,)
    )
    seen = set()
    for at, kind, text in rows:
        data = json.loads(text) if text else {}
        cells = united(cells, read(data))
        # One that cannot be tried for each of a thousand reasons, or a breaker that opens again and again: the first.
        once = kind in ("blocked", "breaker opened") and (kind, data.get("step")) in seen
        seen.add((kind, data.get("step")))
        if kind not in _UNTOLD and not once:
            entries.append(_entry(at, kind, data))
    return entries, cells or _attempted(reader, row)


def _attempted(reader: LedgerReader, row: BackfillRow) -> Cells:
    """What is known of a backfill that an older recoup began."""
    cells: dict[Any, list[int]] = {}
    for node, ordinal in reader.query("SELECT node, ordinal FROM attempts WHERE backfill = ?", (row.backfill,)):
        cells.setdefault(node, []).append(ordinal)
    return {node: PartitionSet.of(ordinals) for node, ordinals in cells.items()}


def _errors(reader: LedgerReader, row: BackfillRow) -> Iterator[Entry]:
    """The first failure of each cause, with how many attempts failed alike."""
    rows = reader.query(
        "SELECT min(a.token), coalesce(a.ended_at, a.claimed_at), n.name, r.partition, a.failure, a.log, count(*)"
        " FROM attempts a JOIN nodes n USING (node) JOIN runs r USING (run)"
        " WHERE a.backfill = ? AND a.failure IS NOT NULL AND a.state <> 'cancelled'"
        " GROUP BY a.node, json_extract(a.failure, '$.fingerprint') ORDER BY 1 LIMIT ?",
        (row.backfill, _CAUSES),
    )
    for _, at, step, partition, failure, log, count in rows:
        what = Failure.from_json(json.loads(failure))
        told = {"kind": what.kind.value, "message": what.message, "fingerprint": what.fingerprint}
        yield Entry(at, "error", data={"step": step, "partition": partition, **told, "log": log, "attempts": count})


def _of_its_partitions(reader: LedgerReader, row: BackfillRow, cells: Cells) -> Iterator[Entry]:
    """What people did to them otherwise, and which other backfills took them up before this one was done."""
    rows = reader.query(
        "SELECT e.at, e.kind, e.data, b.backfill_id FROM events e LEFT JOIN backfills b USING (backfill)"
        " WHERE e.at >= ? AND e.kind IN (SELECT value FROM json_each(?)) AND e.backfill IS NOT ? ORDER BY e.seq",
        (row.created_at, json.dumps([*_OF_PARTITIONS, *_LIVES, "rollback ended"]), row.backfill),
    )
    others: set[str] = set()
    rollbacks: set[str] = set()
    for at, kind, text, other in rows:
        data = json.loads(text) if text else {}
        begins = other and kind == _LIVES[0] and not (row.state == "done" and row.ended_at and at > row.ended_at)
        if meet(read(data), cells) and (begins or kind in _OF_PARTITIONS):
            others |= {other} if other else set()
            rollbacks |= {data["id"]} if kind == "rollback begun" else set()
        elif not (other in others or (kind == "rollback ended" and data["id"] in rollbacks)):
            continue
        yield _entry(at, kind if other is None else kind.replace("backfill", "other backfill"), {**data, "id": other})


def _entry(at: float, kind: str, data: Mapping[str, Any]) -> Entry:
    rest = {name: value for name, value in data.items() if name not in ("who", "reason", "cells", "moves", "asked")}
    return Entry(at, kind, data.get("who"), data.get("reason") if kind != "blocked" else None, {**rest, **_why(data)})


def _why(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is blocked is blocked for a cause, not for a person's reason."""
    return {"because": data["reason"]} if "reason" in data and "who" not in data else {}
