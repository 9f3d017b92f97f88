"""A ledger that is made anew from what lies in a lake: rows in bulk, planes recomputed from them.

Only for a ledger that nobody else knows yet: nothing here names a token that somebody holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recoup.ledger import planes
from recoup.ledger.connection import FileLock, controllers_beside
from recoup.ledger.facts import ADOPTED, NodeId
from recoup.ledger.registry import as_chunks
from recoup.ledger.transaction import Transaction
from recoup.ledger.verify import facts_planes
from recoup.ledger.writer import Ledger
from recoup.model.manifest import DataFile
from recoup.model.partition import EMPTY, PartitionSet

TOKENS_BETWEEN = 10_000_000
"""How far the next token is above all that a lake has seen: tables have seen tokens that no manifest tells of."""


CORRUPT = "corrupt pointer"
"""The reason of a generation that stands for one which nobody knows any more."""


@dataclass(frozen=True, slots=True)
class RestoredAttempt:
    """One try, as its manifest tells it; `state` is succeeded, failed, lost or cancelled."""

    token: int
    node: NodeId
    ordinal: int
    run_id: str
    number: int
    state: str
    decision: str
    code_version: str
    started_at: float | None
    ended_at: float
    rows: int | None = None
    failure: Mapping[str, Any] | None = None
    backfill_id: str | None = None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RestoredPublication:
    """One generation; `run_id` None: from then on nothing. Without files that can be found it is `collected`."""

    token: int
    node: NodeId
    ordinal: int
    run_id: str | None
    generation: int
    state: str
    digest: str
    run_as_of: float
    published_at: float
    superseded_at: float | None
    nonce: str
    reason: str
    rows: int | None = None
    files: tuple[DataFile, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    code_version: str = ""
    input_version: str = ""


@dataclass(slots=True)
class _Run:
    row: int
    pipeline: str
    partition: str
    run_as_of: float
    limited: bool
    opened_at: float
    ended_at: float
    newest_token: int


class Restoring:
    """Gathers runs, writes attempts and publications; all within one transaction of the new ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._db = ledger.db
        self._runs: dict[tuple[str, str, int], _Run] = {}
        self._backfills: dict[str, int] = {}
        self._durations: dict[NodeId, tuple[int, float]] = {}
        self.highest_token = 0

    def run(
        self,
        run_id: str,
        pipeline: str,
        grain: str,
        ordinal: int,
        partition: str,
        run_as_of: float,
        *,
        limited: bool = True,
    ) -> None:
        """A run that attempts and publications may then name; the first mention counts.

        Where nobody tells whether it was limited it counts as such: nobody goes on with it who may read more.
        """
        if (run_id, grain, ordinal) not in self._runs:
            row = len(self._runs) + 1
            self._runs[run_id, grain, ordinal] = _Run(
                row, pipeline, partition, run_as_of, limited, float("inf"), 0.0, 0
            )

    def write(
        self, grain: str, attempts: Iterable[RestoredAttempt], publications: Iterable[RestoredPublication]
    ) -> None:
        """The rows of one dataset, whose partitions have that grain."""
        self._db.executemany(_ATTEMPT, (self._attempt(grain, attempt) for attempt in attempts))
        self._db.executemany(_PUBLICATION, (self._publication(grain, publication) for publication in publications))

    def remember(self, token: int, reads: Iterable[tuple[NodeId, int]]) -> None:
        """What an attempt read that its pipeline alone does not tell."""
        rows = [(node, ordinal, token) for node, ordinal in reads]
        self._db.executemany("INSERT OR IGNORE INTO reads VALUES (?, ?, ?)", rows)

    def backfill_row(self, backfill_id: str) -> int:
        """The row number that attempts name."""
        return self._backfills.setdefault(backfill_id, len(self._backfills) + 1)

    @property
    def backfill_ids(self) -> Mapping[str, int]:
        """Every backfill that an attempt named, with its row."""
        return self._backfills

    def finish(self, unfinished: Mapping[tuple[str, str], PartitionSet]) -> None:
        """Runs, durations and planes; the newest run of what is unfinished, by pipeline and grain, stays open."""
        newest: dict[tuple[str, str, int], _Run] = {}
        for (_, grain, ordinal), run in self._runs.items():
            key = (run.pipeline, grain, ordinal)
            if key not in newest or newest[key].newest_token < run.newest_token:
                newest[key] = run
        rows = []
        for (run_id, grain, ordinal), run in self._runs.items():
            rest = unfinished.get((run.pipeline, grain), EMPTY)
            is_open = newest[run.pipeline, grain, ordinal] is run and run.newest_token > 0 and ordinal in rest
            closed_at = None if is_open else run.ended_at
            opened_at = min(run.opened_at, run.ended_at)
            what = (run.row, run_id, run.pipeline, grain, ordinal, run.partition, run.run_as_of)
            rows.append((*what, opened_at, closed_at, run.limited))
        self._db.executemany(
            "INSERT INTO runs (run, run_id, pipeline, grain, ordinal, partition, run_as_of, opened_at, closed_at,"
            " limited) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        taken = ((node, count, seconds) for node, (count, seconds) in self._durations.items())
        self._db.executemany("INSERT INTO durations VALUES (?, ?, ?)", taken)

    def show_nothing(self, unknown: Sequence[tuple[NodeId, int]], now: float) -> None:
        """Partitions whose pointer is corrupt: with a generation that shows nothing, a new run can put it right."""
        attempts: list[tuple[Any, ...]] = []
        publications: list[tuple[Any, ...]] = []
        for node, ordinal in unknown:
            self.highest_token += 1
            token, nonce = self.highest_token, f"corrupt-{self.highest_token}"
            attempts.append((token, 0, node, ordinal, 0, "released", None, CORRUPT, "", now, *(None,) * 7))
            shown = (token, node, ordinal, None, 1, "current", "", None, None, None, "", "", now, now, None)
            publications.append((*shown, nonce, CORRUPT, None))
        self._db.executemany(_ATTEMPT, attempts)
        self._db.executemany(_PUBLICATION, publications)

    def _attempt(self, grain: str, a: RestoredAttempt) -> tuple[Any, ...]:
        run = self._runs[a.run_id, grain, a.ordinal]
        began = a.ended_at if a.started_at is None else a.started_at
        run.opened_at = min(run.opened_at, began)
        run.ended_at = max(run.ended_at, a.ended_at)
        self.highest_token = max(self.highest_token, a.token)
        if a.decision != ADOPTED:  # such a run is never gone on with
            run.newest_token = max(run.newest_token, a.token)
        if a.state == "succeeded" and a.started_at is not None and a.decision != ADOPTED:
            count, seconds = self._durations.get(a.node, (0, 0.0))
            self._durations[a.node] = (count + 1, seconds + a.ended_at - a.started_at)
        backfill = None if a.backfill_id is None else self.backfill_row(a.backfill_id)
        message = a.failure.get("message") if a.failure else None
        failure = json.dumps(a.failure) if a.failure else None
        what = (a.token, run.row, a.node, a.ordinal, a.number, a.state, backfill, a.decision, a.code_version, began)
        took = (a.started_at, a.ended_at, a.rows, message, failure, a.peak_memory_bytes, a.cpu_seconds)
        return *what, *took

    def _publication(self, grain: str, p: RestoredPublication) -> tuple[Any, ...]:
        run = None if p.run_id is None else self._runs[p.run_id, grain, p.ordinal].row
        files = json.dumps([[f.path, f.rows, f.size_bytes, f.digest] for f in p.files]) if p.files else None
        columns = json.dumps(dict(p.columns)) if p.columns else None
        what = (p.token, p.node, p.ordinal, run, p.generation, p.state, p.digest, p.rows, files, columns)
        made = (p.code_version, p.input_version, p.run_as_of, p.published_at, p.superseded_at, p.nonce, p.reason, None)
        return *what, *made


def restore_planes(ledger: Ledger, tx: Transaction, stale: Mapping[NodeId, PartitionSet]) -> None:
    """Every plane from the rows that were written, and what was found to be stale."""
    for node, own in facts_planes(ledger.db).items():
        for plane, ordinals in own.items():
            tx.set_plane(node, plane, as_chunks(ordinals))
    for node, ordinals in stale.items():
        if ordinals:
            tx.set_plane(node, planes.STALE, as_chunks(ordinals))


def raise_tokens(tx: Transaction, highest: int) -> int:
    """The next token will be far above this one: a row that belongs to no dataset holds the place; its token."""
    newest = int(tx.execute("SELECT coalesce(max(token), 0) FROM attempts").fetchone()[0])
    floor = max(newest, highest) + TOKENS_BETWEEN
    tx.execute(
        "INSERT INTO attempts (token, run, node, ordinal, number, state, controller, decision, code_version,"
        " claimed_at) VALUES (?, 0, 0, 0, 0, 'released', 0, 'adopted', '', ?)",
        (floor, tx.now),
    )
    return floor


def live_controllers(ledger_path: Path) -> list[int]:
    """Controllers of this ledger whose lock is held: their processes live, whatever the ledger's file says."""
    alive = []
    for place in sorted(controllers_beside(ledger_path).glob("*.lock")):
        lock = FileLock(place)
        try:
            if not lock.try_acquire():
                alive.append(int(place.stem))
        finally:
            lock.close()
    return alive


_ATTEMPT = (
    "INSERT INTO attempts (token, run, node, ordinal, number, state, backfill, decision, code_version, claimed_at,"
    " started_at, ended_at, rows, message, failure, peak_memory_bytes, cpu_seconds, controller)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
)
_PUBLICATION = "INSERT INTO publications VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
