"""Each way in which a ledger cannot be opened or written ends in one sentence, a remedy and an exit code."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from recoup.ledger import connection
from recoup.ledger.connection import FileLock, connect, explain, refuse_network_file_system
from recoup.ledger.reader import LedgerReader
from recoup.ledger.schema import SCHEMA_VERSION
from recoup.ledger.writer import Ledger
from recoup.model.errors import (
    CommitUnknownError,
    ConfigError,
    DiskFullError,
    ExitCode,
    LedgerLockedError,
    LedgerSchemaError,
    UnreachableError,
)
from recoup.testing.clock import FakeClock

PATIENCE = 0.05

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
filer:/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/ann/local ext4 rw 0 0
//filer/share /mnt/our\\040share cifs rw 0 0
ann@host:/ /mnt/far fuse.sshfs rw 0 0
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path):
    ledger = Ledger(path, FakeClock())
    yield ledger
    ledger.close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(FileLock.acquire, "__defaults__", (PATIENCE,))
    monkeypatch.setattr(connection, "LOCK_PATIENCE_SECONDS", PATIENCE)
    monkeypatch.setattr("recoup.ledger.writer.LOCK_PATIENCE_SECONDS", PATIENCE)


@pytest.fixture
def held_elsewhere(path):
    """Another process holds the ledger's lock."""
    command = [sys.executable, "-c", HOLD, str(path.with_name("ledger.db.lock"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def has_schema(path: Path, version: int) -> None:
    Ledger(path, FakeClock()).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {version}")


def is_one_sentence(text: str) -> bool:
    return bool(text) and "\n" not in text and ". " not in text


# --- the schema


@pytest.mark.parametrize("write", [True, False])
def test_a_newer_schema_is_refused_with_both_versions(path, write):
    has_schema(path, SCHEMA_VERSION + 3)
    with pytest.raises(LedgerSchemaError) as told:
        connect(path, write=write)
    assert int(told.value.exit_code) == 4
    assert f"schema {SCHEMA_VERSION + 3}" in told.value.message
    assert f"up to {SCHEMA_VERSION}" in told.value.message
    assert "newer recoup" in told.value.remedy


@pytest.mark.parametrize("write", [True, False])
def test_an_older_schema_is_to_be_migrated(path, write):
    has_schema(path, 1)
    with pytest.raises(LedgerSchemaError) as told:
        connect(path, write=write)
    assert told.value.exit_code == ExitCode.REFUSED
    assert "older schema 1" in told.value.message
    assert "recoup ledger migrate" in told.value.remedy


def test_a_refused_schema_is_left_alone(path):
    has_schema(path, SCHEMA_VERSION + 1)
    before = path.read_bytes()
    with pytest.raises(LedgerSchemaError):
        Ledger(path, FakeClock())
    assert path.read_bytes() == before


def test_a_ledger_is_made_once(path):
    first = Ledger(path, FakeClock(seed=1))
    made = first.ledger_id, first.epoch
    first.close()
    again = Ledger(path, FakeClock(seed=2))
    assert (again.ledger_id, again.epoch) == made
    assert len(bytes.fromhex(again.ledger_id)) == 16
    again.close()


# --- the file


@pytest.mark.parametrize("write", [True, False])
def test_what_is_no_database_is_said_in_one_sentence(path, write):
    path.write_bytes(b"dt,value\n2013-01-01,1\n" * 400)
    with pytest.raises(UnreachableError) as told:
        connect(path, write=write)
    assert told.value.exit_code == ExitCode.UNREACHABLE
    assert str(path) in told.value.message
    assert is_one_sentence(told.value.message)
    assert "recoup ledger rebuild" in told.value.remedy


def test_a_reader_makes_no_ledger(path):
    with pytest.raises(UnreachableError) as told:
        LedgerReader(path)
    assert str(path) in told.value.message
    assert "--config" in told.value.remedy
    assert list(path.parent.iterdir()) == []


def test_a_reader_of_a_path_that_needs_quoting(tmp_path):
    path = tmp_path / "50% & more #1?" / "ledger.db"
    ledger = Ledger(path, FakeClock())
    with LedgerReader(path) as reader:
        assert reader.meta("ledger_id") == ledger.ledger_id
    ledger.close()
    assert path.is_file()


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM meta", "CREATE TABLE t (x)", "PRAGMA user_version = 1", "INSERT INTO meta VALUES ('a', 'b')"],
)
def test_a_reader_cannot_write(ledger, sql):
    with LedgerReader(ledger.path) as reader:
        with pytest.raises(UnreachableError, match="cannot be opened for writing"):
            reader.query(sql)
        assert reader.meta("epoch") == "1"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write beside the ledger") as told:
        Ledger(tmp_path / "file" / "ledger.db", FakeClock())
    assert told.value.remedy


# --- locks


def test_another_process_holds_the_lock(path, held_elsewhere):
    lock = FileLock(path.with_name("ledger.db.lock"))
    assert not lock.try_acquire()
    with pytest.raises(LedgerLockedError) as told:
        lock.acquire(PATIENCE)
    assert told.value.exit_code == ExitCode.REFUSED
    assert str(lock.path) in told.value.message
    assert f"fuser {lock.path}" in told.value.remedy
    lock.close()


def test_the_kernel_frees_the_lock_of_a_dead_process(path, held_elsewhere):
    lock = FileLock(path.with_name("ledger.db.lock"))
    held_elsewhere.kill()
    held_elsewhere.wait()
    lock.acquire(PATIENCE)
    lock.close()


@pytest.mark.usefixtures("impatient", "held_elsewhere")
def test_a_ledger_that_is_locked_is_not_opened(path):
    with pytest.raises(LedgerLockedError):
        Ledger(path, FakeClock())
    assert not path.exists()


@pytest.mark.usefixtures("impatient")
def test_a_writer_waits_for_its_turn_and_then_says_so(ledger):
    other = FileLock(ledger.path.with_name("ledger.db.lock"))
    with other.held(), pytest.raises(LedgerLockedError), ledger.transaction() as tx:
        tx.event("never")
    other.close()
    with ledger.transaction() as tx:
        tx.event("once")
    assert ledger.db.execute("SELECT kind FROM events").fetchall() == [("once",)]


@pytest.mark.usefixtures("impatient")
def test_a_lock_is_let_go_of_when_a_transaction_fails(ledger):
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        raise ZeroDivisionError
    other = FileLock(ledger.path.with_name("ledger.db.lock"))
    assert other.try_acquire()
    other.close()


@pytest.mark.usefixtures("impatient")
def test_another_program_writes_with_sqlite(path):
    ledger = Ledger(path, FakeClock())
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerLockedError) as told, ledger.transaction() as tx:
            tx.event("never")
        assert told.value.exit_code == ExitCode.REFUSED
        assert "locked by another program" in told.value.message
        with LedgerReader(path) as reader:
            assert reader.query("SELECT * FROM events") == [], "readers need not wait"
        stranger.execute("ROLLBACK")
    with ledger.transaction() as tx:
        tx.event("once")
    assert ledger.db.execute("SELECT kind FROM events").fetchall() == [("once",)]
    ledger.close()


# --- what SQLite says


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY, LedgerLockedError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, LedgerLockedError),
        (sqlite3.SQLITE_FULL, DiskFullError),
        (sqlite3.SQLITE_IOERR_SHMSIZE, DiskFullError),
        (sqlite3.SQLITE_READONLY_DIRECTORY, UnreachableError),
        (sqlite3.SQLITE_CORRUPT, UnreachableError),
        (sqlite3.SQLITE_IOERR_FSYNC, CommitUnknownError),
        (sqlite3.SQLITE_ERROR, UnreachableError),
    ],
)
def test_every_error_has_a_sentence_and_a_remedy(path, code, expected):
    error = sqlite3.OperationalError("it said so")
    error.sqlite_errorcode = code
    told = explain(error, path)
    assert type(told) is expected
    assert str(path) in told.message
    assert is_one_sentence(told.message)
    assert told.remedy


