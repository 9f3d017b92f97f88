"""Threads that never keep a process from ending: a step that hangs in one is left behind, and dies with the process.

Their names begin with `recoup-`: by that the command line knows that it leaves some behind.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
IDLE_SECONDS: Final = 0.05
"""So long nothing must have come before a thread counts as idle: longer than a controller takes for one commit."""


class DaemonThreads(ThreadPoolExecutor):
    """At most `limit` threads, started when they are needed; `on_idle` is called in one that has nothing to do.

    A `ThreadPoolExecutor` by name alone, because an event loop takes no other; the interpreter would wait for the
    threads of a real one for ever.
    """

    def __init__(self, limit: int, name: str, on_idle: Callable[[], None]) -> None:
        super().__init__(1)  # never started: `submit` does not reach it
        self.limit = limit
        self._name = name
        self._on_idle = on_idle
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._spare = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started: list[threading.Thread] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it in a thread that has nothing to do, or in a new one; else as soon as there is one."""
        future: Future[T] = Future()
        self._calls.put(lambda: _carry_out(future, lambda: fn(*args, **kwargs)))
        with self._lock:
            if not self._spare.acquire(blocking=False) and len(self._started) < self.limit:
                self._started.append(threading.Thread(target=self._work, name=self._name, daemon=True))
                self._started[-1].start()
        return future

    def end(self, until: float) -> None:
        """Let each thread end once it has nothing to do, and wait for that until a moment of the monotonic clock.

        A daemon thread that is in the middle of native code when the interpreter ends may abort the process.
        """
        with self._lock:
            for _ in self._started:
                self._calls.put(None)
        for thread in self._started:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call()
            del call  # what it holds must not live until the next one comes
            self._spare.release()

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._calls.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            self._on_idle()
            return self._calls.get()


def _carry_out(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - whoever waits for it decides
        future.set_exception(error)
    else:
        future.set_result(result)
