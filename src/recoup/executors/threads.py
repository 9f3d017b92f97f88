"""Threads and one event loop in the controller's process, for steps that wait: a thousand cost next to nothing.

A step that is an `async def` waits on the loop, all of them on one thread; any other has a thread of its own. What
runs too long is cancelled on the loop, really; a thread cannot be ended, only given up: its answer no longer counts.
"""

from __future__ import annotations

import math
import os
import queue
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from recoup.executors import prints
from recoup.executors.daemons import DaemonThreads
from recoup.executors.loop import LoopThread, Spawned
from recoup.executors.pace import Pace
from recoup.model.errors import RecoupError, UnreachableError
from recoup.model.redact import redactor
from recoup.ports import Finished, Lost, Performer, Task, TaskEvent

if TYPE_CHECKING:
    import asyncio

CLOSE_SECONDS: Final = 1.0
CANCEL_SECONDS: Final = 2.0
"""A coroutine that was cancelled has so long to tidy up."""
LEFT_LIMIT: Final = 1000
"""More threads than this that were given up and still hang are no way to go on."""
_AHEAD: Final = 64

Work = Coroutine[Any, Any, Mapping[str, Any]]


@dataclass(eq=False, slots=True)
class _Attempt:
    """A task that runs; `spawned` when it is awaited, None when it has a thread."""

    task: Task
    deadline: float = math.inf
    spawned: Spawned | None = None
    verdict: Mapping[str, Any] | None = None  # why we end it
    timed_out: bool = False


@dataclass(slots=True)
class _Lane:
    """Its tasks have one thread, so that a database is opened once, and closed between batches."""

    threads: DaemonThreads
    waiting: deque[Task] = field(default_factory=deque)
    busy: bool = False


@dataclass(slots=True)
class _Answer:
    attempt: _Attempt
    result: Mapping[str, Any]
    error: BaseException | None = None


