"""What a disk can do to us: no room, no right to write, an fsync that failed."""

# Paths are strings on the way of every write: a Path costs as much as the system call.
# ruff: noqa: PTH100, PTH110, PTH116, PTH120

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from recoup.model.errors import DiskFullError, RecoupError, UnreachableError, UsageError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_SUCH_NAME = {errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ}
LINK_REMEDY = "put the file or folder itself there, or mount it there"
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


class FsyncFailedError(UnreachableError):
    """The disk did not confirm a write; nobody knows what it holds, and asking again would only hide that."""


def sync_file(fd: int, path: str) -> None:
    """Make a file durable, or FsyncFailedError; DiskFullError where the disk reserves room this late."""
    try:
        if _FULL_SYNC is not None:
            # Elsewhere fsync reaches the platter; on macOS it stops in the drive's cache.
            fcntl.fcntl(fd, _FULL_SYNC)
        else:
            os.fsync(fd)
    except OSError as error:
        if error.errno in FULL:
            raise refusal(error, path) from error
        message = f"the disk did not confirm a write to {path}: {error.strerror}"
        remedy = "check the disk (dmesg, smartctl); start recoup again, it finds out by itself what is there"
        raise FsyncFailedError(message, remedy) from error


def sync_folder(path: str) -> None:
    """Make the entries of a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_file(fd, path)
    finally:
        os.close(fd)


def sync_disk(path: str) -> None:
    """Make all that was written to the disk of a path durable: one call instead of one for each of many files."""
    import ctypes  # few need it

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(fd) != 0:
            reason = os.strerror(ctypes.get_errno())
            message = f"the disk did not confirm what was written to {path}: {reason}"
            remedy = "check the disk (dmesg, smartctl); start recoup again, it finds out by itself what is there"
            raise FsyncFailedError(message, remedy)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte: the kernel may take fewer than it was given."""
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, memoryview(data)[done:])


def free_bytes(path: Path | str) -> int:
    """Room for unprivileged writers on the disk of a path, or of its nearest parent that exists."""
    stat = os.statvfs(_nearest(path))
    return stat.f_bavail * stat.f_frsize


def refusal(error: OSError, path: str) -> RecoupError:
    """What an OSError means to a person: a value to raise from it."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return _full(error, path, reason)
    if error.errno in _FORBIDDEN:
        return UnreachableError(f"{path}: {reason.lower()} ({_rights(path)})", _rights_remedy(error))
    if error.errno == errno.ELOOP:
        return UsageError(f"{path} is a symbolic link, and a lake follows none below its root", LINK_REMEDY)
    if error.errno in _NO_SUCH_NAME:
        return UsageError(f"{path}: {reason.lower()}", "this name cannot stand there; choose another one")
    return UnreachableError(f"{path}: {reason.lower()}", "check that the disk is mounted and healthy")


def _full(error: OSError, path: str, reason: str) -> DiskFullError:
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return DiskFullError(f"cannot open {path}: {reason.lower()}", "raise the limit with `ulimit -n`")
    if error.errno == errno.EFBIG:
        return DiskFullError(f"cannot write {path}: it is larger than files may be", "raise the limit with `ulimit -f`")
    stat = os.statvfs(_nearest(path))
    no_more_files = stat.f_files > 0 and stat.f_favail == 0
    room = "it can hold no more files" if no_more_files else f"{stat.f_bavail * stat.f_frsize:,} bytes are free"
    remedy = "make room on that disk (`recoup lake gc` frees what nothing refers to), then run the same command again"
    if error.errno == errno.EDQUOT:
        remedy = "make room in that quota or have it raised, then run the same command again"
    return DiskFullError(f"no room to write {path}: {reason.lower()}, {room}", remedy)


def _rights_remedy(error: OSError) -> str:
    if error.errno == errno.EROFS:
        return "mount the disk for writing, then run the same command again"
    return "grant the right (chown, chmod), then run the same command again"


def _nearest(path: Path | str) -> str:
    """The path itself, or its nearest parent that we can see."""
    place = os.path.abspath(path)
    while not os.path.exists(place) and place != "/":
        place = os.path.dirname(place)
    return place


def _rights(path: str) -> str:
    """Who owns the nearest thing that exists, its mode, and who we are."""
    place = _nearest(path)
    with suppress(OSError):
        stat = os.stat(place)
        owner = f"owner {stat.st_uid}:{stat.st_gid}, mode {stat.st_mode & 0o7777:04o}"
        return f"{place}: {owner}; we run as {os.geteuid()}:{os.getegid()}"
    return f"we run as {os.geteuid()}:{os.getegid()}"
