"""A worker process, `python -m recoup.executors.worker`: receives a task, performs it, sends the result.

Started by `launch`, never by hand. It holds nothing between two tasks, ends when its controller does, and lets a
controller kill it at any moment. A task's body may name `log`, the file that gets what the task prints; everything else
in it is between the engine and the performer.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from recoup.executors.awaiting import Awaiting
from recoup.executors.channel import FAILED, READY, RESULT, Message, Receiver, encode
from recoup.executors.output import Output
from recoup.executors.resources import Meter
from recoup.model.errors import ExitCode, RecoupError
from recoup.model.redact import redactor
from recoup.ports import Performer

IDLE_SECONDS: Final = 0.05
"""So long nothing must have come before a worker counts as idle: longer than a controller takes for one commit."""

_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> None:
    """Work until the controller closes its end or is gone."""
    parent, *filenos = map(int, arguments)
    tasks, results = (_adopt(fileno) for fileno in filenos)
    die_with(parent, tasks)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setup = Receiver(results).receive()
    if setup is None:
        return
    output = Output(redactor(os.environ))
    spill = Path(setup.body["spill"])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the controller has gone in the meantime
        performer = _prepare(setup.body, results, spill)
        loading = {"cpu_seconds": round(time.process_time(), 6)}
        results.send(encode(READY, 0, loading, spill, log_end=output.keep(None)))
        try:
            serve(performer, tasks, results, output, spill)
        except ConnectionError:
            raise
        except BaseException as error:  # noqa: BLE001 - a performer never raises; if one does, the attempt is lost
            _end(error)


def serve(performer: Performer, tasks: socket.socket, results: socket.socket, output: Output, spill: Path) -> None:
    """Carry tasks out, one after the other, until the controller closes its end, or this process is unfit."""
    inbox, meter, awaiting = Receiver(tasks), Meter(), Awaiting(performer)
    while (message := _next(inbox, tasks, performer)) is not None:
        meter.start()
        result = awaiting.perform(message.body)
        used = meter.stop()
        log_end = output.keep(message.body.get("log"))
        body = {**result, "resources": used}
        results.send(encode(RESULT, message.token, body, spill, log_end=log_end, seconds=used["seconds"]))
        if "unfit" in result:
            return


def _next(inbox: Receiver, tasks: socket.socket, performer: Performer) -> Message | None:
    """The next task; when none has come for a moment, and at the end, the performer may let go of what it holds."""
    if not select.select([tasks], [], [], IDLE_SECONDS)[0]:
        performer.idle()
    message = inbox.receive()
    if message is None:
        performer.idle()
    return message


def die_with(parent: int, tasks: socket.socket) -> None:
    """Never outlive the controller, whatever ends it."""
    if sys.platform == "linux":
        # Follows the thread that spawned us; a parent that died before this call is caught by the check below.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=watch, args=(tasks.fileno(),), daemon=True).start()
    if os.getppid() != parent:
        os._exit(ExitCode.TERMINATED)


def watch(fileno: int) -> None:
    """End this process when the other end of a socket is closed."""
    poll = select.poll()
    poll.register(fileno, 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
        pass
    os._exit(ExitCode.TERMINATED)


def _adopt(fileno: int) -> socket.socket:
    os.set_inheritable(fileno, False)  # a step's own children must not keep it open
    return socket.socket(fileno=fileno)


def _prepare(first: Mapping[str, Any], results: socket.socket, spill: Path) -> Performer:
    """Make the performer; what goes wrong reaches the controller as one sentence."""
    sys.path[:] = first["path"]
    os.environ.pop("PYTHONPATH", None)
    if first["pythonpath"] is not None:
        os.environ["PYTHONPATH"] = first["pythonpath"]
    try:
        module, _, function = first["performer"].partition(":")
        performer: Performer = getattr(importlib.import_module(module), function)(first["setup"])
    except Exception as error:  # noqa: BLE001 - user code is imported here, and may raise anything
        results.send(encode(FAILED, 0, _sentence(error), spill))
        _end(error)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no collection needs to look at it again
    return performer


def _sentence(error: Exception) -> dict[str, str]:
    if isinstance(error, RecoupError):
        return {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    message = redactor(os.environ)(f"a worker could not start: {type(error).__name__}: {error}")
    return {"error": "RecoupError", "message": message, "remedy": "put that right; its log holds the traceback"}


def _end(error: BaseException) -> NoReturn:
    """Leave at once: threads that a step left behind must not keep this process."""
    code = ExitCode.BUG.value
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        code = error.code or 0
    else:
        traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
