"""The only writer of state. Every change is made inside `transaction()`: under the lock, durable when it ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from recoup.ledger.connection import LOCK_PATIENCE_SECONDS, FileLock, connect, explain, lock_beside
from recoup.ledger.planes import PlaneCache
from recoup.ledger.row_numbers import RowNumbers
from recoup.ledger.schema import SCHEMA_VERSION, TABLES, VIEWS
from recoup.ledger.transaction import Transaction
from recoup.ports import Clock


class Ledger:
    """Writes of one controller, or of one command; readers use `LedgerReader`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.patience_seconds = LOCK_PATIENCE_SECONDS
        self._lock = FileLock(lock_beside(path))
        with self._lock.held(self.patience_seconds):
            self.db = connect(path, write=True)
            try:
                if not self.db.execute("PRAGMA user_version").fetchone()[0]:
                    self._create()
            except sqlite3.Error as error:
                self.db.close()
                raise explain(error, path) from error
        self.planes = PlaneCache(self.db)
        self._data_version = -1
        self._rows = RowNumbers(self.db)

    @property
    def ledger_id(self) -> str:
        """Who this ledger is, for the lakes that it owns."""
        return self._meta("ledger_id")

    @property
    def epoch(self) -> int:
        """Raised by `adopt` and `rebuild`: pointers written before it are the past."""
        return int(self._meta("epoch"))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever tried with it: there is nothing in it to lose."""
        return self.db.execute("SELECT 1 FROM attempts LIMIT 1").fetchone() is None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One atomic, durable change; the group commit of whatever is done inside."""
        with self._lock.held(self.patience_seconds):
            try:
                self.db.execute("BEGIN IMMEDIATE")
                self._notice_others()
                transaction = Transaction(self.db, self.planes, self._rows, self.clock.now().timestamp())
                yield transaction
                transaction.flush()
                self.db.execute("COMMIT")
            except BaseException as error:
                self._undo()
                if isinstance(error, sqlite3.Error):
                    raise explain(error, self.path) from error
                raise

    @property
    def version(self) -> int:
        """Another one when others have committed between our last transaction and the one before it."""
        return self._data_version

    def changed_elsewhere(self) -> bool:
        """Whether another connection has committed since our last transaction began; costs microseconds."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0]) != self._data_version

    def next_row(self, table: str, key: str) -> int:
        """The number of the next row that is appended to a table."""
        return self._rows.next(table, key)

    def close(self) -> None:
        """The last close checkpoints, so it happens under the lock too."""
        with self._lock.held(self.patience_seconds):
            self.db.close()
        self._lock.close()

    def _notice_others(self) -> None:
        version = int(self.db.execute("PRAGMA data_version").fetchone()[0])
        if version != self._data_version:
            self.planes.forget()
            self._rows.forget()
            self._data_version = version

    def _undo(self) -> None:
        self.planes.forget()
        self._rows.forget()
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def _create(self) -> None:
        self.db.executescript(f"BEGIN IMMEDIATE;{TABLES}{VIEWS}PRAGMA user_version = {SCHEMA_VERSION};")
        rows = [("ledger_id", self.clock.token_bytes(16).hex()), ("epoch", "1")]
        self.db.executemany("INSERT INTO meta VALUES (?, ?)", rows)
        self.db.execute("COMMIT")

    def _meta(self, key: str) -> str:
        return cast(str, self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])
