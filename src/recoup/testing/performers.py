"""A tiny performer for the executors' tests: it does what a task's body says."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from recoup.model import errors
from recoup.ports import Performer

Body = Mapping[str, Any]
_LEFT: list[bytearray] = []


def make(setup: Body) -> Performer:
    """Honours `sleep_seconds`, `mark` (a file), `exit` and `error` (a name from `model.errors`) at start-up."""
    if "mark" in setup:
        with Path(setup["mark"]).open("a", encoding="utf-8") as marks:
            marks.write(f"{os.getpid()}\n")
    time.sleep(setup.get("sleep_seconds", 0.0))
    if "exit" in setup:
        print("no good", file=sys.stderr, flush=True)
        os._exit(setup["exit"])
    if "error" in setup:
        raise getattr(errors, setup["error"])("no such step: raw_flights", "look at the pipeline")
    return Deeds()


class Deeds:
    """Performs what a body asks for."""

    def __call__(self, body: Body) -> Body:
        """Do `body["do"]`."""
        return perform(body)

    def coroutine(self, body: Body) -> Coroutine[Any, Any, Body] | None:
        """For the deeds that are awaited."""
        return _awaited(body) if body["do"] in _AWAITED else None

    def idle(self) -> None:
        """It holds nothing."""


def perform(body: Body) -> Body:
    """Do `body["do"]`; the result holds the worker's pid and, for most, what the body had as `value`."""
    result = _DEEDS[body["do"]](body)
    unfit = {"unfit": body["unfit"]} if "unfit" in body else {}
    return {"pid": os.getpid(), "value": body.get("value") if result is None else result, **unfit}


def _echo(_body: Body) -> None:
    pass


def _sleep(body: Body) -> None:
    time.sleep(body["seconds"])


def _raise(_body: Body) -> None:
    message = "boom"
    raise ValueError(message)


def _exit(body: Body) -> None:
    sys.exit(body["code"])


def _kill_self(body: Body) -> None:
    if "print" in body:
        print(body["print"])
    os.kill(os.getpid(), signal.SIGKILL)


def _print(body: Body) -> None:
    print(body["print"])
    print(body["print"], file=sys.stderr)
    os.write(1, b"raw\n")


def _allocate(body: Body) -> int:
    return len(bytearray(b"x" * body["bytes"]))


def _hoard(body: Body) -> int:
    held = bytearray()
    while len(held) < body["bytes"]:
        held += b"x" * 10_000_000
        time.sleep(body["pause_seconds"])
    return len(held)


def _leave_memory(body: Body) -> None:
    _LEFT.append(bytearray(b"x" * body["bytes"]))


def _burn(body: Body) -> None:
    until = time.process_time() + body["cpu_seconds"]
    while time.process_time() < until:
        pass


def _append(body: Body) -> None:
    with Path(body["path"]).open("a", encoding="utf-8") as lines:
        lines.write(f"{body['value']}\n")
    time.sleep(body.get("seconds", 0.0))


def _blow_up(body: Body) -> str:
    return "x" * int(body["bytes"])


def _leave_child(_body: Body) -> int:
    child = os.fork()
    if not child:
        time.sleep(60.0)
        os._exit(0)
    return child


def _environment(_body: Body) -> dict[str, Any]:
    return {
        "threads": os.environ.get("POLARS_MAX_THREADS"),
        "pythonpath": os.environ.get("PYTHONPATH"),
        "path": sys.path,
    }


async def _awaited(body: Body) -> Body:
    result = await _AWAITED[body["do"]](body)
    return {"pid": os.getpid(), "thread": threading.get_ident(), "value": result}


async def _await_sleep(body: Body) -> object:
    import asyncio

    try:
        await asyncio.sleep(body["seconds"])
    except asyncio.CancelledError:
        _mark(body)
        if body.get("stubborn"):
            await asyncio.sleep(body["seconds"])
        raise
    return body.get("value")


def _mark(body: Body) -> None:
    if "mark" in body:
        Path(body["mark"]).write_text("cancelled", encoding="utf-8")


async def _await_raise(body: Body) -> None:
    import asyncio

    raise {"exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "cancel": asyncio.CancelledError()}[body["what"]]


async def _await_block(body: Body) -> None:
    time.sleep(body["seconds"])  # noqa: ASYNC251 - the mistake that this is about


async def _await_print(body: Body) -> None:
    import asyncio

    for _ in range(body["times"]):
        print(body["print"])
        await asyncio.sleep(0)


_AWAITED: dict[str, Callable[[Body], Coroutine[Any, Any, Any]]] = {
    "await-sleep": _await_sleep,
    "await-raise": _await_raise,
    "await-block": _await_block,
    "await-print": _await_print,
}
_DEEDS: dict[str, Callable[[Body], Any]] = {
    "echo": _echo,
    "sleep": _sleep,
    "raise": _raise,
    "exit": _exit,
    "kill-self": _kill_self,
    "print": _print,
    "allocate": _allocate,
    "hoard": _hoard,
    "burn": _burn,
    "leave-memory": _leave_memory,
    "append": _append,
    "blow-up": _blow_up,
    "leave-child": _leave_child,
    "environment": _environment,
}
