"""Reading the ledger: facts as values. A reader opens the file read-only and cannot change it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from recoup.ledger.connection import connect, explain
from recoup.ledger.facts import (
    BackfillRow,
    BlockRow,
    Controls,
    NodeId,
    NodeRow,
    Publication,
    Published,
    RunRow,
    Token,
    Waiver,
)
from recoup.model.manifest import DataFile
from recoup.model.partition import PartitionSet

_PUBLICATION = (
    "SELECT p.token, p.node, p.ordinal, p.run, p.digest, p.code_version, p.input_version, p.run_as_of, p.nonce,"
    " p.reason, p.rows, p.files, p.columns, p.manifest, r.run_id, p.generation, p.state, p.published_at,"
    " p.superseded_at"
    " FROM publications p LEFT JOIN runs r ON r.run = p.run "
)
# One query for each state, because each has an index of its own.
_CURRENT_AT = "WHERE p.node = ? AND p.ordinal >= ? AND p.ordinal < ? AND p.state = 'current' AND p.published_at <= ?"
_PAST_AT = (
    "WHERE p.node = ? AND p.ordinal >= ? AND p.ordinal < ? AND p.state = 'past' AND p.published_at <= ?"
    " AND p.superseded_at > ?"
)
_BACKFILL = (
    "SELECT backfill, backfill_id, pipeline, state, wish, actions, created_at, ended_at, who, request, controller,"
    " summary, max_parallel, delay_seconds, priority"
    " FROM backfills LEFT JOIN controls USING (backfill) "
)


class Executes(Protocol):
    """A connection, or a transaction on one."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> sqlite3.Cursor:
        """One statement."""


