"""The numbers of appended rows: tokens among them, so they only grow; rows are never deleted."""

from __future__ import annotations

import sqlite3


class RowNumbers:
    """The next row of each table, read once and counted on from there."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._last: dict[str, int] = {}

    def next(self, table: str, key: str) -> int:
        """The next one; table and key are the ledger's own words."""
        if table not in self._last:
            newest = f"SELECT coalesce(max({key}), 0) FROM {table}"  # noqa: S608 - as said above
            self._last[table] = self._db.execute(newest).fetchone()[0]
        self._last[table] += 1
        return self._last[table]

    def forget(self) -> None:
        """Somebody else has appended, or what was appended was undone."""
        self._last.clear()