def test_an_error_without_a_code_is_explained_too(path):
    assert "Cannot operate" in explain(sqlite3.ProgrammingError("Cannot operate"), path).message


# --- network file systems


@pytest.mark.parametrize(
    ("path", "kind", "point"),
    [
        ("/home/ann/ledger.db", "nfs4", "/home"),
        ("/home/ann/localx/ledger.db", "nfs4", "/home"),
        ("/mnt/our share/a/ledger.db", "cifs", "/mnt/our share"),
        ("/mnt/far/ledger.db", "fuse.sshfs", "/mnt/far"),
    ],
)
def test_a_network_file_system_is_refused(path, kind, point):
    with pytest.raises(ConfigError) as told:
        refuse_network_file_system(Path(path), MOUNTS)
    assert told.value.exit_code == ExitCode.USAGE
    assert f"({kind} at {point})" in told.value.message
    assert "local disk" in told.value.remedy


def test_a_network_file_system_behind_a_link_is_refused(tmp_path):
    (tmp_path / "project").symlink_to("/home/ann/project")
    with pytest.raises(ConfigError, match="nfs4 at /home"):
        refuse_network_file_system(tmp_path / "project" / ".recoup" / "ledger.db", MOUNTS)


@pytest.mark.parametrize(
    "path", ["/home/ann/local/ledger.db", "/homes/ledger.db", "/ledger.db", "/mnt/our/ledger.db", "/mnt/farther/l.db"]
)
def test_a_local_disk_is_fine(path):
    refuse_network_file_system(Path(path), MOUNTS)


def test_the_longest_mount_point_wins_in_any_order():
    upside_down = "\n".join(reversed(MOUNTS.splitlines()))
    refuse_network_file_system(Path("/home/ann/local/ledger.db"), upside_down)
    with pytest.raises(ConfigError):
        refuse_network_file_system(Path("/home/ann/ledger.db"), upside_down)


def test_of_two_mounts_at_one_point_the_later_one_is_seen():
    refuse_network_file_system(Path("/home/ann/ledger.db"), MOUNTS + "/dev/vdc /home ext4 rw 0 0\n")
    with pytest.raises(ConfigError):
        refuse_network_file_system(Path("/ledger.db"), MOUNTS + "filer:/root / nfs rw 0 0\n")


def test_without_mounts_nothing_is_refused():
    refuse_network_file_system(Path("/home/ann/ledger.db"), "")