class LedgerReader:
    """What the planner and the commands ask; every answer is one consistent snapshot of its own."""

    def __init__(self, path: Path, db: sqlite3.Connection | None = None) -> None:
        self.path = path
        self.db = db or connect(path, write=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement of recoup's own; parameters are bound."""
        try:
            return self.db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def meta(self, key: str) -> str | None:
        """A value of the ledger about itself."""
        rows = self.query("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever tried with it: there is nothing in it to lose."""
        return not (self.is_made and self.query("SELECT 1 FROM attempts LIMIT 1"))

    @property
    def is_made(self) -> bool:
        """Whether it has its tables: who was killed while it was made leaves a file without any."""
        return bool(self.query("PRAGMA user_version")[0][0])

    def nodes(self, pipeline: str | None = None) -> dict[str, NodeRow]:
        """The datasets by name."""
        rows = self.query("SELECT node, name, pipeline, kind, label, partitioning FROM nodes ORDER BY node")
        known = (NodeRow(r[0], r[1], r[2], r[3], r[4], json.loads(r[5])) for r in rows)
        return {row.name: row for row in known if pipeline in (None, row.pipeline)}

    def planes(self, nodes: Iterable[NodeId]) -> dict[NodeId, dict[str, PartitionSet]]:
        """All planes of these nodes, as sets."""
        wanted = set(nodes)
        chunks: dict[tuple[NodeId, str], list[tuple[int, bytes]]] = {}
        sql = "SELECT p.node, p.plane, p.chunk, p.bits FROM json_each(?) wanted JOIN planes p ON p.node = wanted.value"
        for node, plane, chunk, bits in self.query(sql, (json.dumps(sorted(wanted)),)):
            chunks.setdefault((node, plane), []).append((chunk, bits))
        planes: dict[NodeId, dict[str, PartitionSet]] = {node: {} for node in wanted}
        for (node, plane), parts in chunks.items():
            planes[node][plane] = PartitionSet.from_chunks(parts)
        return planes

    def durations(self) -> dict[NodeId, float]:
        """Mean seconds of each node's successes."""
        return dict(self.query("SELECT node, seconds / successes FROM durations WHERE successes > 0"))

    def blocks(self, nodes: Iterable[NodeId]) -> list[BlockRow]:
        """What could not be tried, and why."""
        wanted = set(nodes)
        rows = self.query("SELECT node, ordinal, reason, at FROM blocks ORDER BY node, ordinal")
        return [BlockRow(*row) for row in rows if row[0] in wanted]

    def waivers(self, nodes: Iterable[NodeId]) -> list[Waiver]:
        """Gaps that were accepted."""
        wanted = set(nodes)
        rows = self.query("SELECT node, ordinal, reason, who, at FROM waivers ORDER BY node, ordinal")
        return [Waiver(*row) for row in rows if row[0] in wanted]

    def members(self, key: str) -> dict[str, int]:
        """The ids of the members of all partitions that have this key, in their order."""
        return dict(self.query("SELECT member, id FROM members WHERE scope = ? ORDER BY id", (key,)))

    def observations(self, node: NodeId) -> dict[int, str]:
        """The versions that a source had when it was last asked."""
        return dict(self.query("SELECT ordinal, version FROM observations WHERE node = ?", (node,)))

    def observed_by(self, source: NodeId, ordinals: range, moment: float) -> dict[int, str]:
        """What a source had of these at that moment, as far as it is known: not what has changed since."""
        chunks = self.query("SELECT chunk, bits FROM planes WHERE node = ? AND plane = 'published'", (source,))
        seen = {
            row[0]: row[1:]
            for row in self.query(
                "SELECT ordinal, version, observed_at FROM observations"
                " WHERE node = ? AND ordinal >= ? AND ordinal < ?",
                (source, ordinals.start, ordinals.stop),
            )
        }
        there = ((o, *seen.get(o, ("", 0.0))) for o in PartitionSet.from_chunks(chunks).within(ordinals))
        return {ordinal: version for ordinal, version, observed_at in there if observed_at <= moment}

    def open_runs(self, pipeline: str, grain: str) -> dict[int, RunRow]:
        """Runs that still have work, by ordinal."""
        rows = self.query(
            "SELECT ordinal, run, run_id, partition, run_as_of, limited FROM runs"
            " WHERE pipeline = ? AND grain = ? AND closed_at IS NULL",
            (pipeline, grain),
        )
        return {row[0]: RunRow(row[1], row[2], row[3], row[4], bool(row[5])) for row in rows}

    def current(self, node: NodeId, ordinals: range, as_of: float | None = None) -> Iterator[Published]:
        """What these partitions show; with `as_of`, made from what was known by then."""
        return published_rows(self.db, node, ordinals, as_of)

    def current_at(self, node: NodeId, ordinals: range, moment: float) -> Iterator[Published]:
        """What these partitions showed at that moment."""
        bounds = (node, ordinals.start, ordinals.stop, moment)
        rows = self.query(_PUBLICATION + _CURRENT_AT, bounds) + self.query(_PUBLICATION + _PAST_AT, (*bounds, moment))
        return (_published(row) for row in sorted(rows, key=_ordinal))

    def lost_at(self, node: NodeId, ordinals: range, moment: float) -> list[int]:
        """Partitions that showed something at that moment of which nothing, or not even what, is kept any more."""
        lost = []
        oldest: dict[int, Published] = {}
        for row in self.histories(node, ordinals):
            oldest[row.publication.ordinal] = row
            until = row.superseded_at or moment
            if row.state == "collected" and row.published_at <= moment < until:
                lost.append(row.publication.ordinal)
        # A pointer remembers twenty generations, and a ledger that was rebuilt from it no more than that.
        forgotten = (row for row in oldest.values() if row.generation > 1 and row.published_at > moment)
        return lost + [row.publication.ordinal for row in forgotten]

    def running(self, node: NodeId, ordinal: int) -> bool:
        """Whether an attempt of it is open; it may be that of a controller that is gone."""
        sql = "SELECT 1 FROM attempts WHERE node = ? AND ordinal = ? AND state = 'running'"
        return bool(self.query(sql, (node, ordinal)))

    def history(self, node: NodeId, ordinal: int) -> list[Published]:
        """Everything that this partition ever showed, newest first; the files of what is `collected` are gone."""
        return self.histories(node, range(ordinal, ordinal + 1))

    def histories(self, node: NodeId, ordinals: range) -> list[Published]:
        """Everything that these partitions ever showed, one after the other, newest first."""
        # By way of the attempts: they have an index that holds for every state.
        rows = self.query(
            _PUBLICATION + "JOIN attempts a ON a.token = p.token WHERE a.node = ? AND a.ordinal >= ? AND a.ordinal < ?"
            " AND p.state IN ('current', 'past', 'collected') ORDER BY p.ordinal, p.token DESC",
            (node, ordinals.start, ordinals.stop),
        )
        return [_published(row) for row in rows]

    def open_intents(self, node: NodeId) -> list[Published]:
        """Publications whose pointer may have moved already; nowhere else can ledger and pointer differ."""
        rows = self.query(_PUBLICATION + "WHERE p.state = 'intent' AND p.node = ? ORDER BY p.token", (node,))
        return [_published(row) for row in rows]

    def backfills(self, where: str = "", parameters: Sequence[Any] = ()) -> list[BackfillRow]:
        """Backfills, newest first; `where` is recoup's own text, its values are bound."""
        rows = self.query(f"{_BACKFILL}{where} ORDER BY backfill DESC", parameters)
        return [_backfill(row) for row in rows]

    def run_history(self, where: str = "", parameters: Sequence[Any] = (), limit: int = -1) -> list[dict[str, Any]]:
        """Rows of the view `run_history`, newest first; `where` is recoup's own text, its values are bound."""
        try:
            text = f"SELECT * FROM run_history {where} ORDER BY token DESC LIMIT ?"  # noqa: S608 - as said above
            cursor = self.db.execute(text, (*parameters, limit))
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def published_rows(db: sqlite3.Connection, node: NodeId, ordinals: range, as_of: float | None) -> Iterator[Published]:
    """Current publications that show something; one that was made too late for `as_of` gives way to an earlier one."""
    return _known(db, node, _current_rows(db, node, ordinals), as_of)


def newest_first(db: sqlite3.Connection, node: NodeId, ordinals: range, as_of: float | None) -> Iterator[Published]:
    """The same from the highest ordinal down, one after the other."""
    rows = db.execute(
        _PUBLICATION
        + "WHERE p.node = ? AND p.ordinal >= ? AND p.ordinal < ? AND p.state = 'current' ORDER BY p.ordinal DESC",
        (node, ordinals.start, ordinals.stop),
    )
    return _known(db, node, rows, as_of)


def _current_rows(db: sqlite3.Connection, node: NodeId, ordinals: range) -> list[tuple[Any, ...]]:
    if ordinals.step == 1:
        return db.execute(
            _PUBLICATION
            + "WHERE p.node = ? AND p.ordinal >= ? AND p.ordinal < ? AND p.state = 'current' ORDER BY p.ordinal",
            (node, ordinals.start, ordinals.stop),
        ).fetchall()
    # A grid's column: each cell by the index, instead of all that lies between them.
    cells = "JOIN json_each(?) cell ON p.ordinal = cell.value "
    return db.execute(
        _PUBLICATION + cells + "WHERE p.node = ? AND p.state = 'current' ORDER BY p.ordinal",
        (json.dumps(list(ordinals)), node),
    ).fetchall()


def _known(
    db: sqlite3.Connection, node: NodeId, rows: Iterable[tuple[Any, ...]], as_of: float | None
) -> Iterator[Published]:
    for row in rows:
        found: Published | None = _published(row)
        if found and as_of is not None and found.publication.run_as_of > as_of:
            found = _known_by(db, node, found.publication.ordinal, as_of)
        if found and found.publication.run is not None:
            yield found


def intents(tx: Executes) -> list[Publication]:
    """Pointers that were about to move when their controller vanished: whether they did is for the lake to say."""
    rows = tx.execute(
        _PUBLICATION + "JOIN attempts a ON a.token = p.token WHERE p.state = 'intent' AND a.state <> 'running'"
    ).fetchall()
    return [_published(row).publication for row in rows]


def _backfill(row: Sequence[Any]) -> BackfillRow:
    backfill, backfill_id, pipeline, state, wish, actions, created_at, ended_at, who, request, controller, summary = (
        row[:12]
    )
    return BackfillRow(
        backfill=backfill,
        backfill_id=backfill_id,
        pipeline=pipeline,
        state=state,
        wish=wish,
        actions=actions,
        created_at=created_at,
        ended_at=ended_at,
        who=who,
        request=json.loads(request),
        controller=controller,
        summary=json.loads(summary) if summary else None,
        controls=Controls(*row[12:]),
    )


def _known_by(db: sqlite3.Connection, node: NodeId, ordinal: int, as_of: float) -> Published | None:
    row = db.execute(
        _PUBLICATION + "WHERE p.node = ? AND p.ordinal = ? AND p.state = 'past' AND p.run_as_of <= ?"
        " ORDER BY p.token DESC LIMIT 1",
        (node, ordinal, as_of),
    ).fetchone()
    return _published(row) if row else None


def _ordinal(row: Sequence[Any]) -> int:
    return int(row[2])


def _published(row: Sequence[Any]) -> Published:
    token, node, ordinal, run, digest, code, inputs, run_as_of, nonce, reason, rows, files, columns, manifest = row[:14]
    publication = Publication(
        Token(token), node, ordinal, run, digest, code, inputs, run_as_of, nonce, reason, rows,
        tuple(DataFile(*f) for f in json.loads(files)) if files else (),
        json.loads(columns) if columns else {},
        manifest,
    )  # fmt: skip
    return Published(publication, *row[14:])
