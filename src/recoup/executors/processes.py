"""Worker processes on this machine: one that dies costs one task, and all of them die with their controller."""

from __future__ import annotations

import math
import selectors
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from pathlib import Path
from typing import Any, Final

from recoup.executors.channel import READY, RESULT, TASK, discard, encode, pair, spill_path
from recoup.executors.launch import Launch, startup_error
from recoup.executors.memory import Shortage
from recoup.executors.pace import AHEAD_SECONDS, Pace
from recoup.executors.worker_process import START_SECONDS, Parcel, WorkerProcess
from recoup.model.errors import RecoupError
from recoup.ports import Finished, Lost, Task, TaskEvent

CLOSE_SECONDS: Final = 1.0
STILLBORN_LIMIT: Final = 3
_ROLL_CALL_SECONDS: Final = 1.0
_TAKEN: Final = ("peak_memory_bytes", "cpu_seconds")


class Processes:
    """Carries tasks out in spawned processes, each with its own sockets (see `ports.Executor`).

    `performer` names a factory, `package.module:function`; each worker calls it once with `setup` (JSON). Open it in a
    thread that lives as long as the executor: on Linux workers die with the thread that started them.

    A worker that cannot load its performer makes `wait` raise what the factory raised. No task begins any more then,
    and `take_back` still tells which never did.
    """

    def __init__(
        self,
        workers: int,
        performer: str,
        setup: Mapping[str, Any],
        log_dir: Path,
        *,
        stop_check_seconds: float = 30.0,
    ) -> None:
        self._launch = Launch(performer, setup, log_dir.absolute(), workers)
        self._stop_check_seconds = stop_check_seconds
        self._selector = selectors.DefaultSelector()
        self._crew: list[WorkerProcess] = []
        self._lanes: dict[str, WorkerProcess] = {}
        self._backlog: deque[Parcel] = deque()
        self._events: list[TaskEvent] = []
        self._pace = Pace()
        self._failure: RecoupError | None = None
        self._limit = workers
        self._started = self._stillborn = 0
        self._roll_call = 0.0
        self._shortage = Shortage()

    # --- the socket

    def open(self) -> None:
        """Spawn the workers and return at once; tasks may be submitted while they load."""
        for end in pair():  # says so where it is not supported, before anything was made
            end.close()
        self._launch.log_dir.mkdir(parents=True, exist_ok=True)
        for _ in range(self._launch.workers):
            self._crew.append(self._spawn())

    def pids(self) -> list[int]:
        """The processes that work for us now."""
        return [worker.pid for worker in self._crew]

    def room(self) -> int:
        """How many more tasks it takes now: some 20 ms of work for each worker, one where they take longer."""
        self._listen(0.0)
        now = time.monotonic()
        free = self._limit - self.busy()
        if self._failure or free < 0:
            return 0
        begun = [worker.room(self._pace, now) for worker in self._crew if worker.sent]
        unbegun = sorted(worker.room(self._pace, now) for worker in self._crew if not worker.sent)
        return max(0, sum(begun) + sum(unbegun[len(unbegun) - min(free, len(unbegun)) :]) - len(self._backlog))

    def idle(self) -> int:
        """How many workers are ready and have nothing to do."""
        if self._failure or self._backlog:
            return 0
        ready = sum(worker.idle and not worker.pinned for worker in self._crew)
        return max(0, min(ready, self._limit - self.busy()))

    def busy(self) -> int:
        """How many workers have been handed something."""
        return sum(bool(worker.sent) for worker in self._crew)

    def resize(self, workers: int) -> None:
        """Start those that are missing; what waits behind others' tasks goes to those that may be busy."""
        self._limit = workers
        while self._crew and len(self._crew) < workers and not self._failure:
            self._crew.append(self._spawn())
        if self.busy() > workers:
            for worker in self._crew:
                self._recall(worker)
        self._feed(time.monotonic())

    def submit(self, tasks: Sequence[Task]) -> None:
        """Hand tasks over; those of one lane go to one worker, in order. Never blocks: what is too much waits here."""
        for parcel in [self._parcel(task) for task in tasks]:  # all of them, or none when one cannot be encoded
            self._queue(parcel.task).append(parcel)
        self._feed(time.monotonic())

    def take_back(self) -> list[int]:
        """Tokens of tasks that no worker has begun; they never will be."""
        parcels = [parcel for worker in self._crew for parcel in (*worker.pull(), *_emptied(worker.pinned))]
        parcels += _emptied(self._backlog)
        for parcel in parcels:
            discard(parcel.message)
        return [parcel.task.token for parcel in parcels]

    def kill(self, token: int) -> None:
        """End the worker that runs this task, and nothing else; an unbegun one is lost without an end of anybody."""
        for worker in self._crew:
            if any(parcel.task.token == token for parcel in worker.sent):
                self._end_task(worker, token, {"killed": True})
        for waiting in (self._backlog, *(worker.pinned for worker in self._crew)):
            for parcel in [parcel for parcel in waiting if parcel.task.token == token]:
                waiting.remove(parcel)
                discard(parcel.message)
                self._events.append(Lost(token, {"killed": True, "begun": False}))

    def watch(self, fileno: int) -> None:
        """Let `wait` return early when this descriptor becomes readable."""
        self._selector.register(fileno, selectors.EVENT_READ)

    def wait(self, timeout_seconds: float | None) -> list[TaskEvent]:
        """What has happened; RecoupError when workers cannot start."""
        over = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            settled = self._events or self._failure
            watched = self._listen(0.0 if settled else min(over, self._horizon()) - time.monotonic())
            now = time.monotonic()
            self._patrol(now)
            self._feed(now)
            if self._events:
                events, self._events = self._events, []
                return events
            if self._failure:
                raise self._failure
            if watched or now >= over:
                return []

    def close(self) -> None:
        """Let workers end what they run for a second, then kill them; unbegun tasks are dropped."""
        self.take_back()
        for worker in self._crew:
            worker.hang_up()
        until = time.monotonic() + CLOSE_SECONDS
        for worker in self._crew:
            ending = worker.reap(until)
            self._read(worker)
            for parcel in worker.sent:
                self._lose(worker, parcel, ending)
            self._forget(worker)
        self._crew.clear()
        self._selector.close()

    # --- tasks out

    def _feed(self, now: float) -> None:
        """Send what waits here to workers that take it, the least loaded first."""
        if self._failure:
            return
        for worker in self._crew:
            while worker.pinned and self._may(worker, now) and worker.send(worker.pinned[0], now):
                worker.pinned.popleft()
        if not self._backlog:
            return
        heap = [(not worker.ready, worker.load, at) for at, worker in enumerate(self._crew)]
        heapify(heap)
        while self._backlog and heap:
            worker = self._crew[heap[0][2]]
            if self._may(worker, now) and worker.send(self._backlog[0], now):
                self._backlog.popleft()
                heapreplace(heap, (not worker.ready, worker.load, heap[0][2]))
            else:
                heappop(heap)

    def _may(self, worker: WorkerProcess, now: float) -> bool:
        """Whether it takes one more, and whether so many may be busy."""
        free = self._limit - self.busy()
        return worker.takes(now) and (free >= 0 if worker.sent else free > 0)

    def _parcel(self, task: Task) -> Parcel:
        message = encode(TASK, task.token, task.body, self._launch.log_dir)
        return Parcel(task, message, self._pace.estimate(task.expected_seconds))

    def _queue(self, task: Task) -> deque[Parcel]:
        """Where a task waits on our side."""
        if task.lane is None or not self._crew:
            return self._backlog
        return self._owner(task.lane).pinned

    def _owner(self, lane: str) -> WorkerProcess:
        """The worker of a lane, until it dies; a new lane goes to the one with the fewest."""
        if lane not in self._lanes:
            owners = list(self._lanes.values())
            self._lanes[lane] = min(self._crew, key=lambda worker: (not worker.well, owners.count(worker), worker.load))
        return self._lanes[lane]

    def _recall(self, worker: WorkerProcess) -> None:
        """Take what a worker has not begun; its lanes stay with it."""
        parcels = worker.pull()
        worker.pinned.extendleft(parcel for parcel in reversed(parcels) if parcel.task.lane is not None)
        self._backlog.extendleft(parcel for parcel in reversed(parcels) if parcel.task.lane is None)

    # --- messages in

    def _listen(self, timeout_seconds: float) -> bool:
        """Read what has arrived; whether a watched descriptor is ready, or a worker that has just loaded and idles."""
        watched = False
        for key, _ in self._selector.select(max(0.0, timeout_seconds)):
            if key.data is None:
                watched = True
            else:
                was_ready = key.data.ready
                self._read(key.data)
                watched |= key.data.idle and not was_ready
                if key.data.gone:
                    self._bury(key.data)
        return watched

    def _read(self, worker: WorkerProcess) -> None:
        """Note what a worker says, while it owes an answer or until there is nothing more."""
        now = time.monotonic()
        while (message := worker.receive()) is not None:
            if message.kind == RESULT:
                parcel = worker.finish(message, now)
                self._pace.note(parcel.task.expected_seconds, message.seconds)
                self._events.append(Finished(message.token, message.body))
                if worker.full_of_leftovers:
                    self._retire(worker)
                if not worker.sent:
                    break
            elif message.kind == READY:
                worker.loaded(message, now)
                self._stillborn = 0
            else:
                self._failure = startup_error(message.body)

    # --- limits

    def _horizon(self) -> float:
        """When something must be done, even if nobody says a word."""
        due = min((worker.due(self._stop_check_seconds) for worker in self._crew), default=math.inf)
        if any(worker.idle for worker in self._crew):
            due = min((due, *(worker.since + AHEAD_SECONDS for worker in self._crew if worker.untried)))
        return min(due, self._roll_call)

    def _patrol(self, now: float) -> None:
        for worker in self._crew:
            if worker.due(self._stop_check_seconds) <= now:
                self._inspect(worker, now)
        if any(worker.idle for worker in self._crew):
            self._share(now)
        if now >= self._roll_call:
            self._roll_call = now + _ROLL_CALL_SECONDS
            for worker in [worker for worker in self._crew if worker.is_dead()]:
                self._bury(worker)
            self._shortage.look()

    def _share(self, now: float) -> None:
        """Somebody has nothing to do: take what waits behind a long task."""
        for worker in self._crew:
            if worker.untried and now - worker.since >= AHEAD_SECONDS:
                self._recall(worker)
                if not worker.sent:  # it had not even begun the first: is it stopped?
                    worker.look(now)

    def _inspect(self, worker: WorkerProcess, now: float) -> None:
        if not worker.ready:
            worker.condemn({"start_limit_seconds": START_SECONDS})
        elif worker.deadline <= now:
            task = worker.sent[0].task
            self._end_task(worker, task.token, {"limit_seconds": task.timeout_seconds}, timed_out=True)
        elif (verdict := worker.over_memory(now)) is not None:
            self._end_task(worker, worker.sent[0].task.token, verdict)
        elif worker.due(self._stop_check_seconds) <= now and now - worker.look(now) >= self._stop_check_seconds:
            self._recall(worker)
            worker.condemn({"stopped": True})

    def _end_task(
        self, worker: WorkerProcess, token: int, verdict: Mapping[str, Any], *, timed_out: bool = False
    ) -> None:
        """Kill a worker for the task it runs: neither for one that it has just finished nor for one behind it."""
        self._recall(worker)
        self._read(worker)
        if worker.sent and worker.sent[0].task.token == token:
            worker.condemn(verdict, timed_out=timed_out)

    # --- births and deaths

    def _spawn(self) -> WorkerProcess:
        self._started += 1
        worker = WorkerProcess(self._launch.start(self._started), time.monotonic())
        self._selector.register(worker.results, selectors.EVENT_READ, worker)
        return worker

    def _retire(self, worker: WorkerProcess) -> None:
        """Let it end what it has begun, and then itself; another takes its place."""
        self._recall(worker)
        if not worker.sent:
            worker.hang_up()

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker is dead: what it had begun is lost, everything else goes to others."""
        ending = worker.reap(time.monotonic() + CLOSE_SECONDS)
        if ending.get("signal") == signal.SIGKILL and worker.verdict is None and self._shortage.has_killed():
            ending["out_of_memory"] = True
        self._read(worker)  # results that it sent before its end count
        unbegun = [*worker.pull(), *_emptied(worker.pinned)]
        for parcel in worker.sent:
            self._lose(worker, parcel, ending)
        if not worker.ready:
            self._note_stillborn(worker, ending)
        self._forget(worker)
        self._replace(worker)
        behind = _emptied(self._backlog)
        for parcel in (*unbegun, *behind):
            self._queue(parcel.task).append(parcel)

    def _lose(self, worker: WorkerProcess, parcel: Parcel, ending: Mapping[str, Any]) -> None:
        tail = worker.rescue_output(parcel.task.body.get("log"))
        for kind in (TASK, RESULT):
            spill_path(self._launch.log_dir, kind, parcel.task.token).unlink(missing_ok=True)
        evidence = {**ending, "output_tail": tail} if tail else dict(ending)
        if worker.ready and parcel is worker.sent[0]:
            evidence["seconds"] = round(time.monotonic() - worker.since, 6)
        self._events.append(Lost(parcel.task.token, evidence, worker.timed_out))

    def _note_stillborn(self, worker: WorkerProcess, ending: Mapping[str, Any]) -> None:
        self._stillborn += 1
        if self._failure is None and self._stillborn >= STILLBORN_LIMIT:
            how = ", ".join(f"{name} {value}" for name, value in ending.items() if name not in _TAKEN)
            message = f"{self._stillborn} workers in a row ended before they were ready ({how})"
            tail = worker.rescue_output(None)
            self._failure = RecoupError(f"{message}: {tail}" if tail else message, f"see {worker.log}")

    def _forget(self, worker: WorkerProcess) -> None:
        self._selector.unregister(worker.results)
        self._lanes = {lane: owner for lane, owner in self._lanes.items() if owner is not worker}
        worker.close()

    def _replace(self, worker: WorkerProcess) -> None:
        at = self._crew.index(worker)
        try:
            self._crew[at : at + 1] = [] if self._failure else [self._spawn()]
        except OSError as error:
            del self._crew[at]
            self._failure = RecoupError(f"a worker that ended could not be replaced: {error}")


def _emptied(parcels: deque[Parcel]) -> list[Parcel]:
    taken = list(parcels)
    parcels.clear()
    return taken
