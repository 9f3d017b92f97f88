"""What partitions show: publications that become current, and how what was made from them becomes stale."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from recoup.ledger import planes as plane_names
from recoup.ledger.facts import NodeId, Publication, Token
from recoup.ledger.planes import PlaneCache
from recoup.ledger.row_numbers import RowNumbers
from recoup.ledger.seen import Seen

ANY: Final = -1
"""Where an attempt's reads say that it would have read any partition."""
_MOST_NAMED: Final = 1_000
"""How many partitions an attempt names one by one as those that it reads."""
_DOUBTFUL = (
    "SELECT p.node, p.ordinal FROM publications p JOIN attempts a USING (token)"
    " WHERE p.state = 'intent' AND a.state <> 'running'"
)


def named_reads(span: range) -> Sequence[int]:
    """How a span stands among an attempt's reads."""
    return span if len(span) <= _MOST_NAMED else [ANY]


class Shown(Seen):
    """The verbs of publication: an intent before the pointer moves, then what is current."""

    def __init__(self, db: sqlite3.Connection, planes: PlaneCache, rows: RowNumbers, now: float) -> None:
        super().__init__(db, planes)
        self._rows = rows
        self._doubtful: frozenset[tuple[int, int]] | None = None
        self.now = now

    def intend(self, publications: Sequence[Publication]) -> None:
        """Say which pointers are about to move, before they do; `succeed` or `forget_intents` follows."""
        self._insert_publications([(p, 0) for p in publications], "intent")

    def forget_intents(self, tokens: Sequence[Token]) -> None:
        """These pointers did not move."""
        self._doubtful = None
        for token in tokens:
            voided = self._db.execute(
                "UPDATE publications SET state = 'void' WHERE token = ? AND state = 'intent' RETURNING node, ordinal",
                (token,),
            ).fetchall()
            for node, ordinal in voided:
                if not self._planes.has(node, plane_names.RUNNING, ordinal):
                    self._as_before(node, ordinal)

    def publish(self, publications: Sequence[tuple[Publication, Sequence[tuple[NodeId, range]]]]) -> None:
        """Make these what their partitions show; who reads one becomes stale if its digest is another one.

        What is published is as stale as it was marked since its inputs were pinned.
        """
        appended = []
        for new, readers in publications:
            old = self._supersede(new) if self._planes.has(new.node, plane_names.POINTED, new.ordinal) else None
            generation = old[1] + 1 if old else 1
            if not (new.nonce and self._was_intended(new.token, generation)):
                appended.append((new, generation))
            self._show(new)
            if old is None or old[0] != new.digest:
                for node, ordinals in readers:
                    self.mark_stale(node, ordinals)
                self.mark_who_read(new.node, new.ordinal)
        self._insert_publications(appended, "current")

    def mark_stale(self, node: NodeId, ordinals: range) -> None:
        """What was read has changed: what is published, being made, or perhaps published of it no longer matches."""
        for plane in (plane_names.PUBLISHED, plane_names.RUNNING):
            self._planes.overlay(node, plane_names.STALE, plane, ordinals)
        for doubtful, ordinal in self._in_doubt():
            if doubtful == node and ordinal in ordinals:
                self._planes.mark(node, plane_names.STALE, ordinal)

    def mark_who_read(self, node: NodeId, ordinal: int) -> None:
        """The same for those of which only their attempt tells what they read: the newest, or another pipeline's."""
        rows = self._db.execute(
            "SELECT a.node, a.ordinal FROM reads r JOIN attempts a USING (token)"
            " LEFT JOIN publications p ON p.token = a.token AND p.state IN ('current', 'intent')"
            " WHERE r.node = ? AND r.ordinal IN (?, ?) AND (p.token IS NOT NULL OR a.state = 'running')",
            (node, ordinal, ANY),
        ).fetchall()
        for reader, read_by in rows:
            self._planes.mark(NodeId(reader), plane_names.STALE, read_by)

    def remember_reads(self, token: Token, node: NodeId, ordinals: Iterable[int]) -> None:
        """What an attempt reads that its pipeline alone does not tell; `ANY` stands for every partition."""
        rows = [(node, ordinal, token) for ordinal in ordinals]
        self._db.executemany("INSERT OR IGNORE INTO reads VALUES (?, ?, ?)", rows)

    def accept_code(self, node: NodeId, ordinals: Sequence[int], version: str) -> None:
        """Bless what older code made."""
        plane = plane_names.CODE + version
        for ordinal in ordinals:
            self._planes.clear_family(node, plane_names.CODE, ordinal, but=plane)
            self._planes.mark(node, plane, ordinal)
        self._db.executemany(
            "UPDATE publications SET code_version = ? WHERE node = ? AND ordinal = ? AND state = 'current'",
            [(version, node, ordinal) for ordinal in ordinals],
        )

    def unwaive(self, node: NodeId, ordinal: int) -> None:
        """It is a gap again, or none any more."""
        if self._planes.has(node, plane_names.WAIVED, ordinal):
            self._planes.clear(node, plane_names.WAIVED, ordinal)
            self._db.execute("DELETE FROM waivers WHERE node = ? AND ordinal = ?", (node, ordinal))

    # --- inside

    def _as_before(self, node: NodeId, ordinal: int) -> None:
        """What is shown was not replaced: it is stale if it was, or if an input has changed since."""
        if not self._planes.has(node, plane_names.PUBLISHED, ordinal):
            self._planes.clear(node, plane_names.STALE, ordinal)
        elif self._planes.has(node, plane_names.WAS_STALE, ordinal):
            self._planes.mark(node, plane_names.STALE, ordinal)
        self._planes.clear(node, plane_names.WAS_STALE, ordinal)

    def _in_doubt(self) -> frozenset[tuple[int, int]]:
        """Whose pointer may have moved, and nobody was left to write it down."""
        if self._doubtful is None:
            self._doubtful = frozenset(self._db.execute(_DOUBTFUL))
        return self._doubtful

    def _unblock(self, node: NodeId, ordinal: int) -> None:
        if self._planes.has(node, plane_names.BLOCKED, ordinal):
            self._planes.clear(node, plane_names.BLOCKED, ordinal)
            self._db.execute("DELETE FROM blocks WHERE node = ? AND ordinal = ?", (node, ordinal))

    def _show(self, new: Publication) -> None:
        """The planes of a publication; one that takes the partition away clears them."""
        node, ordinal, code = new.node, new.ordinal, plane_names.CODE + new.code_version
        self._planes.clear_family(node, plane_names.FAILED, ordinal)
        self._unblock(node, ordinal)
        self._planes.clear_family(node, plane_names.CODE, ordinal, but=code)
        self._planes.mark(node, plane_names.POINTED, ordinal)
        self._planes.clear(node, plane_names.WAS_STALE, ordinal)
        if new.run is None:
            for plane in (plane_names.PUBLISHED, code, plane_names.STALE):
                self._planes.clear(node, plane, ordinal)
            return
        self.unwaive(node, ordinal)
        self._planes.mark(node, plane_names.PUBLISHED, ordinal)
        self._planes.mark(node, code, ordinal)

    def _was_intended(self, token: Token, generation: int) -> bool:
        """Turn the intent of this token into what is current."""
        changed = self._db.execute(
            "UPDATE publications SET state = 'current', generation = ?, published_at = ?"
            " WHERE token = ? AND state = 'intent'",
            (generation, self.now, token),
        )
        return changed.rowcount > 0

    def _supersede(self, new: Publication) -> tuple[str, int] | None:
        """Digest and generation of what was current, which now is the past."""
        row = self._db.execute(
            "UPDATE publications SET state = 'past', superseded_at = ?"
            " WHERE node = ? AND ordinal = ? AND state = 'current'"
            " RETURNING digest, generation",
            (self.now, new.node, new.ordinal),
        ).fetchone()
        return row and (str(row[0]), int(row[1]))

    def _insert_publications(self, new: Sequence[tuple[Publication, int]], state: str) -> None:
        rows = [
            (
                p.token,
                p.node,
                p.ordinal,
                p.run,
                generation,
                state,
                p.digest,
                p.rows,
                _files(p),
                _columns(p),
                p.code_version,
                p.input_version,
                p.run_as_of,
                self.now,
                None,
                p.nonce,
                p.reason,
                p.manifest,
            )
            for p, generation in new
        ]
        places = ", ".join("?" * 18)
        self._db.executemany(f"INSERT INTO publications VALUES ({places})", rows)  # noqa: S608 - only question marks


def _files(p: Publication) -> str | None:
    return json.dumps([[f.path, f.rows, f.size_bytes, f.digest] for f in p.files]) if p.files else None


def _columns(p: Publication) -> str | None:
    return json.dumps(dict(p.columns)) if p.columns else None
