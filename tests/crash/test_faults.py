"""What a disk or another program can do: one clear sentence, nothing half published, and the same command helps."""

import errno
import fcntl
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from recoup.model.errors import ExitCode
from tests.crash import laws
from tests.crash.nursery import Nursery
from tests.crash.project import ALL, Project, ended, rows

EVERYTHING = ("--only", "missing,failed,stale")
UNREACHABLE = ExitCode.UNREACHABLE
DISK_BYTES = 8 * 1024 * 1024
LOCKED_FOR_SECONDS = 30.0


def made(folder: Path) -> Project:
    return Project.make(folder, DAYS_BAD="")


def recovered(project: Project, nursery: Nursery) -> None:
    """The same command does the rest, calling nothing that was done; then all is as if nothing had happened."""
    done, calls = laws.current(project), project.calls()
    assert project.run(nursery) == 0, project.output()
    assert [name for name in done if project.calls()[name] > calls[name]] == []
    assert laws.broken(project, ALL, project.table()) == []
    # A total that was made while a day was missing is stale now, which a run has to be asked for.
    assert project.run(nursery, *EVERYTHING) == 0
    assert project.table() == rows()


def complaints(project: Project) -> list[str]:
    return [line for line in project.output().splitlines() if line.startswith("error: ")]


# --- no room


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own, 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def used_bytes(place: Path) -> int:
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.85])
def test_a_disk_that_fills_up_half_way(share, small_disk, tmp_path, nursery):
    measured = made(small_disk / "measured")
    measured.out = tmp_path / "measured.out"
    assert measured.recoup(nursery, "plan", "days") == 0
    empty = used_bytes(small_disk)
    assert measured.run(nursery) == 0
    needed = used_bytes(small_disk) - empty
    project = made(small_disk / "project")
    project.out = tmp_path / "project.out"
    assert project.recoup(nursery, "plan", "days") == 0
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(DISK_BYTES - used_bytes(small_disk) - int(share * needed)))
    assert project.run(nursery) == ExitCode.INCOMPLETE
    said = project.output()
    assert "no room" in said
    assert "bug" not in said
    assert len(complaints(project)) <= 1, said
    ballast.unlink()
    recovered(project, nursery)


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("create", "ledger.db.lock"),
        ("mkdir", "controllers"),
        ("create", "controllers/"),
        ("mkdir", "lake/clean"),
        ("write", "lake/clean"),
        ("write", "lake/manifests/clean"),
        ("create", ".current.json"),
        ("write", ".current.json"),
        ("write", "summary.json"),
    ],
)
def test_one_write_for_which_there_is_no_room(kind, where, tmp_path, nursery):
    project = made(tmp_path / "project")
    code = project.run(nursery, at=1, kinds=[kind], where=where, error=errno.ENOSPC)
    assert code == ExitCode.INCOMPLETE, project.output()
    assert "no room" in project.output()
    recovered(project, nursery)


# --- an fsync that fails


@pytest.mark.parametrize(
    "where", ["lake/_recoup", ".parquet", "lake/manifests/totals", ".current.json", "summary.json"]
)
def test_an_fsync_that_fails_is_not_tried_again(where, tmp_path, nursery):
    """Of what a controller makes durable: owner, data of steps that it runs itself, manifests, pointers, summary."""
    project = made(tmp_path / "project")
    assert project.run(nursery, at=1, kinds=["sync"], where=where, error=errno.EIO, trace="trace.txt") == UNREACHABLE
    assert "the disk did not confirm a write" in project.output()
    assert len(complaints(project)) == 1
    synced = [line.split(" ", 2)[2] for line in project.trace()]
    assert synced.count(synced[0]) == 1
    recovered(project, nursery)


# --- a ledger that somebody else holds


@pytest.fixture(scope="module", autouse=True)
def locked(nurseries, tmp_path_factory) -> Iterator[dict[str, tuple[Project, subprocess.Popen[str]]]]:
    """Two runs, each against a ledger that is held; they are patient for ten seconds, while other tests go on."""
    held: list[IO[str] | sqlite3.Connection] = []
    runs: dict[str, tuple[Project, subprocess.Popen[str]]] = {}
    nursery = nurseries.get()
    for how in ("by recoup", "by another program"):
        project = made(tmp_path_factory.mktemp("locked") / "project")
        assert project.run(nursery) == 0
        if how == "by recoup":
            lock = project.ledger.with_name("ledger.db.lock").open("r+")
            fcntl.flock(lock, fcntl.LOCK_EX)
            held.append(lock)
        else:
            other = sqlite3.connect(project.ledger, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            held.append(other)
        runs[how] = project, project.start("--only", "stale", RECOUP_EXECUTOR="inline", DAYS_VERSION="2")
    nurseries.put(nursery)
    with ended(*(process for _, process in runs.values())):
        yield runs
    for holder in held:
        holder.close()


@pytest.mark.parametrize("how", ["by recoup", "by another program"])
def test_a_locked_ledger_is_refused(how, locked):
    project, process = locked[how]
    before = laws.fingerprint(project)
    _, errors = process.communicate(timeout=LOCKED_FOR_SECONDS)
    assert process.returncode == ExitCode.REFUSED, errors
    assert "locked" in errors
    assert laws.fingerprint(project) == before
