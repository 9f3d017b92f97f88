"""One writer at a time for a partition's folder, across threads and processes of one machine."""

# Paths are strings on the way of every write: a Path costs as much as the system call. And a lock is waited
# for in real time: its holder is another process.
# ruff: noqa: PTH102, TID251

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from recoup.model.errors import UnreachableError

WAIT_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.0005
_LONGEST_PAUSE_SECONDS = 0.02


class FolderLocks:
    """256 lock files for all folders: a million partitions must not mean a million lock files.

    Two folders may share one; that costs a wait and nothing else, because nobody holds two at a time.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @contextmanager
    def held(self, folder: str) -> Iterator[None]:
        """Hold the folder's lock; it ends with the process, however that ends."""
        path = f"{self._folder}/{sha256(folder.encode()).hexdigest()[:2]}.lock"
        fd = self._open(path)
        try:
            _take(fd, path)
            yield
        finally:
            os.close(fd)

    def _open(self, path: str) -> int:
        # A descriptor of its own for each holder: flock then keeps threads apart as well.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(path, flags, 0o666)
        except FileNotFoundError:
            # Never the root: an unmounted disk must not be filled up underneath.
            for made in (self._folder.rpartition("/")[0], self._folder):
                with suppress(FileExistsError):
                    os.mkdir(made)
            return os.open(path, flags, 0o666)


def _take(fd: int, path: str) -> None:
    """Wait a bounded time: a holder that was stopped (SIGSTOP) must not hang everybody for good."""
    deadline = time.monotonic() + WAIT_SECONDS
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"another process has held {path} for {WAIT_SECONDS:.0f} seconds"
                raise UnreachableError(message, f"find it with `fuser {path}`; it may be stopped") from None
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            return
