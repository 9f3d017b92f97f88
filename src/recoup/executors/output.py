"""What workers print: one append-only file each, and a copy of every task's own slice beside its attempt."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Final

from recoup.model.redact import Redact

_CHUNK_BYTES: Final = 1024 * 1024
_TRIM_BYTES: Final = 16 * 1024 * 1024


class Output:
    """The worker's side: descriptors 1 and 2 are one file; `end` is how far tasks have been told apart.

    What is written between two tasks, by a thread that a step left behind, goes to the later one. Secrets are hidden
    on the way to the file; those that came another way (from C, from a child) on the way to a task's own log.
    """

    def __init__(self, redact: Redact) -> None:
        self._redact = redact
        if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stderr, io.TextIOWrapper):
            sys.stdout, sys.stderr = (
                RedactedStream(sys.stdout.buffer, redact),
                RedactedStream(sys.stderr.buffer, redact),
            )
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
            copy_slice(self._fileno, self.end, size, log, self._redact)
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


class RedactedStream(io.TextIOWrapper):
    """Text on its way to a file, whole lines at a time: what a killed worker printed must be there, without secrets."""

    def __init__(self, buffer: BinaryIO, redact: Redact) -> None:
        super().__init__(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._redact = redact
        self._held = ""
        self._lock = threading.RLock()

    def write(self, text: str, /) -> int:
        """A line is written when it ends, because a secret may come in pieces."""
        with self._lock:
            self._held += text
            self._release(max(self._held.rfind("\n"), self._held.rfind("\r")) + 1)
        return len(text)

    def flush(self) -> None:
        """Half a line, too."""
        with self._lock:
            self._release(len(self._held))
            super().flush()

    def _release(self, end: int) -> None:
        if end:
            ready, self._held = self._held[:end], self._held[end:]
            super().write(self._redact(ready))


def copy_slice(fileno: int, start: int, end: int, path: Path, redact: Redact) -> None:
    """Append the bytes [start, end) of an open file to another, made with its folders when they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as copy:
        while start < end and (data := os.pread(fileno, min(_CHUNK_BYTES, end - start), start)):
            whole_lines = data.rfind(b"\n") + 1 if start + len(data) < end else 0
            data = data[: whole_lines or len(data)]
            copy.write(redact(data.decode(errors="surrogateescape")).encode(errors="surrogateescape"))
            start += len(data)


def rescue(worker_log: Path, start: int, log: str | None, redact: Redact, tail_bytes: int = 2000) -> str:
    """Copy what a dead worker wrote from `start` on to its task's log; returns the end of it as text."""
    with contextlib.suppress(OSError), worker_log.open("rb") as source:
        end = os.fstat(source.fileno()).st_size
        if log is not None and end > start:
            copy_slice(source.fileno(), start, end, Path(log), redact)
        tail = os.pread(source.fileno(), tail_bytes, max(start, end - tail_bytes))
        return redact(tail.decode("utf-8", "replace")).strip()
    return ""
