import sqlite3

import pytest

from recoup.app.ledger_care import backup, path, verify
from recoup.app.publications import ls
from recoup.ledger import planes
from recoup.ledger.planes import CHUNK_BYTES
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import ExitCode, UnreachableError, UsageError
from tests.unit.app.project import Project


def edit(project, sql, *parameters):
    with sqlite3.connect(path(project.workspace)) as db:
        db.execute(sql, parameters)
    db.close()


def flip(project, dataset, plane, key="2024-01-03"):
    """One bit of a plane, by hand."""
    with project.reader() as reader:
        row = reader.nodes()[dataset]
    ordinal = 45_290 + int(key[-2:]) - 1  # days since 1900
    chunk, bit = divmod(ordinal, 4096)
    with sqlite3.connect(path(project.workspace)) as db:
        found = db.execute(
            "SELECT bits FROM planes WHERE node = ? AND plane = ? AND chunk = ?", (row.node, plane, chunk)
        ).fetchone()
        bits = int.from_bytes(found[0] if found else bytes(CHUNK_BYTES), "little") ^ 1 << bit
        db.execute(
            "INSERT OR REPLACE INTO planes VALUES (?, ?, ?, ?)",
            (row.node, plane, chunk, bits.to_bytes(CHUNK_BYTES, "little")),
        )
    db.close()


@pytest.fixture(scope="session")
def failed_once(tmp_path_factory):
    project = Project.make(tmp_path_factory.mktemp("failed"))
    project.tell("bad", ["2024-01-05"])
    project.run()
    project.tell("feed", {"2024-01-02": "v2"})
    project.planned()
    return project


@pytest.fixture
def failed(failed_once, tmp_path):
    """One day has failed, and what another was made from has changed."""
    return failed_once.copy(tmp_path)


def test_a_sound_ledger_has_no_differences(failed):
    found = verify(failed.workspace)
    assert (found.differences, found.broken, found.unchecked, found.exit_code) == ((), (), (), ExitCode.DONE)
    assert found.planes > 20


@pytest.mark.parametrize(
    ("dataset", "plane", "key", "lacking"),
    [
        ("raw", planes.PUBLISHED, "2024-01-03", True),
        ("raw", planes.PUBLISHED, "2024-01-05", False),
        ("clean", planes.POINTED, "2024-01-03", True),
        ("clean", planes.TRIED, "2024-01-03", True),
        ("clean@out.clean", planes.RUNNING, "2024-01-03", False),
        ("raw", planes.FAILED + "unknown", "2024-01-05", True),
        ("raw", planes.FAILED + "network", "2024-01-05", False),
        ("raw", planes.CODE + "v1", "2024-01-03", True),
        ("raw", planes.CODE + "v2", "2024-01-03", False),
        ("clean", planes.BLOCKED, "2024-01-05", True),
        ("raw", planes.STALE, "2024-01-02", True),
        ("raw", planes.STALE, "2024-01-03", False),
        ("week", planes.STALE, "2024-01-03", False),
    ],
)
def test_a_bit_that_was_flipped_by_hand_is_found_and_put_right(failed, dataset, plane, key, lacking):
    flip(failed, dataset, plane, key)

    found = verify(failed.workspace)

    assert found.exit_code == ExitCode.INCOMPLETE
    assert [(d.dataset, d.plane, d.lacking, d.extra) for d in found.differences] == [
        (dataset, plane, [key] if lacking else [], [] if lacking else [key])
    ]
    repaired = verify(failed.workspace, repair=True)
    assert repaired.repaired
    assert len(repaired.differences) == 1
    assert verify(failed.workspace).differences == ()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM attempts WHERE token = 1", "publications have a token that is no attempt"),
        ("UPDATE publications SET node = 77 WHERE token = 1", "publications are of a dataset that is not known"),
        ("UPDATE publications SET run = 99 WHERE token = 1", "publications are of a run that is not known"),
        (
            "UPDATE attempts SET state = 'running' WHERE token = 1",
            "attempts are running although their controller has ended",
        ),
        ("UPDATE planes SET bits = x'00' WHERE plane = 'tried'", "has 1 bytes instead of 512"),
    ],
)
def test_what_can_never_be_is_told(failed, sql, told):
    edit(failed, sql)
    found = verify(failed.workspace)
    assert found.exit_code == ExitCode.INCOMPLETE
    assert any(told in sentence for sentence in found.broken)


def test_without_its_pipeline_stale_is_not_compared(failed):
    (failed.root / "recoup.toml").write_text("")
    flip(failed, "raw", planes.STALE)
    found = verify(failed.workspace)
    assert found.differences == ()
    assert found.unchecked == ("stale of days: not checked, recoup.toml does not name it",)
    (failed.root / "recoup.toml").write_text('[pipelines]\ndays = "nowhere.py:days"\n')
    assert any("there is no pipeline file" in sentence for sentence in verify(failed.workspace).unchecked)


def test_a_backup_is_a_whole_ledger_in_one_file(failed, tmp_path):
    with failed.workspace.ledger() as ledger:  # open, with its log not yet taken over
        with ledger.transaction() as tx:
            tx.event("something")
        with ledger.transaction() as tx:  # nobody waits for a backup, and it waits for nobody
            tx.event("something else")
            made = backup(failed.workspace, tmp_path / "copy.db")

    assert made.size_bytes == made.path.stat().st_size
    assert [p.name for p in tmp_path.glob("copy.db*")] == ["copy.db"]
    with LedgerReader(made.path) as copied:
        assert copied.query("SELECT count(*) FROM events WHERE kind LIKE 'something%'") == [(1,)]
    made.path.rename(failed.workspace.settings.ledger)
    for suffix in ("-wal", "-shm"):
        failed.workspace.settings.ledger.with_name(f"ledger.db{suffix}").unlink(missing_ok=True)
    assert verify(failed.workspace).exit_code == ExitCode.DONE
    assert len(ls(failed.workspace, "raw")) == 7


def test_a_backup_overwrites_nothing(failed, tmp_path):
    backup(failed.workspace, tmp_path / "copy.db")
    with pytest.raises(UsageError, match="exists already"):
        backup(failed.workspace, tmp_path / "copy.db")
    (tmp_path / "folder").mkdir()
    assert backup(failed.workspace, tmp_path / "folder").path == tmp_path / "folder" / "ledger.db"
    with pytest.raises(UsageError, match="there is no folder"):
        backup(failed.workspace, tmp_path / "nowhere" / "copy.db")


def test_there_must_be_a_ledger(project, tmp_path):
    with pytest.raises(UnreachableError):
        verify(project.workspace)
    with pytest.raises(UnreachableError):
        backup(project.workspace, tmp_path / "copy.db")
