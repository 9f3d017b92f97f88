"""What attempts print that share a process: each to a log of its own, by the context in which it runs.

A context goes along to tasks of an event loop and to `asyncio.to_thread`. What prints without one, such as a thread
that a step started by itself or a child process, prints where the process does.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO, cast

from recoup.model.redact import Redact


class AttemptLog:
    """A file that is opened for each line: a thousand attempts must not hold a thousand files.

    Without a path it swallows what is written. A line is written when it ends, because a secret may come in pieces.
    """

    def __init__(self, path: str | None, redact: Redact) -> None:
        self._path = path
        self._redact = redact
        self._held = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Whole lines go to the file at once: they are there if the process is killed."""
        with self._lock:
            self._held += text
            self._release(self._held.rfind("\n") + 1)

    def close(self) -> None:
        """Write the line that did not end, too."""
        with self._lock:
            self._release(len(self._held))

    def _release(self, end: int) -> None:
        ready, self._held = self._held[:end], self._held[end:]
        if not ready or self._path is None:
            return
        data = self._redact(ready).encode("utf-8", "backslashreplace")
        with suppress(OSError):  # a step does not fail because its log has no room
            try:
                _append(self._path, data)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)  # noqa: PTH103, PTH120 - for each line: a Path costs more
                _append(self._path, data)


def _append(path: str, data: bytes) -> None:
    fileno = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(fileno, data)
    finally:
        os.close(fileno)


_log: Final = contextvars.ContextVar[AttemptLog | None]("recoup attempt log", default=None)


@contextmanager
def kept(path: str | None, redact: Redact) -> Iterator[None]:
    """What is printed within, and in what it starts with its context, goes to this file."""
    log = AttemptLog(path, redact)
    before = _log.set(log)
    try:
        yield
    finally:
        _log.reset(before)
        log.close()


class Told:
    """Stands in for `sys.stdout` or `sys.stderr`: asks at each write whose it is."""

    def __init__(self, usual: TextIO) -> None:
        self.usual = usual

    def write(self, text: str) -> int:
        """To the attempt's log, or where the process prints."""
        log = _log.get()
        if log is None:
            return self.usual.write(text)
        log.write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """One after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing of a log waits but a line that has not ended."""
        if _log.get() is None:
            self.usual.flush()

    def isatty(self) -> bool:
        """A log is no terminal."""
        return _log.get() is None and self.usual.isatty()

    @property
    def buffer(self) -> Any:  # noqa: ANN401 - whatever the stream has
        """For those who print bytes."""
        log = _log.get()
        return self.usual.buffer if log is None else _Bytes(log)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.usual, name)


class _Bytes:
    def __init__(self, log: AttemptLog) -> None:
        self._log = log

    def write(self, data: bytes) -> int:
        self._log.write(bytes(data).decode("utf-8", "backslashreplace"))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""


def listen() -> None:
    """From now on ask at each write whose it is."""
    if not isinstance(sys.stdout, Told):
        sys.stdout = cast("TextIO", Told(sys.stdout))
    if not isinstance(sys.stderr, Told):
        sys.stderr = cast("TextIO", Told(sys.stderr))


def rest() -> None:
    """The process's own streams again, unless somebody has put others there since."""
    if isinstance(sys.stdout, Told):
        sys.stdout = sys.stdout.usual
    if isinstance(sys.stderr, Told):
        sys.stderr = sys.stderr.usual
