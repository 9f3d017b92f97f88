"""What a transaction sees: publications, observations and planes as they are with all that it has written itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from recoup.ledger import planes as plane_names
from recoup.ledger.facts import NodeId, Published
from recoup.ledger.planes import PlaneCache
from recoup.ledger.reader import newest_first, published_rows
from recoup.model.partition import PartitionSet


class Seen:
    """The questions that a transaction answers."""

    def __init__(self, db: sqlite3.Connection, planes: PlaneCache) -> None:
        self._db = db
        self._planes = planes

    def is_read_by_name(self, node: NodeId) -> bool:
        """Whether there is any attempt that `mark_who_read` could find."""
        return self._db.execute("SELECT 1 FROM reads WHERE node = ? LIMIT 1", (node,)).fetchone() is not None

    def pins(self, node: NodeId, ordinals: range, as_of: float | None = None) -> list[Published]:
        """What is current for these partitions, as this transaction sees it; with `as_of`, what was known by then."""
        return list(published_rows(self._db, node, ordinals, as_of))

    def newest(self, node: NodeId, ordinals: range, as_of: float | None = None) -> list[Published]:
        """Of what is current and expected, the newest, if there is any."""
        rows = newest_first(self._db, node, ordinals, as_of)
        return list(islice((row for row in rows if self.is_expected(node, row.publication.ordinal)), 1))

    def observed(self, source: NodeId, ordinals: range) -> tuple[PartitionSet, Mapping[int, str]]:
        """What a source had of these when it was last asked, with its versions where it knows any."""
        rows = self._db.execute(
            "SELECT ordinal, version FROM observations WHERE node = ? AND ordinal >= ? AND ordinal < ?",
            (source, ordinals.start, ordinals.stop),
        )
        return self._planes.within(source, plane_names.PUBLISHED, ordinals), dict(rows.fetchall())

    def columns_of(self, node: NodeId) -> dict[str, str]:
        """The columns of the node's newest table; none when it has never made one."""
        row = self._db.execute(
            "SELECT columns FROM publications WHERE node = ? AND columns IS NOT NULL ORDER BY token DESC LIMIT 1",
            (node,),
        ).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def plane(self, node: NodeId, plane: str) -> PartitionSet:
        """A whole plane, as this transaction sees it."""
        return self._planes.as_set(node, plane)

    def is_expected(self, node: NodeId, ordinal: int) -> bool:
        """Whether it is on the calendar, where a plan has recorded one."""
        return self._planes.has(node, plane_names.EXPECTED, ordinal) or not self.plane(node, plane_names.EXPECTED)

    def plane_has(self, node: NodeId, plane: str, ordinal: int) -> bool:
        """Whether a bit is set, as this transaction sees it."""
        return self._planes.has(node, plane, ordinal)

    def has_any(self, node: NodeId, plane: str) -> bool:
        """Whether a plane has any bit."""
        return self._planes.has_any(node, plane)

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """For the ledger's own modules: a statement within this transaction."""
        return self._db.execute(sql, parameters)
