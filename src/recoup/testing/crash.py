"""Runs a Python program and kills it at the n-th of its write points, as `kill -9` does.

    python -m recoup.testing.crash --at 17 -m recoup run flights

A write point is the moment before something changes that outlives the process: a file made, written, synced, renamed,
linked or removed, a folder made or removed, a database's transaction begun or committed, the database closed, a message
sent, a process started. Behind a commit lies one more. Who dies at a write has done half of it: the file is torn. What
was written before stays, synced or not: this is the death of a process, not of its machine.

The program has no hooks: what it calls is replaced in its process (`os`, `sqlite3`, `duckdb`, `psycopg`, `socket`), and
in its workers with `--worker-at`. Python's own `open` is left alone, so what a step writes with it is not counted.
"""

# ruff: noqa: PTH109, PTH115 - it stands below pathlib

from __future__ import annotations

import argparse
import errno
import functools
import importlib
import os
import runpy
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

WORKER: Final = "recoup.executors.worker"
READS: Final = frozenset({"SELECT", "PRAGMA", "EXPLAIN", "SET", "DESCRIBE", "VALUES", "WITH", "ROLLBACK"})
"""First words of statements that leave nothing behind, but for a PRAGMA that sets something."""
_RACERS: Final = (tempfile.__name__, "shutil")  # loaded before `os` changes: shutil looks at its functions once
_open, _write, _getpid = os.open, os.write, os.getpid


