"""An event loop on a thread of its own, kept from task to task: a session that a step keeps there stays usable."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from recoup.executors.daemons import DaemonThreads

T = TypeVar("T")
BLOCKING_THREADS: Final = min(32, (os.cpu_count() or 1) + 4)
"""As asyncio has it: for what blocks within tasks, such as staging."""


class LoopThread:
    """Runs coroutines side by side on one daemon thread, which the first of them starts.

    `on_idle` is called in the threads that do what blocks, when they have nothing to do.
    """

    def __init__(self, on_idle: Callable[[], None]) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="recoup-loop", daemon=True)
        self._blocking = DaemonThreads(BLOCKING_THREADS, "recoup-blocking", on_idle)
        self._over = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """To its end, while the calling thread waits."""
        ended: Future[T] = Future()
        self.spawn(coroutine, lambda task: _tell(task, ended))
        return ended.result()

    def spawn(self, coroutine: Coroutine[Any, Any, T], on_end: Callable[[asyncio.Task[T]], None]) -> Spawned:
        """Begin it; `on_end` gets its task, on the loop's thread."""
        loop = self._running()
        spawned = Spawned(loop)

        def begin() -> None:
            spawned.task = loop.create_task(coroutine)
            spawned.task.add_done_callback(on_end)

        loop.call_soon_threadsafe(begin)
        return spawned

    def stuck_at(self) -> str:
        """The line on which its thread stands now: who blocks the loop."""
        frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001 - the only way to ask
        stack = traceback.extract_stack(frame) if frame else []
        return f"{stack[-1].filename}:{stack[-1].lineno}" if stack else ""

    def close(self, until: float) -> None:
        """Cancel what is left and end, by this moment of the monotonic clock; who blocks the loop is left behind."""
        self._over = True
        if self._loop is None:
            return
        with suppress(RuntimeError):  # it is closed already
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._blocking.end(until)
        self._thread.join(max(0.0, until - time.monotonic()))

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._loop.set_default_executor(self._blocking)
            self._thread.start()
        return self._loop

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        while not self._over:
            # A task of a step's own that raises SystemExit or KeyboardInterrupt would end the loop, and all others.
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                traceback.print_exc()
        self._end(self._loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Spawned:
    """A coroutine that was handed to a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.heard = False
        """Whether the loop has come to a cancellation; one that is blocked has not."""
        self._loop = loop

    def cancel(self) -> None:
        """Ask it to end: CancelledError is raised where it waits."""
        with suppress(RuntimeError):  # its loop is closed, and so it has ended
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self.heard = True
        if self.task is not None:
            self.task.cancel()


def _tell(task: asyncio.Task[T], ended: Future[T]) -> None:
    if task.cancelled():
        ended.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        ended.set_exception(error)
    else:
        ended.set_result(task.result())
