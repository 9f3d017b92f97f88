"""What workers print: one append-only file each, and a copy of every task's own slice beside its attempt."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 1024 * 1024
_TRIM_BYTES: Final = 16 * 1024 * 1024


class Output:
    """The worker's side: descriptors 1 and 2 are one file; `end` is how far tasks have been told apart.

    What is written between two tasks, by a thread that a step left behind, goes to the later one.
    """

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # by line: what a killed worker printed must be in the file
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._streams = (sys.stdout, sys.stderr)
        self._fileno = os.dup(1)  # a step may close or redirect 1
        self.end = self._size()

    def keep(self, log: str | None) -> int:
        """Copy what was written since the last call to a task's own log; returns the new `end`."""
        with contextlib.suppress(ValueError):  # the step closed a stream
            for stream in self._streams:
                stream.flush()
        size = self._size()
        if size != self.end:
            copied = log is not None and self._copied(Path(log), size)
            self.end = 0 if copied and self._trimmed(size) else size
        return self.end

    def _copied(self, log: Path, size: int) -> bool:
        try:
            copy_slice(self._fileno, self.end, size, log)
        except OSError:  # the worker's own file still has it
            return False
        return True

    def _trimmed(self, size: int) -> bool:
        """Empty a file that has grown long, when nobody writes."""
        if size < _TRIM_BYTES or self._size() != size:
            return False
        os.ftruncate(self._fileno, 0)
        return True

    def _size(self) -> int:
        return os.fstat(self._fileno).st_size


def copy_slice(fileno: int, start: int, end: int, path: Path) -> None:
    """Append the bytes [start, end) of an open file to another, made with its folders when they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as copy:
        while start < end and (data := os.pread(fileno, min(_CHUNK_BYTES, end - start), start)):
            copy.write(data)
            start += len(data)


def rescue(worker_log: Path, start: int, log: str | None, tail_bytes: int = 2000) -> str:
    """Copy what a dead worker wrote from `start` on to its task's log; returns the end of it as text."""
    with contextlib.suppress(OSError), worker_log.open("rb") as source:
        end = os.fstat(source.fileno()).st_size
        if log is not None and end > start:
            copy_slice(source.fileno(), start, end, Path(log))
        tail = os.pread(source.fileno(), tail_bytes, max(start, end - tail_bytes))
        return tail.decode("utf-8", "replace").strip()
    return ""
