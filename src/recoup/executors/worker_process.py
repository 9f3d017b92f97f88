"""One worker as the controller sees it: its process, its sockets, and what it was handed, oldest first."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recoup.executors.channel import Message, Receiver, take
from recoup.executors.launch import Started
from recoup.executors.memory import LEFT_BYTES, LOOK_SECONDS, Scale
from recoup.executors.output import rescue
from recoup.executors.pace import AHEAD_SECONDS, MAX_AHEAD, Pace
from recoup.model.redact import redactor
from recoup.ports import Task

START_SECONDS: Final = 120.0
"""A worker that takes longer than this to load its steps hangs."""


@dataclass(slots=True)
class Parcel:
    """A task, its encoded message, and what it will probably take."""

    task: Task
    message: bytes
    seconds: float


class WorkerProcess:
    """What was handed over is in `sent`: finished ones whose result is still unread, one that runs, and unbegun ones.

    The controller keeps the end that the worker receives from, so both can receive; the kernel gives each message to
    exactly one of them. What the controller gets was not begun and never will be; what it does not get was begun.
    """

    def __init__(self, started: Started, now: float) -> None:
        self.pid = started.process.pid
        self.results = started.results
        self.log = started.log
        self.sent: deque[Parcel] = deque()
        self.pinned: deque[Parcel] = deque()  # of its lanes, waiting on our side
        self.load = 0.0  # seconds of work in `sent`
        self.ready = self.gone = self.full = False
        self.untried = False  # something was sent since the last `pull`
        self.since = self.looked_at = self.weighed_at = now  # of the task that it works on, or of its start
        self.scale = Scale(self.pid)
        self.full_of_leftovers = False  # it ends when it has done what it was sent
        self.stopped_since = math.inf
        self.verdict: Mapping[str, Any] | None = None  # why we kill it
        self.timed_out = False
        self._started = started
        self._inbox = started.inbox
        self._send = started.outbox.send
        self._receiver = Receiver(started.results)
        self._log_end = 0
        self._cpu_seconds = 0.0  # of all that it has done before the task that it works on

    # --- what it takes

    @property
    def idle(self) -> bool:
        """Nothing to do, and able to."""
        return self.ready and not self.sent and not self.full and self.well

    @property
    def well(self) -> bool:
        """Neither stopped nor about to end."""
        return self.verdict is None and self.stopped_since == math.inf and not self.full_of_leftovers

    def takes(self, now: float) -> bool:
        """Whether one more task may be sent: nothing waits behind a long one, and little behind a start."""
        if not self.well or self.full:
            return False
        if not self.sent:
            return True
        short = self.load < AHEAD_SECONDS and now - self.since <= AHEAD_SECONDS
        return self.ready and short and len(self.sent) < MAX_AHEAD

    def room(self, pace: Pace, now: float) -> int:
        """How many more tasks of the usual length it takes."""
        if not self.takes(now):
            return 0
        depth = pace.depth(self.load, len(self.sent)) if self.ready else 1
        return max(0, depth - len(self.pinned))

    # --- tasks out, messages in

    def send(self, parcel: Parcel, now: float) -> bool:
        """Hand a task over; False when the socket is full."""
        try:
            self._send(parcel.message)
        except BlockingIOError:
            self.full = True
            return False
        begins = not self.sent and self.ready
        self.sent.append(parcel)
        if begins:
            self._begin(now)
        self.load += parcel.seconds
        self.untried = True
        return True

    def pull(self) -> list[Parcel]:
        """Take back what the worker has not begun, in order."""
        self.untried = self.full = False
        # By their tokens, not by their number: the worker may go on meanwhile, and receive one of those in between.
        taken = set(iter(lambda: take(self._inbox), None))
        parcels = [parcel for parcel in self.sent if parcel.task.token in taken]
        self.sent = deque(parcel for parcel in self.sent if parcel.task.token not in taken)
        self._weigh()
        return parcels

    def receive(self) -> Message | None:
        """The next message, if there is one; `gone` when there will be no more."""
        try:
            message = self._receiver.receive()
        except BlockingIOError:
            return None
        self.gone = message is None
        return message

    def loaded(self, message: Message, now: float) -> None:
        """It has its steps, and what it was sent in the meantime begins now."""
        self.ready = True
        self.scale.rest()
        self._heard(message, message.body["cpu_seconds"], now)

    def finish(self, message: Message, now: float) -> Parcel:
        """Take the task of a result off the list; the next one begins now."""
        parcel = self.sent.popleft()
        if parcel.task.token != message.token:
            error = f"worker {self.pid} answered task {message.token} before {parcel.task.token}"
            raise RuntimeError(error)
        if (limit := parcel.task.memory_bytes) is not None:
            self._close_account(limit, message.body["resources"])
        self._heard(message, message.body["resources"]["cpu_seconds"], now)
        self._weigh(parcel)
        self.untried = self.untried and bool(self.sent)
        return parcel

    def _heard(self, message: Message, cpu_seconds: float, now: float) -> None:
        self.stopped_since = math.inf
        self.full = False
        self._log_end = message.log_end
        self._cpu_seconds += cpu_seconds
        self._begin(now)

    def _begin(self, now: float) -> None:
        self.since = now
        if self._memory_limit is not None:
            self.weighed_at = now
            self.scale.begin()

    def _close_account(self, limit: int, used: dict[str, Any]) -> None:
        """A peak that nobody saw counts as well; what is left behind must not grow with every task."""
        if (taken := self.scale.taken(used["peak_memory_bytes"])) > limit:
            used["over_memory"] = _over(limit, taken)
        self.full_of_leftovers |= self.scale.left_bytes() > max(limit, LEFT_BYTES)

    def _weigh(self, gone: Parcel | None = None) -> None:
        if gone and self.sent:
            self.load -= gone.seconds
        else:
            self.load = sum(parcel.seconds for parcel in self.sent)

    # --- limits

    def due(self, stop_check_seconds: float) -> float:
        """When it must be looked at, unless it is heard before."""
        if self.verdict is not None:
            return math.inf
        if not self.ready:
            return self.since + START_SECONDS
        if not self.sent:
            return self.stopped_since + stop_check_seconds
        weighing = math.inf if self._memory_limit is None else self.weighed_at + LOOK_SECONDS
        return min(self.deadline, weighing, max(self.since, self.looked_at) + stop_check_seconds)

    @property
    def deadline(self) -> float:
        """When the task that it works on is over its limit."""
        limit = self.sent[0].task.timeout_seconds if self.sent and self.ready else None
        return math.inf if limit is None else self.since + limit

    @property
    def _memory_limit(self) -> int | None:
        return self.sent[0].task.memory_bytes if self.sent and self.ready else None

    def over_memory(self, now: float) -> Mapping[str, Any] | None:
        """What the task that it works on has taken, if that is more than its limit."""
        limit = self._memory_limit
        if limit is None:
            return None
        self.weighed_at = now
        if self.scale.look() <= limit:
            return None
        return _over(limit, self.scale.peak_bytes)

    def look(self, now: float) -> float:
        """Since when the process has been seen stopped (SIGSTOP), infinity when it runs."""
        self.looked_at = now
        self.stopped_since = min(self.stopped_since, now) if _is_stopped(self.pid) else math.inf
        return self.stopped_since

    def condemn(self, verdict: Mapping[str, Any], *, timed_out: bool = False) -> None:
        """Kill it and its children; its death is noticed like any other."""
        self.verdict, self.timed_out = verdict, timed_out
        self._kill_group()

    # --- its end

    def is_dead(self) -> bool:
        """Whether the process has ended, whoever still holds its sockets; it stays a zombie."""
        try:
            return self._peek()
        except ChildProcessError:  # somebody else has reaped it
            return True

    def hang_up(self) -> None:
        """Tell it that there will be no more tasks."""
        self._started.outbox.close()

    def reap(self, until: float) -> dict[str, Any]:
        """Wait for its end, force it after `until`, take its children with it; returns how it ended."""
        while not self.is_dead() and time.monotonic() < until:
            time.sleep(0.001)
        self._kill_group()  # before the pid can be given to somebody else
        evidence: dict[str, Any] = {"pid": self.pid, **(self.verdict or {})}
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except ChildProcessError:
            self._started.process.returncode = 0
            return evidence
        code = self._started.process.returncode = os.waitstatus_to_exitcode(status)
        evidence.update({"signal": -code} if code < 0 else {"exit_code": code})
        evidence["cpu_seconds"] = max(0.0, round(usage.ru_utime + usage.ru_stime - self._cpu_seconds, 6))
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if usage.ru_maxrss > ours:  # else it may be ours: vfork passes it on
            evidence.setdefault("peak_memory_bytes", usage.ru_maxrss * 1024)
        return evidence

    def rescue_output(self, log: str | None) -> str:
        """Copy what it wrote since its last result to the log of the lost task; returns the end of it."""
        return rescue(self.log, self._log_end, log, redactor(os.environ))

    def close(self) -> None:
        """Let go of everything but the parcels; a log that nobody wrote to goes, too."""
        for end in (self._started.outbox, self._inbox, self.results):
            end.close()
        self._started.setup_file.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if not self.log.stat().st_size:
                self.log.unlink()

    def _kill_group(self) -> None:
        with contextlib.suppress(ChildProcessError, ProcessLookupError, PermissionError):
            self._peek()  # fails once somebody else has reaped it: then the number may be another's
            os.killpg(self.pid, signal.SIGKILL)

    def _peek(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _over(limit: int, peak: int) -> dict[str, int]:
    return {"memory_limit_bytes": limit, "peak_memory_bytes": peak}


def _is_stopped(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"
