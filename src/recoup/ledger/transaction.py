"""The verbs of the ledger: what a controller or a command may record, each inside one transaction of the writer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from recoup.ledger import planes as plane_names
from recoup.ledger.facts import (
    ADOPTED,
    Blocked,
    Claim,
    Claimed,
    Failed,
    Measured,
    NodeId,
    RunRow,
    Succeeded,
    Token,
    Waiver,
)
from recoup.ledger.planes import PlaneCache
from recoup.ledger.row_numbers import RowNumbers
from recoup.ledger.shown import Shown
from recoup.model.errors import FencedError


class Transaction(Shown):
    """The verbs of the ledger; each names the token it writes for, where there is one."""

    def __init__(self, db: sqlite3.Connection, planes: PlaneCache, rows: RowNumbers, now: float) -> None:
        super().__init__(db, planes, rows, now)
        self._durations: dict[NodeId, tuple[int, float]] = {}

    # --- attempts

    def open_run(
        self,
        run_id: str,
        pipeline: str,
        grain: str,
        ordinal: int,
        partition: str,
        run_as_of: float,
        *,
        limited: bool = False,
    ) -> RunRow:
        """The open run of this partition, or a new one with the given id."""
        run = self._rows.next("runs", "run")
        row = (run, run_id, pipeline, grain, ordinal, partition, run_as_of, self.now, limited)
        opened = self._db.execute(
            "INSERT INTO runs (run, run_id, pipeline, grain, ordinal, partition, run_as_of, opened_at, limited)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            row,
        )
        if opened.rowcount:
            return RunRow(run, run_id, partition, run_as_of, limited)
        number, known_as, name, as_of, is_limited = self._db.execute(
            "SELECT run, run_id, partition, run_as_of, limited FROM runs "
            "WHERE pipeline = ? AND grain = ? AND ordinal = ? AND closed_at IS NULL",
            (pipeline, grain, ordinal),
        ).fetchone()
        return RunRow(number, known_as, name, as_of, bool(is_limited))

    def past_run(
        self, run_id: str, pipeline: str, grain: str, ordinal: int, partition: str, run_as_of: float
    ) -> RunRow:
        """A run of its own that nobody continues: it stands for how something came about that was there before."""
        run = self._rows.next("runs", "run")
        row = (run, run_id, pipeline, grain, ordinal, partition, run_as_of, self.now, self.now)
        self._db.execute(
            "INSERT INTO runs (run, run_id, pipeline, grain, ordinal, partition, run_as_of, opened_at, closed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return RunRow(run, run_id, partition, run_as_of)

    def close_runs(self, runs: Sequence[int]) -> None:
        """All steps of these runs are done: the next rerun of their partitions is a new run."""
        self._db.executemany("UPDATE runs SET closed_at = ? WHERE run = ?", [(self.now, run) for run in runs])

    def claim(self, claims: Sequence[Claim], controller: int, backfill: int | None) -> list[Claimed]:
        """Take what nobody else is running; each gets the next token. What is missing from the answer was taken."""
        ours = []
        for claim in claims:
            if self._planes.has(claim.node, plane_names.RUNNING, claim.ordinal):
                continue
            token = Token(self._rows.next("attempts", "token"))
            ours.append(Claimed(token, claim, self._tries(claim) + 1))
            self._planes.mark(claim.node, plane_names.RUNNING, claim.ordinal)
            # Pins are read in this transaction: whatever is republished or observed from now on marks it stale again.
            if self._planes.has(claim.node, plane_names.STALE, claim.ordinal):
                self._planes.mark(claim.node, plane_names.WAS_STALE, claim.ordinal)
                self._planes.clear(claim.node, plane_names.STALE, claim.ordinal)
        self._db.executemany(
            "INSERT INTO attempts (token, run, node, ordinal, number, state, controller, backfill, decision,"
            " code_version, claimed_at) VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)",
            [
                (
                    c.token,
                    c.claim.run.run,
                    c.claim.node,
                    c.claim.ordinal,
                    c.number,
                    controller,
                    backfill,
                    c.claim.decision,
                    c.claim.code_version,
                    self.now,
                )
                for c in ours
            ],
        )
        self._events("claimed", [c.token for c in ours], backfill)
        return ours

    def release(self, attempts: Sequence[tuple[Token, NodeId, int]], state: str = "released") -> None:
        """Claimed but never begun, or begun by a controller that is gone: as if it had not been tried."""
        self._end([(state, self.now, None, None, None, None, None, None, None, token) for token, _, _ in attempts])
        for _, node, ordinal in attempts:
            self._idle(node, ordinal)
        self._events(state, [token for token, _, _ in attempts])

    def succeed(self, successes: Sequence[Succeeded]) -> None:
        """Attempts that made their output: durable before anything that depends on it starts."""
        self._end([_ended("succeeded", s.publication.token, s.measured) for s in successes])
        self.publish([(s.publication, s.stale) for s in successes])
        # Last, because one of them may have read what another of them has just replaced.
        for success in successes:
            self._planes.clear(success.publication.node, plane_names.RUNNING, success.publication.ordinal)
            self._took(success)
        self._events("succeeded", [s.publication.token for s in successes])

    def fail(self, failures: Sequence[Failed]) -> None:
        """Attempts that did not; a publication that was there before stays, as stale as it was."""
        self._end(
            [_ended(f.state, f.token, f.measured, f.failure.message, json.dumps(f.failure.to_json())) for f in failures]
        )
        for failed in failures:
            self._idle(failed.node, failed.ordinal)
            if failed.state != "cancelled":
                plane = plane_names.FAILED + failed.failure.kind
                self._planes.clear_family(failed.node, plane_names.FAILED, failed.ordinal, but=plane)
                self._planes.mark(failed.node, plane, failed.ordinal)
            self._unblock(failed.node, failed.ordinal)
        for state in {f.state for f in failures}:
            self._events(state, [f.token for f in failures if f.state == state])

    def block(self, blocked: Sequence[Blocked], backfill: int | None) -> None:
        """Remember why these were not tried."""
        rows = [(b.node, b.ordinal, b.reason, self.now, backfill) for b in blocked]
        self._db.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)", rows)
        for b in blocked:
            self._planes.mark(b.node, plane_names.BLOCKED, b.ordinal)
        for reason in dict.fromkeys(b.reason for b in blocked):
            self.event("blocked", backfill=backfill, data={"reason": reason})

    def waive(self, waivers: Sequence[Waiver]) -> None:
        """Accept these gaps; what failed or is blocked there stays on record."""
        rows = [(w.node, w.ordinal, w.reason, w.who, w.at) for w in waivers]
        self._db.executemany("INSERT OR REPLACE INTO waivers VALUES (?, ?, ?, ?, ?)", rows)
        for waiver in waivers:
            self._planes.mark(waiver.node, plane_names.WAIVED, waiver.ordinal)

    # --- what is known of the world

    def event(self, kind: str, token: int | None = None, backfill: int | None = None, data: Any = None) -> None:  # noqa: ANN401 - JSON
        """Append to the history."""
        row = (
            self._rows.next("events", "seq"),
            self.now,
            kind,
            token,
            backfill,
            None if data is None else json.dumps(data),
        )
        self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)

    def set_plane(self, node: NodeId, plane: str, chunks: Mapping[int, int]) -> None:
        """Replace a plane whole: a calendar's mask, a source's presence."""
        self._planes.replace(node, plane, dict(chunks))

    def forget_node(self, node: int) -> None:
        """Drop what is known of a dataset that nobody has ever tried to make."""
        self._planes.drop(node)
        for table in ("observations", "blocks", "calendar_changes"):
            self._db.execute(f"DELETE FROM {table} WHERE node = ?", (node,))  # noqa: S608 - the names stand above

    def forget_ordinals(self, node: NodeId, span: range) -> None:
        """Drop what is known of partitions that nobody has ever tried to make."""
        for plane in tuple(self._planes.names(node)):
            whole = self.plane(node, plane)
            if part := whole.within(span):
                self.set_plane(node, plane, {n: int.from_bytes(c, "little") for n, c in (whole - part).chunks()})
        for table in ("observations", "blocks", "calendar_changes"):
            asked = f"DELETE FROM {table} WHERE node = ? AND ordinal BETWEEN ? AND ?"  # noqa: S608 - as above
            self._db.execute(asked, (node, span.start, span.stop - 1))

    def flush(self) -> None:
        """Write what was gathered in memory; called once, before the commit."""
        self._planes.flush()
        self._db.executemany(
            "INSERT INTO durations VALUES (?, ?, ?) ON CONFLICT (node) DO UPDATE SET"
            " successes = successes + excluded.successes, seconds = seconds + excluded.seconds",
            [(node, count, seconds) for node, (count, seconds) in self._durations.items()],
        )

    # --- inside

    def _tries(self, claim: Claim) -> int:
        if not self._planes.has(claim.node, plane_names.TRIED, claim.ordinal):
            self._planes.mark(claim.node, plane_names.TRIED, claim.ordinal)
            return 0
        row = self._db.execute(
            "SELECT coalesce(max(number), 0) FROM attempts"
            " WHERE node = ? AND ordinal = ? AND run = ? AND state <> 'released'",
            (claim.node, claim.ordinal, claim.run.run),
        ).fetchone()
        return int(row[0])

    def _end(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Close attempts; each row ends with its token, which must still be running."""
        self._doubtful = None
        changed = self._db.executemany(
            "UPDATE attempts SET state = ?, ended_at = ?, started_at = ?, rows = ?, log = ?, peak_memory_bytes = ?,"
            " cpu_seconds = ?, message = ?, failure = ? WHERE token = ? AND state = 'running'",
            rows,
        ).rowcount
        if rows and changed != len(rows):
            message = f"{len(rows) - changed} of {len(rows)} attempts are no longer ours: another controller took over"
            raise FencedError(message, "look at `recoup runs`; nothing of this controller was written")

    def _idle(self, node: NodeId, ordinal: int) -> None:
        self._planes.clear(node, plane_names.RUNNING, ordinal)
        if (node, ordinal) not in self._in_doubt():
            self._as_before(node, ordinal)

    def _took(self, success: Succeeded) -> None:
        if success.publication.reason == ADOPTED:
            return  # it says nothing of how long the step takes
        node, measured = success.publication.node, success.measured
        count, seconds = self._durations.get(node, (0, 0.0))
        self._durations[node] = (count + 1, seconds + measured.ended_at - measured.started_at)

    def _events(self, kind: str, tokens: Sequence[Token], backfill: int | None = None) -> None:
        rows = [(self._rows.next("events", "seq"), self.now, kind, token, backfill) for token in tokens]
        self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, NULL)", rows)


def _ended(
    state: str, token: Token, measured: Measured, message: str | None = None, failure: str | None = None
) -> tuple[Any, ...]:
    m = measured
    return (state, m.ended_at, m.started_at, m.rows, m.log, m.peak_memory_bytes, m.cpu_seconds, message, failure, token)