class Threads:
    """Carries out at most `slots` tasks at once (see `ports.Executor`).

    Everything but the tasks happens in the controller's thread: threads and loop only put answers into a queue. A step
    that crashes takes the controller along, and so does one that holds Python's lock for long.
    """

    def __init__(self, slots: int, performer: Performer) -> None:
        self._slots = slots
        self._performer = performer
        self._threads = DaemonThreads(slots + LEFT_LIMIT, "recoup-step", performer.idle)
        self._loop = LoopThread(performer.idle)
        self._redact = redactor(os.environ)
        self._waiting: deque[Task] = deque()
        self._lanes: dict[str, _Lane] = {}
        self._running: dict[int, _Attempt] = {}
        self._left: set[_Attempt] = set()
        self._events: list[TaskEvent] = []
        self._pace = Pace()
        self._failure: RecoupError | None = None
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, self)

    # --- the socket

    def open(self) -> None:
        """Send what attempts print to their logs, and let the process have as many sockets as attempts may want."""
        prints.listen()
        _allow_files(4 * self._slots + 1024)

    def room(self) -> int:
        """How many more tasks it takes now: as many as there are slots free, and some ahead where tasks are short."""
        self._collect()
        if self._failure:
            return 0
        ahead = min(self._slots * self._pace.depth(0.0, 0), self._slots + _AHEAD)
        return max(0, ahead - len(self._running) - len(self._waiting))

    def idle(self) -> int:
        """How many slots are free, and nothing waits for them."""
        waiting = len(self._waiting) + sum(bool(lane.waiting) for lane in self._lanes.values() if not lane.busy)
        return 0 if self._failure else max(0, self._slots - len(self._running) - waiting)

    def busy(self) -> int:
        """How many tasks have begun."""
        return len(self._running)

    def resize(self, workers: int) -> None:
        """So many slots from now on."""
        self._slots = workers
        self._threads.limit = workers + LEFT_LIMIT
        _allow_files(4 * workers + 1024)
        self._begin()

    def submit(self, tasks: Sequence[Task]) -> None:
        """Begin as many as there are slots for; the others wait."""
        for task in tasks:
            (self._waiting if task.lane is None else self._lane(task.lane).waiting).append(task)
        self._begin()

    def take_back(self) -> list[int]:
        """Tokens of all tasks that wait."""
        queues = (self._waiting, *(lane.waiting for lane in self._lanes.values()))
        tokens = [task.token for waiting in queues for task in waiting]
        for waiting in queues:
            waiting.clear()
        return tokens

    def kill(self, token: int) -> None:
        """Cancel the task where it is awaited, give it up where it has a thread, drop it where it waits."""
        if attempt := self._running.get(token):
            self._end(attempt, {"killed": True}, time.monotonic())
        for waiting in (self._waiting, *(lane.waiting for lane in self._lanes.values())):
            for task in [task for task in waiting if task.token == token]:
                waiting.remove(task)
                self._events.append(Lost(token, {"killed": True, "begun": False}))

    def watch(self, fileno: int) -> None:
        """Let `wait` return early when this descriptor becomes readable."""
        self._selector.register(fileno, selectors.EVENT_READ)

    def wait(self, timeout_seconds: float | None) -> list[TaskEvent]:
        """What has happened; RecoupError when too many steps hang, or a task has found the process unfit."""
        over = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            if self._failure and not self._events:
                raise self._failure
            watched = self._listen(0.0 if self._events else min(over, self._horizon()) - time.monotonic())
            now = time.monotonic()
            self._patrol(now)
            self._begin()
            if self._events:
                events, self._events = self._events, []
                return events
            if watched or now >= over:
                return []

    def close(self) -> None:
        """Cancel what is awaited, give threads a second, then leave them: they end with the process at the latest."""
        self.take_back()
        now = time.monotonic()
        until = now + CLOSE_SECONDS
        for attempt in [attempt for attempt in self._running.values() if attempt.spawned]:
            self._end(attempt, {"killed": True}, now)
        while self._running and time.monotonic() < until:
            self._listen(until - time.monotonic())
        self._left.update(self._running.values())
        self._running.clear()
        self._loop.close(until)
        for threads in (self._threads, *(lane.threads for lane in self._lanes.values())):
            threads.end(until)
        for end in (self._selector, self._woken, self._wake):
            end.close()
        if not self._left:  # else somebody still prints, into a log and nowhere else
            prints.rest()

    # --- tasks out

    def _lane(self, name: str) -> _Lane:
        if name not in self._lanes:
            self._lanes[name] = _Lane(DaemonThreads(1, f"recoup-lane-{name}", self._performer.idle))
        return self._lanes[name]

    def _begin(self) -> None:
        while not self._failure and len(self._running) < self._slots and (task := self._next()):
            limit = task.timeout_seconds
            attempt = _Attempt(task, math.inf if limit is None else time.monotonic() + limit)
            self._running[task.token] = attempt
            coroutine = self._performer.coroutine(task.body)
            if coroutine is not None:
                attempt.spawned = self._loop.spawn(self._awaited(attempt, coroutine), self._answer_of(attempt))
            elif task.lane is None:
                self._threads.submit(self._carry_out, attempt)
            else:
                self._lanes[task.lane].busy = True
                self._lanes[task.lane].threads.submit(self._carry_out, attempt)

    def _next(self) -> Task | None:
        """What is to be delivered first: it is short, and whole partitions wait for it."""
        for lane in self._lanes.values():
            if lane.waiting and not lane.busy:
                return lane.waiting.popleft()
        return self._waiting.popleft() if self._waiting else None

    # --- in a thread, and on the loop

    def _carry_out(self, attempt: _Attempt) -> None:
        began, cpu = time.perf_counter(), time.thread_time()
        try:
            with prints.kept(attempt.task.body.get("log"), self._redact):
                result = self._performer(attempt.task.body)
        except BaseException as error:  # noqa: BLE001 - a performer never raises; if one does, the attempt is lost
            self._tell(_Answer(attempt, {}, error))
            return
        used = {"seconds": time.perf_counter() - began, "cpu_seconds": time.thread_time() - cpu}
        used = {name: round(value, 6) for name, value in used.items()}
        self._tell(_Answer(attempt, {**result, "resources": used}))

    async def _awaited(self, attempt: _Attempt, coroutine: Work) -> Mapping[str, Any]:
        began = time.perf_counter()
        with prints.kept(attempt.task.body.get("log"), self._redact):
            result = await coroutine
        return {**result, "resources": {"seconds": round(time.perf_counter() - began, 6)}}

    def _answer_of(self, attempt: _Attempt) -> Callable[[asyncio.Task[Mapping[str, Any]]], None]:
        def tell(task: asyncio.Task[Mapping[str, Any]]) -> None:
            if task.cancelled():
                self._tell(_Answer(attempt, {}, RuntimeError("it was cancelled from outside")))
            elif (error := task.exception()) is not None:
                self._tell(_Answer(attempt, {}, error))
            else:
                self._tell(_Answer(attempt, task.result()))

        return tell

    def _tell(self, answer: _Answer) -> None:
        self._answers.put(answer)
        with suppress(OSError):  # it is full of wake-ups already, or nobody listens any more
            self._wake.send(b"!")

    # --- answers in

    def _listen(self, timeout_seconds: float) -> bool:
        """Wait for answers; whether a watched descriptor is ready."""
        patience = None if timeout_seconds == math.inf else max(0.0, timeout_seconds)
        watched = any(key.data is None for key, _ in self._selector.select(patience))
        self._collect()
        return watched

    def _collect(self) -> None:
        with suppress(OSError):  # nobody has woken us
            self._woken.recv(4096)
        with suppress(queue.Empty):
            while True:
                self._settle(self._answers.get_nowait())

    def _settle(self, answer: _Answer) -> None:
        attempt, task = answer.attempt, answer.attempt.task
        if task.lane is not None:
            self._lanes[task.lane].busy = False
        if self._running.get(task.token) is not attempt:  # it was given up, and has ended after all
            self._left.discard(attempt)
            return
        del self._running[task.token]
        if attempt.verdict is not None:
            self._events.append(Lost(task.token, attempt.verdict, attempt.timed_out))
        elif answer.error is not None:
            self._events.append(Lost(task.token, {"error": f"{type(answer.error).__name__}: {answer.error}"}))
        else:
            self._pace.note(task.expected_seconds, answer.result["resources"]["seconds"])
            self._events.append(Finished(task.token, answer.result))
            if "unfit" in answer.result:
                self._failure = UnreachableError(*answer.result["unfit"])

    # --- limits

    def _horizon(self) -> float:
        return min((attempt.deadline for attempt in self._running.values()), default=math.inf)

    def _patrol(self, now: float) -> None:
        for attempt in [attempt for attempt in self._running.values() if attempt.deadline <= now]:
            if attempt.verdict is None:
                self._end(attempt, {"limit_seconds": attempt.task.timeout_seconds}, now, timed_out=True)
            else:
                self._give_up(attempt)

    def _end(self, attempt: _Attempt, verdict: Mapping[str, Any], now: float, *, timed_out: bool = False) -> None:
        if attempt.verdict is not None:
            return
        attempt.verdict, attempt.timed_out = verdict, timed_out
        if attempt.spawned is None:
            self._give_up(attempt)
        else:
            attempt.deadline = now + CANCEL_SECONDS
            attempt.spawned.cancel()

    def _give_up(self, attempt: _Attempt) -> None:
        """Its answer no longer counts, and others take its slot."""
        del self._running[attempt.task.token]
        self._left.add(attempt)
        self._events.append(
            Lost(attempt.task.token, {**(attempt.verdict or {}), "left_running": True}, attempt.timed_out)
        )
        if attempt.spawned is not None and not attempt.spawned.heard:
            self._replace_loop()
        if len(self._left) >= LEFT_LIMIT:
            message = f"{len(self._left)} steps were given up and still hang in their threads, which nobody can end"
            remedy = 'give what they call a time limit of its own, or set executor = "processes"'
            self._failure = RecoupError(message, remedy)

    def _replace_loop(self) -> None:
        """A step blocks it, so it comes to nothing else: what waits there is lost, what comes has a new one."""
        evidence = {"blocked_at": self._loop.stuck_at(), "left_running": True}
        self._loop.close(until=0.0)
        self._loop = LoopThread(self._performer.idle)
        for token, attempt in [(token, a) for token, a in self._running.items() if a.spawned]:
            del self._running[token]
            self._left.add(attempt)
            self._events.append(Lost(token, {**evidence, **(attempt.verdict or {})}, attempt.timed_out))


def _allow_files(count: int) -> None:
    """Raise the soft limit of open files, which is low for the sake of old programs only."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