@dataclass
class Injector:
    """Counts write points, and does what was asked for at the n-th; all threads of a process share one.

    What is counted is limited by `kinds`, and by `where`, a part of what a point is about. Instead of dying, `error`
    fails that one call with an errno, and `stop` lets the process sleep (SIGSTOP) until somebody wakes it. `trace` gets
    a line for each point; `once` names a file that the first process to die makes, so that nobody dies after it.
    """

    at: int | None = None
    kinds: frozenset[str] = frozenset()
    where: str = ""
    error: int | None = None
    stop: bool = False
    trace: str | None = None
    once: str | None = None
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _trace: int = -1

    def __post_init__(self) -> None:
        if self.trace is not None:
            self._trace = _open(self.trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def reach(self, kind: str, what: object, torn: Callable[[], object] | None = None) -> None:
        """A write point; `torn` does half of it, for those who die here."""
        if (self.kinds and kind not in self.kinds) or self.where not in str(what):
            return
        with self._lock:
            self.count += 1
            if self._trace >= 0:
                _write(self._trace, f"{self.count} {kind} {what}\n".encode())
            if self.count != self.at or not self._first():
                return
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error), str(what))
        if self.stop:
            os.kill(_getpid(), signal.SIGSTOP)
            return
        if torn is not None:
            torn()
        die()

    def _first(self) -> bool:
        if self.once is None:
            return True
        with suppress(FileExistsError):
            os.close(_open(self.once, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            return True
        return False


@dataclass(frozen=True)
class Workers:
    """The injector that each worker gets which a process starts; see `Injector`."""

    at: int | None = None
    trace: str | None = None
    once: str | None = None

    def options(self) -> list[str]:
        """The same as words of a command."""
        named = {"--at": self.at, "--trace": self.trace, "--once": self.once}
        return [word for name, value in named.items() if value is not None for word in (name, str(value))]


def die() -> None:
    """What `kill -9` does, from inside; no line after it is carried out."""
    os.kill(_getpid(), signal.SIGKILL)
    while True:
        time.sleep(1.0)


def install(injector: Injector, workers: Workers | None = None) -> None:
    """Put an injector between this process and whatever it writes, for good; `workers` is for those it starts."""
    for module in _RACERS:
        importlib.import_module(module)
    _watch_files(injector)
    _watch_sockets(injector)
    _watch_sqlite(injector)
    with suppress(ModuleNotFoundError):
        _watch_duckdb(injector, importlib.import_module("duckdb"))
    with suppress(ModuleNotFoundError):
        _watch_psycopg(injector, importlib.import_module("psycopg"))
    _watch_processes(injector, workers)


# --- what is watched


def _watch_files(injector: Injector) -> None:
    def watch(name: str, kind: str, what: Callable[..., object]) -> None:
        real = getattr(os, name)

        @functools.wraps(real)
        def watched(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the call takes and gives
            injector.reach(kind, what(*args))
            return real(*args, **options)

        setattr(os, name, watched)

    for name in ("fsync", "fdatasync", "ftruncate"):
        watch(name, "sync" if "sync" in name else "truncate", lambda fd, *_: _path_of(fd))
    for name in ("rename", "replace", "link"):
        watch(name, "rename" if name != "link" else name, lambda _source, target, *_: _short(target))
    for name in ("unlink", "remove", "rmdir", "truncate"):
        watch(name, "unlink" if name == "remove" else name, lambda path, *_: _short(path))
    _watch_mkdir(injector)
    _watch_open(injector)
    _watch_write(injector)


def _watch_mkdir(injector: Injector) -> None:
    real = os.mkdir

    @functools.wraps(real)
    def watched(path: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as `os.mkdir`
        if not _is_there(path):
            injector.reach("mkdir", _short(path))
        real(path, *args, **options)

    os.mkdir = watched


def _watch_open(injector: Injector) -> None:
    real = os.open

    @functools.wraps(real)
    def watched(path: Any, flags: int, *args: Any, **options: Any) -> int:  # noqa: ANN401 - as `os.open`
        if flags & os.O_TRUNC or (flags & os.O_CREAT and not _is_there(path)):
            injector.reach("create", _short(path))
        return real(path, flags, *args, **options)

    os.open = watched


def _watch_write(injector: Injector) -> None:
    real = os.write

    @functools.wraps(real)
    def watched(fd: int, data: Any) -> int:  # noqa: ANN401 - as `os.write`
        half = memoryview(data)[: len(data) // 2]
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        injector.reach("write" if is_file else "send", _path_of(fd), (lambda: real(fd, half)) if is_file else None)
        return real(fd, data)

    os.write = watched


def _watch_sockets(injector: Injector) -> None:
    for name in ("send", "sendall", "sendmsg"):
        real = getattr(socket.socket, name)

        def watched(self: socket.socket, *args: Any, real: Any = real) -> Any:  # noqa: ANN401 - as the real one
            injector.reach("send", f"{self.fileno()}")
            return real(self, *args)

        setattr(socket.socket, name, watched)


class _Sqlite(sqlite3.Connection):
    """Reaches a point before each transaction, commit and close, and behind each commit."""

    injector: ClassVar[Injector]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as SQLite's own
        word = _first_word(sql)
        if not _changes(sql) or (self.in_transaction and word != "COMMIT"):
            return super().execute(sql, parameters)
        self.injector.reach(word.lower(), "ledger")
        done = super().execute(sql, parameters)
        if not self.in_transaction:
            self.injector.reach("after", word.lower())
        return done

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:  # noqa: ANN401 - as SQLite's own
        if self.in_transaction:
            return super().executemany(sql, parameters)
        cursor = self.cursor()
        for row in parameters:  # each is a transaction of its own
            cursor = self.execute(sql, row)
        return cursor

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        statement, cursor = "", self.cursor()
        for part in sql_script.split(";")[:-1]:
            statement += f"{part};"
            if sqlite3.complete_statement(statement):
                cursor, statement = self.execute(statement), ""
        return cursor

    def close(self) -> None:
        self.injector.reach("close", "ledger")
        super().close()


def _watch_sqlite(injector: Injector) -> None:
    watched = type("Watched", (_Sqlite,), {"injector": injector})
    sqlite3.connect = functools.partial(sqlite3.connect, factory=watched)  # type: ignore[assignment] # on purpose


def _watch_duckdb(injector: Injector, duckdb: Any) -> None:  # noqa: ANN401 - a module
    class Connection:
        """DuckDB's own cannot be subclassed."""

        def __init__(self, real: Any) -> None:  # noqa: ANN401 - duckdb ships its types with the package, which may be absent
            self._real = real

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it has
            return getattr(self._real, name)

        def execute(self, query: str, *parameters: Any) -> Any:  # noqa: ANN401 - as the real one
            if _changes(query):
                injector.reach("duckdb", _first_word(query).lower())
            return self._real.execute(query, *parameters)

        def begin(self) -> None:
            injector.reach("duckdb", "begin")
            self._real.begin()

        def commit(self) -> None:
            injector.reach("duckdb", "commit")
            self._real.commit()
            injector.reach("after", "duckdb commit")

        def close(self) -> None:
            injector.reach("duckdb", "close")
            self._real.close()

    real = duckdb.connect
    duckdb.connect = lambda *args, **options: Connection(real(*args, **options))


def _watch_psycopg(injector: Injector, psycopg: Any) -> None:  # noqa: ANN401 - a module that may be absent
    execute, copy = psycopg.Connection.execute, psycopg.Cursor.copy

    @functools.wraps(execute)
    def executed(self: Any, query: Any, *more: Any, **options: Any) -> Any:  # noqa: ANN401 - as the real one
        word = _first_word(query if isinstance(query, str) else query.as_string(self))
        if word not in READS:
            injector.reach("psycopg", word.lower())
        answer = execute(self, query, *more, **options)
        if word == "COMMIT":
            injector.reach("after", "psycopg commit")
        return answer

    @functools.wraps(copy)
    def copied(self: Any, *words: Any, **options: Any) -> Any:  # noqa: ANN401 - as the real one
        injector.reach("psycopg", "copy")
        return copy(self, *words, **options)

    psycopg.Connection.execute, psycopg.Cursor.copy = executed, copied


def _watch_processes(injector: Injector, workers: Workers | None) -> None:
    real = subprocess.Popen.__init__

    def watched(self: Any, args: Any, *more: Any, **options: Any) -> None:  # noqa: ANN401 - as the real one
        injector.reach("spawn", "")
        if workers is not None and WORKER in args:
            at = args.index(WORKER)
            args = [*args[:at], __spec__.name, *workers.options(), "-m", *args[at:]]
        real(self, args, *more, **options)

    subprocess.Popen.__init__ = watched  # type: ignore[method-assign] # on purpose


def _changes(sql: str) -> bool:
    return _first_word(sql) not in READS or ("=" in sql and _first_word(sql) == "PRAGMA" and "journal_mode" in sql)


def _first_word(sql: str) -> str:
    lines = [line for line in sql.split("\n") if line.strip() and not line.lstrip().startswith("--")]
    return lines[0].split(None, 1)[0].upper().rstrip(";") if lines else "SELECT"


def _is_there(path: Any) -> bool:  # noqa: ANN401 - as `os.open` takes it
    with suppress(OSError):
        os.lstat(path)
        return True
    return False


def _path_of(fd: int) -> str:
    with suppress(OSError):
        return _short(os.readlink(f"/proc/self/fd/{fd}"))
    return f"descriptor {fd}"


def _short(path: Any) -> str:  # noqa: ANN401 - as `os.open` takes it
    text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
    return text.removeprefix(f"{os.getcwd()}/")


# --- the program


def main(words: Sequence[str] | None = None) -> None:
    """Run a module or a script under an injector; when it lives, its write points are told on stderr."""
    what = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m recoup.testing.crash", description=what)
    parser.add_argument("--at", type=int, metavar="N", help="die at the n-th write point")
    parser.add_argument("--kinds", default="", metavar="KIND,…", help="count only these, e.g. sync,rename,commit")
    parser.add_argument("--where", default="", metavar="TEXT", help="count only those about it, e.g. current.json")
    parser.add_argument("--error", metavar="ERRNO", help="fail that write, e.g. with ENOSPC or EIO, instead of dying")
    parser.add_argument("--stop", action="store_true", help="sleep there (SIGSTOP) until SIGCONT, instead of dying")
    parser.add_argument("--trace", metavar="FILE", help="append a line for each write point")
    parser.add_argument("--once", metavar="FILE", help="only the first process to get there dies; it makes this file")
    parser.add_argument("--worker-at", type=int, metavar="N", help="let each worker die at its own n-th write point")
    parser.add_argument("--worker-trace", metavar="FILE", help="like --trace, for the workers")
    rest = argparse.REMAINDER
    parser.add_argument("-m", dest="module", nargs=rest, metavar="MODULE", help="run a module, with its arguments")
    parser.add_argument("script", nargs=rest, metavar="SCRIPT", help="run a script, with its arguments")
    given = parser.parse_args(words)
    program = given.module or given.script
    if not program:
        parser.error("nothing to run: name a script, or a module with -m")
    kinds = frozenset(filter(None, given.kinds.split(",")))
    error = getattr(errno, given.error) if given.error else None
    once = None if given.worker_at else given.once
    injector = Injector(given.at, kinds, given.where, error, given.stop, given.trace, once)
    workers = Workers(given.worker_at, given.worker_trace, given.once)
    install(injector, workers if workers.at or workers.trace else None)
    sys.argv = program
    try:
        if given.module:
            runpy.run_module(program[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program[0], run_name="__main__")
    finally:
        print(f"{injector.count} write points", file=sys.stderr)


if __name__ == "__main__":
    main()
