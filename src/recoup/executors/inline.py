"""Tasks in the controller's own process, one at a time: nothing to start, easy to debug, no protection."""

from __future__ import annotations

import contextlib
import selectors
import sys
import time
from collections import deque
from collections.abc import Sequence

from recoup.executors.awaiting import Awaiting
from recoup.executors.pace import AHEAD_SECONDS, Pace
from recoup.executors.resources import Meter
from recoup.model.errors import UnreachableError
from recoup.ports import Finished, Lost, Performer, Task, TaskEvent


class Inline:
    """Carries tasks out inside `wait`, so that `submit` never blocks (see `ports.Executor`).

    It cannot kill: a step that crashes takes the controller along, and one that ran over its limit is reported as timed
    out once it has ended. What a task prints goes to the controller's stderr, not to a log of its own. When a task
    finds the process unfit, nothing more begins, and the `wait` after the one that tells it raises why.
    """

    def __init__(self, performer: Performer) -> None:
        self._performer = performer
        self._waiting: deque[Task] = deque()
        self._events: list[TaskEvent] = []
        self._selector = selectors.DefaultSelector()
        self._pace = Pace()
        self._meter = Meter()
        self._awaiting = Awaiting(performer)
        self._on = True
        self._unfit: UnreachableError | None = None

    def open(self) -> None:
        """Nothing to start."""

    def room(self) -> int:
        """How many more tasks it takes now: what one `wait` carries out."""
        return max(0, self._pace.depth(0.0, len(self._waiting))) if self._on and not self._unfit else 0

    def idle(self) -> int:
        """One task may begin with the next `wait`."""
        return 1 if self._on and not self._waiting else 0

    def busy(self) -> int:
        """One while something waits for the next `wait`."""
        return 1 if self._waiting else 0

    def resize(self, workers: int) -> None:
        """One task at a time, or none."""
        self._on = workers > 0

    def submit(self, tasks: Sequence[Task]) -> None:
        """Queue tasks for the next `wait`."""
        self._waiting.extend(tasks)

    def take_back(self) -> list[int]:
        """Tokens of all tasks that wait."""
        tokens = [task.token for task in self._waiting]
        self._waiting.clear()
        return tokens

    def kill(self, token: int) -> None:
        """Lose a task that waits; one that runs cannot be killed, nor can anybody call this meanwhile."""
        for task in [task for task in self._waiting if task.token == token]:
            self._waiting.remove(task)
            self._events.append(Lost(token, {"killed": True, "begun": False}))

    def watch(self, fileno: int) -> None:
        """Let `wait` return early when this descriptor becomes readable; not while a task runs."""
        self._selector.register(fileno, selectors.EVENT_READ)

    def wait(self, timeout_seconds: float | None) -> list[TaskEvent]:
        """Carry out what waits, one task and then more for about 20 ms; without any, wait for a watched descriptor."""
        events, self._events = self._events, []
        if self._unfit:
            raise self._unfit
        if not self._waiting and not events:
            self._performer.idle()
            self._pause(timeout_seconds)
        until = time.monotonic() + AHEAD_SECONDS
        while self._waiting and not self._unfit and (not events or time.monotonic() < until):
            events.append(self._carry_out(self._waiting.popleft()))
        return events

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._performer.idle()
        self._selector.close()
        self._meter.close()
        self._awaiting.close()

    def _carry_out(self, task: Task) -> TaskEvent:
        self._meter.start()
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for data
                result = self._awaiting.perform(task.body)
        except BaseException as error:  # noqa: BLE001 - a performer never raises; a worker would be gone now
            return Lost(task.token, {"error": f"{type(error).__name__}: {error}"})
        used = self._meter.stop()
        if "unfit" in result:
            self._unfit = UnreachableError(*result["unfit"])
        self._pace.note(task.expected_seconds, used["seconds"])
        limit = task.timeout_seconds
        if limit is not None and used["seconds"] > limit:
            return Lost(task.token, {"limit_seconds": limit, "seconds": used["seconds"]}, timed_out=True)
        return Finished(task.token, {**result, "resources": used})

    def _pause(self, timeout_seconds: float | None) -> None:
        if timeout_seconds is not None and not self._selector.get_map():
            time.sleep(timeout_seconds)
        else:
            self._selector.select(timeout_seconds)
