"""Opening a ledger: its files, its lock, its settings; every way in which that can fail, in one sentence each."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recoup.ledger.schema import SCHEMA_VERSION
from recoup.model.errors import (
    CommitUnknownError,
    ConfigError,
    DiskFullError,
    LedgerLockedError,
    LedgerSchemaError,
    RecoupError,
    UnreachableError,
)

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "ceph", "glusterfs"}
)
LOCK_PATIENCE_SECONDS = 10.0


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """One connection. Readers open the file read-only, so that they can never checkpoint.

    A WAL that two connections write or checkpoint at once can be corrupted by SQLite before 3.51.3; that is why
    every write, checkpoint and last close happens under the lock.
    """
    if not write:
        refuse_absent(path)
    uri = f"{path.absolute().as_uri()}?mode={'rwc' if write else 'ro'}"
    try:
        db = sqlite3.connect(
            uri, uri=True, timeout=LOCK_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        if write:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("PRAGMA cache_size = -32000")
        db.execute("PRAGMA temp_store = MEMORY")
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise explain(error, path) from error
    if version > SCHEMA_VERSION:
        db.close()
        message = f"the ledger {path} has schema {version}; this recoup knows schemas up to {SCHEMA_VERSION}"
        raise LedgerSchemaError(message, "use the newer recoup that wrote it")
    if 0 < version < SCHEMA_VERSION:
        db.close()
        message = f"the ledger {path} has the older schema {version}"
        raise LedgerSchemaError(message, "run `recoup ledger migrate`; it keeps a copy")
    return db


def refuse_absent(path: Path) -> None:
    """UnreachableError where there is no ledger: whoever only looks, or undoes, makes none."""
    if not path.exists():
        message = f"there is no ledger at {path}"
        raise UnreachableError(message, "run a pipeline first, or name the right recoup.toml with --config")


def explain(error: sqlite3.Error, path: Path) -> RecoupError:
    """What SQLite said, as one sentence with a remedy."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            message = f"the ledger {path} is locked by another program"
            return LedgerLockedError(message, "end the program that holds it open for writing, then try again")
        case sqlite3.SQLITE_FULL:
            return _no_room(path)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            message = f"the ledger {path} cannot be opened for writing: {error}"
            return UnreachableError(message, "check the folder's owner and mode")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            message = f"{path} is no sound SQLite database: {error}"
            return UnreachableError(
                message, "restore a `recoup ledger backup`, or move it away and `recoup ledger rebuild`"
            )
        case sqlite3.SQLITE_IOERR if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE:
            return _no_room(path)  # for the shared memory beside the WAL, which comes before anything is written
        case sqlite3.SQLITE_IOERR:
            message = f"the disk under the ledger {path} failed: {error}"
            return CommitUnknownError(message, "check the disk; the next start finds out what was written")
        case _:
            return UnreachableError(f"the ledger {path}: {error}", "run `recoup doctor`")


def _no_room(path: Path) -> DiskFullError:
    return DiskFullError(f"no room left for the ledger: {path}", "make room, then run the same command again")


def lock_beside(path: Path) -> Path:
    """The lock of this ledger, and of no other in its folder."""
    return path.with_name(f"{path.name}.lock")


def controllers_beside(path: Path) -> Path:
    """Where the controllers of this ledger hold a lock each."""
    return path.with_name(f"{path.name}.controllers")


class FileLock:
    """An advisory lock on a file of its own; the kernel lets go of it when its process dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(path) from error
            message = f"cannot write beside the ledger: {path}: {error.strerror}"
            raise ConfigError(message, "check the folder's owner and mode, or set `ledger` in recoup.toml") from error

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self, patience_seconds: float = LOCK_PATIENCE_SECONDS) -> None:
        """Wait for it; LedgerLockedError when the patience is over."""
        if self.try_acquire():
            return
        give_up_at = time.monotonic() + patience_seconds  # noqa: TID251 - another process holds it in real time
        while not self.try_acquire():
            if time.monotonic() > give_up_at:  # noqa: TID251 - as above
                message = f"the ledger is locked: somebody has held {self.path} for {patience_seconds:.0f} s"
                raise LedgerLockedError(message, f"find the holder with `fuser {self.path}`, then try again")
            time.sleep(0.0005)  # noqa: TID251 - as above

    def release(self) -> None:
        """Let go."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go and close the file."""
        os.close(self._fd)

    @contextmanager
    def held(self, patience_seconds: float = LOCK_PATIENCE_SECONDS) -> Iterator[None]:
        """The lock for a block."""
        self.acquire(patience_seconds)
        try:
            yield
        finally:
            self.release()


def refuse_network_file_system(path: Path, mounts: str) -> None:
    """SQLite's WAL needs shared memory and honest locks; `mounts` is the text of /proc/mounts."""
    best, kind, place = "", "", path.resolve()
    for line in mounts.splitlines():
        _, point, file_system, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        inside = f"{place}/".startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, file_system
    if kind in NETWORK_FILE_SYSTEMS:
        message = (
            f"the ledger {path} would lie on a network file system ({kind} at {best}): its locks cannot be trusted"
        )
        raise ConfigError(message, "set `ledger` in recoup.toml to a path on a local disk")
