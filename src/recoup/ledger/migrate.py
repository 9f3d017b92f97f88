"""From an older schema to today's: a copy is kept, all steps are one transaction, and what they came to is checked.

Nothing else opens an older ledger, so this module has its own way in.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recoup.ledger.connection import FileLock, controllers_beside, explain, lock_beside
from recoup.ledger.schema import MIGRATIONS, SCHEMA_VERSION, TABLES, VIEWS
from recoup.model.errors import LedgerSchemaError, UnreachableError


@dataclass(frozen=True, slots=True)
class Migration:
    """What `migrate` did; `copy` is the ledger as it was, None when there was nothing to do."""

    before: int
    after: int
    copy: Path | None


def migrate(path: Path) -> Migration:
    """Bring the ledger to today's schema; LedgerSchemaError when a newer recoup wrote it. Repeat it when killed."""
    if not path.is_file():
        message = f"there is no ledger at {path}"
        raise UnreachableError(message, "name the right recoup.toml with --config")
    lock = FileLock(lock_beside(path))
    try:
        with lock.held():
            return _migrated(path)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        lock.close()


def copy_ledger(source: sqlite3.Connection, to: Path) -> None:
    """A consistent copy in one file, durable when it returns; refused when there is a file of that name.

    All pages are copied in one step, which is one reader's snapshot: others may write meanwhile.
    """
    beside = to.with_name(f".{to.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    try:
        target = sqlite3.connect(beside, isolation_level=None)
        try:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, that can be read where nothing may be written
        finally:
            target.close()
        _sync(beside)
        os.link(beside, to)  # refuses where a rename would overwrite
    finally:
        beside.unlink(missing_ok=True)
    _sync(to.parent)


def _migrated(path: Path) -> Migration:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        before = int(db.execute("PRAGMA user_version").fetchone()[0])
        _refuse(path, before)
        if before == SCHEMA_VERSION:
            return Migration(before, before, None)
        _refuse_while_used(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        copy = _free_name(path, before)
        copy_ledger(db, copy)
        _steps(db, path, range(before, SCHEMA_VERSION))
        return Migration(before, SCHEMA_VERSION, copy)
    finally:
        db.close()


def _refuse(path: Path, version: int) -> None:
    if version > SCHEMA_VERSION:
        message = f"the ledger {path} has schema {version}; this recoup knows schemas up to {SCHEMA_VERSION}"
        raise LedgerSchemaError(message, "use the newer recoup that wrote it")
    if version < SCHEMA_VERSION and version not in MIGRATIONS:
        message = f"{path} is no ledger that this recoup can migrate: its schema is {version}"
        known = ", ".join(map(str, MIGRATIONS))
        raise LedgerSchemaError(message, f"schemas that can be migrated: {known}")


def _refuse_while_used(db: sqlite3.Connection, path: Path) -> None:
    """A controller of the older version would go on writing what the newer schema does not expect."""
    for controller, host, pid in db.execute("SELECT controller, host, pid FROM controllers WHERE ended_at IS NULL"):
        place = controllers_beside(path) / f"{controller}.lock"
        if not place.exists():
            continue
        lock = FileLock(place)
        try:
            free = lock.try_acquire()
        finally:
            lock.close()
        if not free:
            message = f"the ledger {path} is in use: process {pid} on {host} is running a backfill"
            raise LedgerSchemaError(message, "let it end, or cancel it; then migrate")


def _steps(db: sqlite3.Connection, path: Path, versions: range) -> None:
    """To today's version, or back to where it was."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for (view,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            db.execute(f'DROP VIEW "{view}"')
        for version in versions:
            for statement in statements(MIGRATIONS[version]):
                db.execute(statement)
        for statement in statements(VIEWS):
            db.execute(statement)
        _check(db, path)
        db.execute(f"PRAGMA user_version = {versions.stop}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _check(db: sqlite3.Connection, path: Path) -> None:
    """Sound, and of the same shape as a ledger that was made today; else the step is undone."""
    trouble = [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for statement in statements(TABLES + VIEWS):
            fresh.execute(statement)
        trouble += [f"{name} is not as it should be" for name in sorted(_shape(fresh) ^ _shape(db))]
    finally:
        fresh.close()
    if trouble:
        message = f"the ledger {path} could not be migrated and is as it was: {'; '.join(trouble[:3])}"
        raise LedgerSchemaError(
            message, "restore a `recoup ledger backup`, or move it away and `recoup ledger rebuild`"
        )


def _shape(db: sqlite3.Connection) -> set[str]:
    """Every table's columns with their types, every index and every view, as text."""
    found = set()
    for kind, name in db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall():
        found.add(f"{kind} {name}")
        if kind == "table":
            columns = db.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (name,))
            found |= {
                f"{name}.{column} {sort}{' not null' * required}{' key' * bool(key)}"
                for column, sort, required, key in columns
            }
    return found


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the transaction around it."""
    gathered = ""
    for line in script.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""


def _free_name(path: Path, version: int) -> Path:
    """`ledger.db.v1.bak`; a copy that is there already is kept too."""
    first = path.with_name(f"{path.name}.v{version}.bak")
    names = (first, *(first.with_name(f"{first.name}.{n}") for n in range(2, 1000)))
    return next(name for name in names if not name.exists())


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
