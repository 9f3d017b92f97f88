import sqlite3

import pytest

from recoup.ledger import migrate as module
from recoup.ledger.connection import FileLock, connect, controllers_beside
from recoup.ledger.migrate import migrate, statements
from recoup.ledger.schema import SCHEMA_VERSION, TABLES, VIEWS
from recoup.ledger.writer import Ledger
from recoup.model.errors import LedgerSchemaError, UnreachableError
from recoup.testing.clock import FakeClock

NEWER = (
    "CREATE UNIQUE INDEX member_ids",
    "CREATE INDEX causes",
    "CREATE INDEX due_firings",
    "CREATE INDEX taken_firings",
    *(f"CREATE TABLE {table} (" for table in ("modes", "firings")),
    *(f"CREATE TABLE {table} (" for table in ("durations", "controls", "starts", "shares")),
    *(f"CREATE TABLE {table} (" for table in ("waivers", "reads", "calendar_changes", "pauses", "former_members")),
    "CREATE TABLE stages (",
    "CREATE TABLE watermarks (",
    "CREATE TABLE advances (",
    "CREATE TABLE outages (",
)


@pytest.fixture
def older(tmp_path):
    """A ledger of schema 1, as SQL made it, with rows of two nodes: no durations, rates, shares and limits."""
    path = tmp_path / "ledger.db"
    text = TABLES.replace(",\n    limited INTEGER NOT NULL DEFAULT 0", "")
    script = [s for s in statements(text + VIEWS) if not any(newer in s for newer in NEWER)]
    with sqlite3.connect(path, isolation_level=None) as db:
        for statement in script:
            db.execute(statement)
        db.execute("PRAGMA journal_mode = WAL")
        db.executemany("INSERT INTO meta VALUES (?, ?)", [("ledger_id", "old"), ("epoch", "3")])
        db.executemany(
            "INSERT INTO attempts (token, run, node, ordinal, number, state, controller, decision, code_version,"
            " claimed_at, started_at, ended_at) VALUES (?, 1, ?, ?, 1, ?, 1, 'missing', 'v1', 0, ?, ?)",
            [(1, 1, 5, "succeeded", 10.0, 12.0), (2, 1, 6, "succeeded", 20.0, 21.0), (3, 2, 5, "failed", 1.0, 9.0)],
        )
        db.executemany("INSERT INTO members VALUES (?, ?, ?)", [("p/tenant", "acme", 0), ("q/tenant", "acme", 0)])
        db.execute("PRAGMA user_version = 1")
    db.close()
    return path


def test_an_older_ledger_is_refused_then_migrated_with_a_copy_kept(older):
    with pytest.raises(LedgerSchemaError, match="older schema 1"):
        connect(older, write=True)

    done = migrate(older)

    assert (done.before, done.after, done.copy) == (1, SCHEMA_VERSION, older.with_name("ledger.db.v1.bak"))
    ledger = Ledger(older, FakeClock())
    assert (ledger.ledger_id, ledger.epoch) == ("old", 3)
    assert ledger.db.execute("SELECT * FROM durations").fetchall() == [(1, 2, 3.0)]
    assert ledger.db.execute("SELECT count(*) FROM run_history").fetchone() == (0,)
    assert ledger.db.execute("SELECT * FROM members").fetchall() == [("tenant", "acme", 0)]
    with ledger.transaction() as tx:
        tx.event("works")
    ledger.close()
    with sqlite3.connect(older.with_name("ledger.db.v1.bak")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute("SELECT count(*) FROM attempts").fetchone() == (3,)
    copy.close()


def test_doing_it_again_does_nothing(older):
    migrate(older)
    again = migrate(older)
    assert (again.before, again.after, again.copy) == (SCHEMA_VERSION, SCHEMA_VERSION, None)


def test_killed_after_the_copy_it_is_simply_repeated(older, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_check", killed)
    with pytest.raises(KeyboardInterrupt):
        migrate(older)
    monkeypatch.undo()
    with pytest.raises(LedgerSchemaError, match="older schema 1"):
        connect(older, write=False)

    done = migrate(older)

    assert done.copy is not None
    assert done.copy.name == "ledger.db.v1.bak.2"
    connect(older, write=False).close()


def test_one_that_would_not_be_of_todays_shape_stays_as_it_is(older):
    with sqlite3.connect(older) as db:
        db.execute("ALTER TABLE runs RENAME COLUMN partition TO slice")
    db.close()
    with pytest.raises(LedgerSchemaError, match=r"could not be migrated and is as it was: runs\.partition"):
        migrate(older)
    with sqlite3.connect(older) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'durations'").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'view'").fetchone() == (1,)
    db.close()


@pytest.mark.parametrize(("version", "told"), [(SCHEMA_VERSION + 1, "knows schemas up to"), (0, "no ledger that")])
def test_newer_and_foreign_ones_are_refused(older, version, told):
    with sqlite3.connect(older) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    with pytest.raises(LedgerSchemaError, match=told):
        migrate(older)
    assert list(older.parent.glob("*.bak")) == []


def test_one_that_somebody_works_with_is_refused(older):
    lock = FileLock(controllers_beside(older) / "1.lock")
    lock.acquire()
    with sqlite3.connect(older) as db:
        db.execute("INSERT INTO controllers VALUES (1, 'here', 4711, 'me', 0, 1e12, NULL)")
    db.close()
    with pytest.raises(LedgerSchemaError, match="process 4711 on here is running a backfill"):
        migrate(older)
    lock.close()
    assert migrate(older).after == SCHEMA_VERSION


def test_there_must_be_one(tmp_path):
    with pytest.raises(UnreachableError, match="there is no ledger"):
        migrate(tmp_path / "ledger.db")


def test_what_is_no_database_is_told(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(UnreachableError, match="no sound SQLite database"):
        migrate(path)
