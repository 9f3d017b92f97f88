"""Start a worker process: spawned afresh, never forked, so that no lock or thread of the controller comes along."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from recoup.executors.channel import SETUP, encode, pair, spill_path
from recoup.model import errors


class Started(NamedTuple):
    """A process that is on its way up, and the controller's ends of its sockets."""

    process: subprocess.Popen[bytes]
    outbox: socket.socket  # tasks go in here
    inbox: socket.socket  # the very end that the worker receives tasks from, kept to take them back
    results: socket.socket
    log: Path
    setup_file: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """How each worker of an executor is started."""

    performer: str
    setup: Mapping[str, Any]
    log_dir: Path
    workers: int

    def start(self, serial: int) -> Started:
        """Spawn one; it dies with the thread that calls this."""
        with contextlib.ExitStack() as ends:
            outbox, inbox = map(ends.enter_context, pair())
            results, theirs = map(ends.enter_context, pair())
            outbox.setblocking(False)
            results.setblocking(False)
            results.send(encode(SETUP, serial, self._first_message(), self.log_dir))
            process, log = self._spawn(serial, (inbox.fileno(), theirs.fileno()))
            theirs.close()  # only the worker holds this end: when it dies, the controller reads the end of the stream
            ends.pop_all()
        return Started(process, outbox, inbox, results, log, spill_path(self.log_dir, SETUP, serial))

    def _first_message(self) -> dict[str, Any]:
        return {
            "performer": self.performer,
            "setup": self.setup,
            "spill": str(self.log_dir),
            "path": _search_path(),
            "pythonpath": os.environ.get("PYTHONPATH"),
        }

    def _spawn(self, serial: int, filenos: tuple[int, int]) -> tuple[subprocess.Popen[bytes], Path]:
        starting = self.log_dir / f"worker-starting-{os.getpid()}-{serial}.log"
        with starting.open("a+b") as log:
            os.fchmod(log.fileno(), 0o600)  # what C code and children print comes here as it is
            process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-X", "faulthandler", "-m", "recoup.executors.worker"),
                    *map(str, (os.getpid(), *filenos)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=filenos,
                process_group=0,  # a terminal's Ctrl-C is for the controller alone
                env=self._environment(),
            )
        return process, starting.rename(self.log_dir / f"worker-{process.pid}.log")

    def _environment(self) -> dict[str, str]:
        """The controller's own; the worker sets PYTHONPATH back once it has found its way here."""
        threads = max(1, _cores() // self.workers)
        return {
            "POLARS_MAX_THREADS": str(threads),
            **os.environ,
            "PYTHONPATH": os.pathsep.join(_search_path()),
        }


def startup_error(body: Mapping[str, Any]) -> errors.RecoupError:
    """The error that a worker could not start with, as it was raised there."""
    kind = getattr(errors, body["error"], None)
    if not (isinstance(kind, type) and issubclass(kind, errors.RecoupError)):
        kind = errors.RecoupError
    return kind(body["message"], body["remedy"])


def _search_path() -> list[str]:
    return [entry or str(Path.cwd()) for entry in sys.path]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
