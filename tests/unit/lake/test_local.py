"""A folder as a store: durable when asked, whole always, and never outside its root."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from recoup.lake import folders, locks
from recoup.lake.disk import FsyncFailedError, free_bytes
from recoup.lake.layout import is_leftover
from recoup.lake.local import LocalStore
from recoup.model.errors import ConfigError, DiskFullError, RecoupError, UnreachableError, UsageError

KEY = "clean/dt=2013-01-01/run=1/x.json"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced, in order, by the path that it had then."""
    seen: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        seen.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def fail_with(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    def failing(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, failing)


def files_below(root: str) -> list[Path]:
    return [path for path in Path(root).rglob("*") if path.is_file() and "locks" not in path.parts]


# --- durability --------------------------------------------------------------------------------------------------


def names(root: str, synced: list[str]) -> list[str]:
    return [path.removeprefix(root).lstrip("/") for path in synced]


def test_a_synced_put_syncs_the_file_and_every_folder_it_made(store, synced):
    store.put(KEY, b"1", sync=True)
    file, *folders_ = names(store.url, synced)
    assert is_leftover(file), "the file is synced under its first name, before it gets its own"
    assert folders_ == ["clean/dt=2013-01-01/run=1", "clean/dt=2013-01-01", "clean", ""]


def test_what_is_durable_already_is_not_synced_again(store, synced):
    store.put(KEY, b"1", sync=True)
    synced.clear()
    store.put("clean/dt=2013-01-01/run=1/y.json", b"1", sync=True)
    assert names(store.url, synced)[1:] == ["clean/dt=2013-01-01/run=1"]
    synced.clear()
    store.put("clean/dt=2013-01-02/run=1/x.json", b"1", sync=True)
    assert names(store.url, synced)[1:] == ["clean/dt=2013-01-02/run=1", "clean/dt=2013-01-02", "clean"]


def test_folders_that_an_unsynced_put_made_are_synced_when_it_matters(store, synced):
    store.put(KEY, b"1", sync=False)
    assert synced == []
    store.swap("clean/dt=2013-01-01/current.json", b"1", None)
    assert names(store.url, synced)[1:] == ["clean/dt=2013-01-01", "clean", ""]


def test_folders_that_somebody_else_made_are_synced_too(store, synced):
    (Path(store.url) / "clean/dt=2013-01-01").mkdir(parents=True)
    store.put(KEY, b"1", sync=True)
    assert names(store.url, synced)[1:] == ["clean/dt=2013-01-01/run=1", "clean/dt=2013-01-01", "clean", ""]


def test_a_swap_in_a_staged_partition_costs_two_syncs(store, synced):
    (Path(store.url) / "clean/dt=2013-01-01").mkdir(parents=True)
    for version in range(3):
        before = store.get("clean/dt=2013-01-01/current.json")
        synced.clear()
        store.swap("clean/dt=2013-01-01/current.json", b"%d" % version, before and before.version)
        file, folder = names(store.url, synced)
        assert is_leftover(file)
        assert folder == "clean/dt=2013-01-01"


@pytest.mark.parametrize("sync", [False, True])
def test_a_created_file_is_synced_with_its_folders(store, synced, sync):
    with store.create(KEY, sync=sync) as file:
        file.write(b"1")
    wanted = [KEY, "clean/dt=2013-01-01/run=1", "clean/dt=2013-01-01", "clean", ""]
    assert names(store.url, synced) == (wanted if sync else [])


def test_forgetting_folders_costs_syncs_and_nothing_else(store, synced, monkeypatch):
    monkeypatch.setattr(folders, "_REMEMBERED", 3)
    for day in range(10):
        store.put(f"clean/dt={day}/run=1/x.json", b"1", sync=False)
    synced.clear()
    store.swap("clean/dt=0/current.json", b"1", None)
    assert names(store.url, synced)[1:] == ["clean/dt=0", "clean", ""]


def test_a_new_root_is_made_durable(tmp_path, synced):
    LocalStore(tmp_path / "a" / "b")
    assert synced == [str(tmp_path / "a"), str(tmp_path)]


@pytest.mark.parametrize("write", ["put", "swap", "put_new", "create"])
def test_a_failed_fsync_is_told_and_never_retried(store, monkeypatch, write):
    calls = []

    def fsync(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FsyncFailedError, match="did not confirm") as caught:
        write_by(store, write)
    assert len(calls) == 1
    assert caught.value.exit_code == 5
    assert files_below(store.url) == [], "nothing took its name"


def write_by(store: LocalStore, how: str, data: bytes = b"data") -> None:
    match how:
        case "put":
            store.put(KEY, data, sync=True)
        case "unsynced put":
            store.put(KEY, data, sync=False)
        case "put_new":
            store.put_new(KEY, data, sync=True)
        case "swap":
            store.swap(KEY, data, None)
        case "create":
            with store.create(KEY, sync=True) as file:
                file.write(data)
        case _:
            raise AssertionError(how)


def test_a_disk_that_is_found_full_at_the_fsync(store, monkeypatch):
    """Where room is reserved late: thin volumes, quotas, network disks."""
    store.put(KEY, b"before", sync=True)
    fail_with(monkeypatch, "fsync", errno.ENOSPC)
    with pytest.raises(DiskFullError, match="no room to write"):
        store.put(KEY, b"after", sync=True)
    assert [path.read_bytes() for path in files_below(store.url)] == [b"before"]


# --- a disk that refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("write", ["put", "unsynced put", "swap", "put_new", "create"])
def test_a_full_disk_is_told_and_leaves_nothing_behind(store, monkeypatch, number, write):
    with monkeypatch.context() as patch:
        fail_with(patch, "write", number)
        with pytest.raises(DiskFullError) as caught:
            write_by(store, write)
    assert store.url in caught.value.message
    assert "bytes are free" in caught.value.message
    assert caught.value.remedy
    assert caught.value.exit_code == 1
    assert files_below(store.url) == []
    write_by(store, write)  # room was made: the same call does it now
    assert store.get(KEY) is not None


def test_a_full_disk_leaves_what_was_there(store, monkeypatch):
    store.put(KEY, b"before", sync=True)
    for write in (
        lambda: store.put(KEY, b"after", sync=False),
        lambda: store.swap(KEY, b"after", store.get(KEY).version),
    ):
        with monkeypatch.context() as patch:
            fail_with(patch, "write", errno.ENOSPC)
            with pytest.raises(DiskFullError):
                write()
        assert store.get(KEY).data == b"before"
    assert len(files_below(store.url)) == 1


def test_a_file_that_outgrows_its_limit_is_a_full_disk(tmp_path):
    """The kernel itself refuses here, in a process of its own."""
    script = textwrap.dedent(f"""
        import resource
        from recoup.lake.local import LocalStore
        from recoup.model.errors import DiskFullError
        store = LocalStore({str(tmp_path / "lake")!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        store.put("a/small", b"x" * 5_000, sync=True)
        try:
            store.put("a/large", b"x" * 50_000, sync=True)
        except DiskFullError as error:
            print(error.message, [info.key for info in store.list("")])
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "larger than files may be" in done.stdout
    assert "['a/small']" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_says_whose_it_is(store):
    (Path(store.url) / "clean").mkdir(mode=0o500)
    with pytest.raises(UnreachableError, match=r"owner \d+:\d+, mode 0500; we run as"):
        store.put(KEY, b"1", sync=False)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_refused_write_says_who_we_are(store, monkeypatch, number):
    fail_with(monkeypatch, "open", number)
    with pytest.raises(UnreachableError, match=f"we run as {os.geteuid()}") as caught:
        store.put(KEY, b"1", sync=False)
    assert caught.value.remedy


def test_too_many_open_files_are_told_as_such(store, monkeypatch):
    fail_with(monkeypatch, "open", errno.EMFILE)
    with pytest.raises(DiskFullError, match="too many open files") as caught:
        store.put(KEY, b"1", sync=False)
    assert "ulimit -n" in caught.value.remedy


def test_a_name_that_is_too_long_is_an_answer_not_a_crash(store):
    with pytest.raises(UsageError, match="file name too long"):
        store.put("a/" + "x" * 300, b"1", sync=False)


def test_room_is_asked_of_the_nearest_folder_that_exists(tmp_path):
    assert free_bytes(tmp_path / "not" / "there") > 0


# --- the root ----------------------------------------------------------------------------------------------------


def test_a_root_that_cannot_be_made_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for root in (tmp_path / "file", tmp_path / "file" / "lake", Path("/proc/nowhere/lake"), Path("/")):
        with pytest.raises(ConfigError) as caught:
            LocalStore(root)
        assert caught.value.remedy
        assert caught.value.exit_code == 2


def test_read_only_makes_nothing(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        LocalStore(tmp_path / "lake", read_only=True)
    assert not (tmp_path / "lake").exists()


def test_a_root_that_vanishes_is_not_made_again(store):
    """An unmounted disk must not be filled up underneath."""
    Path(store.url).rmdir()
    for write in ("put", "unsynced put", "put_new", "swap", "create"):
        with pytest.raises(UnreachableError, match=r"cannot be made|no such file"):
            write_by(store, write)
    assert not Path(store.url).exists()


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "lake").symlink_to(tmp_path / "disk")
    store = LocalStore(tmp_path / "lake")
    store.put(KEY, b"1", sync=True)
    assert (tmp_path / "disk" / KEY).read_bytes() == b"1"


# --- links -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["clean", "clean/dt=2013-01-01", "clean/dt=2013-01-01/run=1"])
def test_a_folder_that_is_a_link_is_refused(store, tmp_path, link):
    outside = tmp_path / "outside"
    (outside / "dt=2013-01-01/run=1").mkdir(parents=True)
    (outside / "x.json").write_bytes(b"a secret")
    place = Path(store.url) / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    for attempt in (
        lambda: store.put(KEY, b"1", sync=False),
        lambda: store.put_new(KEY, b"1", sync=False),
        lambda: store.swap(KEY, b"1", None),
        lambda: store.get(KEY),
        lambda: store.delete([KEY]),
        lambda: store.create(KEY, sync=False).__enter__(),
        lambda: list(store.list(f"{link}/")),
    ):
        with pytest.raises(UsageError, match="symbolic link"):
            attempt()
    assert list(store.list("")) == []
    assert (outside / "x.json").read_bytes() == b"a secret"


def test_a_file_that_is_a_link_is_neither_read_nor_written_through(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret")
    place = Path(store.url) / KEY
    place.parent.mkdir(parents=True)
    place.symlink_to(secret)
    with pytest.raises(UsageError, match="symbolic link"):
        store.get(KEY)
    store.put(KEY, b"ours", sync=False)
    assert (secret.read_bytes(), store.get(KEY).data) == (b"a secret", b"ours")


# --- others on the same folder -----------------------------------------------------------------------------------


def test_a_folder_taken_away_meanwhile_is_made_again(store):
    other = LocalStore(store.url)
    for sync in (False, True):
        store.put(KEY, b"1", sync=sync)
        other.delete([KEY])
        assert not Path(store.url, KEY).parent.exists(), "the last file takes its folder along"
        store.put(KEY, b"2", sync=sync)
        assert store.get(KEY).data == b"2"


def test_a_holder_that_was_stopped_does_not_hang_everybody(store, monkeypatch):
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.05)
    store.swap("clean/current.json", b"1", None)
    (lock,) = Path(store.url, "_recoup/locks").iterdir()
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UnreachableError, match="another process has held") as caught:
            store.swap("clean/current.json", b"2", None)
    assert "fuser" in caught.value.remedy
    with pytest.raises(RecoupError, match="not what it was"):
        store.swap("clean/current.json", b"2", None)


def test_locks_and_links_are_not_listed_but_leftovers_are(store, tmp_path):
    store.swap("clean/current.json", b"1", None)
    (Path(store.url) / "clean/link").symlink_to(tmp_path)
    left = Path(store.url) / "clean/.current.json.0123456789abcdef.tmp"
    left.write_bytes(b"half")
    assert [info.key for info in store.list("")] == [f"clean/{left.name}", "clean/current.json"]


def test_a_process_killed_before_the_rename_leaves_the_old_pointer(store):
    """At the latest possible moment: all is written and synced, only the name is missing."""
    store.swap("clean/current.json", b"old", None)
    script = textwrap.dedent(f"""
        import os
        from recoup.lake.local import LocalStore
        store = LocalStore({store.url!r})
        os.rename = lambda *_: os._exit(9)
        store.swap("clean/current.json", b"new", store.get("clean/current.json").version)
    """)
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == 9
    assert store.get("clean/current.json").data == b"old"
    store.swap("clean/current.json", b"newer", store.get("clean/current.json").version)
    assert store.get("clean/current.json").data == b"newer"
