"""Taking turns at one DuckDB file, which lets a single process in: who waits says so, who is inside makes room.

A descriptor that is opened here is never closed. Closing any descriptor of a file lets go of all locks of its kind
that this process has on it, and DuckDB's own is one of them: another process could then come in beside us.
"""

# Another process holds the file in real time.
# ruff: noqa: TID251

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

PATIENCE_SECONDS: Final = 30.0
"""So long a delivery waits for somebody else's turn to end; then it is a conflict, and tried again."""
TURN_SECONDS: Final = 0.5
_FIRST_PAUSE_SECONDS: Final = 0.005
_LONGEST_PAUSE_SECONDS: Final = 0.05
_GIVE_WAY_SECONDS: Final = 0.25

T = TypeVar("T")
_KEPT: dict[tuple[int, int], int] = {}
"""Descriptors by device and inode, for as long as the process lives."""


def head_of(path: Path, size_bytes: int) -> bytes:
    """The first bytes of a file that may be open here as a database."""
    return os.pread(_kept(path), size_bytes, 0)


def in_turn(path: Path, enter: Callable[[], T], is_taken: Callable[[Exception], bool], *, wait: bool) -> T:
    """What `enter` returns, tried again while somebody else is in; the last refusal when the patience is over."""
    give_up_at = time.monotonic() + (PATIENCE_SECONDS if wait else 0.0)
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return enter()
        except Exception as error:
            if not is_taken(error) or time.monotonic() >= give_up_at:
                raise
        with _waiting(path):
            time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


class Turn:
    """How long we have been in, and whether it is time to let others in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began_at = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Somebody waits, and we have had a while."""
        return time.monotonic() - self._began_at > TURN_SECONDS and _is_wanted(self._path)

    def give_way(self) -> None:
        """After we have let go: until those who wait are in, or for a moment, should they have gone."""
        give_up_at = time.monotonic() + _GIVE_WAY_SECONDS
        while _is_wanted(self._path) and time.monotonic() < give_up_at:
            time.sleep(_FIRST_PAUSE_SECONDS)


def _is_wanted(path: Path) -> bool:
    with suppress(OSError):
        fileno = _kept(path)
        try:
            fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(fileno, fcntl.LOCK_UN)
    return False


@contextmanager
def _waiting(path: Path) -> Iterator[None]:
    """Say that we wait, by a lock of the other kind, which ends with its process, and which DuckDB does not look at."""
    fileno = None
    with suppress(OSError):  # a file system without such locks: then nobody knows that we wait
        fileno = _kept(path)
        fcntl.flock(fileno, fcntl.LOCK_SH | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if fileno is not None:
            with suppress(OSError):
                fcntl.flock(fileno, fcntl.LOCK_UN)


def _kept(path: Path) -> int:
    found = path.stat()
    place = (found.st_dev, found.st_ino)
    if place not in _KEPT:
        _KEPT[place] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return _KEPT[place]
