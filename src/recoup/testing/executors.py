"""What every executor must do: subclass `ExecutorContract`, give it an `executor` fixture, and pytest does the rest."""

# ruff: noqa: PLR2004 - the expected number stands beside what it is compared with

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recoup.ports import Executor, Finished, Lost, Task, TaskEvent

PATIENCE_SECONDS = 20.0


class ExecutorContract:
    """Needs the fixture `executor`: open, closed afterwards, with `recoup.testing.performers:make` as its performer."""

    can_kill: ClassVar[bool] = True
    """Whether a running task can be ended, or at least given up."""
    holds_memory: ClassVar[bool] = True
    """Whether a task is held to `memory_bytes`."""
    apart: ClassVar[bool] = True
    """Whether tasks have processes of their own: one that ends its process leaves the controller alive."""

    def test_every_task_gets_one_answer(self, executor: Executor) -> None:
        tasks = [echo(token, value=token) for token in range(300)]
        events = feed(executor, tasks)
        assert sorted(event.token for event in events) == list(range(300))
        assert all(isinstance(event, Finished) and event.body["value"] == event.token for event in events)
        assert executor.wait(0.05) == []

    def test_bodies_arrive_as_they_were_sent(self, executor: Executor) -> None:
        value = {"text": "Zürich \u2028 \U0001f409", "deep": [{"a": [None, True, 1.5, -(2**60)]}], "": ""}
        executor.submit([echo(1, value=value)])
        [event] = settle(executor, [1])
        assert isinstance(event, Finished)
        assert event.body["value"] == value

    def test_results_tell_what_a_task_took(self, executor: Executor) -> None:
        executor.submit([Task(1, {"do": "allocate", "bytes": 100_000_000})])
        [event] = settle(executor, [1])
        assert isinstance(event, Finished)
        resources = event.body["resources"]
        assert 0 < resources["cpu_seconds"] <= 10 * resources["seconds"]
        # Where tasks share a process, its memory says nothing of one of them.
        assert resources.get("peak_memory_bytes", math.inf) > 100_000_000

    def test_an_idle_executor_has_room(self, executor: Executor) -> None:
        assert executor.room() >= 1
        executor.submit([sleep(token, 0.2) for token in range(executor.room())])
        assert executor.room() == 0

    def test_an_idle_worker_begins_at_once(self, executor: Executor) -> None:
        await_idle(executor)
        count = executor.idle() + 12
        executor.submit([sleep(token, 0.1) for token in range(count)])
        assert executor.idle() == 0
        settle(executor, range(count))
        assert executor.idle() >= 1

    def test_no_more_workers_are_busy_than_it_is_told(self, executor: Executor) -> None:
        executor.resize(1)
        executor.submit([sleep(token, 0.05) for token in range(6)])
        answered: list[TaskEvent] = []
        until = time.monotonic() + PATIENCE_SECONDS
        while len(answered) < 6:
            assert executor.busy() <= 1
            answered += executor.wait(0.02)
            assert time.monotonic() < until
        executor.resize(0)
        assert (executor.room(), executor.idle()) == (0, 0)
        executor.resize(2)
        assert executor.room() >= 1
        executor.submit([echo(token) for token in range(10, 14)])
        settle(executor, range(10, 14))

    def test_submit_does_not_wait(self, executor: Executor) -> None:
        before = time.monotonic()
        executor.submit([sleep(token, 0.02) for token in range(20)])
        assert time.monotonic() - before < 0.2
        settle(executor, range(20))

    def test_wait_ends_in_time(self, executor: Executor) -> None:
        """Earlier only as often as a new worker has nothing to do."""
        waits: list[float] = []
        while not waits or (waits[-1] < 0.15 and len(waits) < 10):
            before = time.monotonic()
            assert executor.wait(0.2) == []
            waits.append(time.monotonic() - before)
        assert 0.15 < waits[-1] < 1.0

    def test_wait_returns_when_a_watched_descriptor_is_ready(self, executor: Executor) -> None:
        reader, writer = os.pipe()
        executor.watch(reader)
        os.write(writer, b"!")
        before = time.monotonic()
        assert executor.wait(10.0) == []
        assert time.monotonic() - before < 5.0
        os.read(reader, 1)
        os.close(writer)

    def test_what_is_taken_back_never_happens(self, executor: Executor, tmp_path: Path) -> None:
        lines = tmp_path / "lines"
        count = 30 + executor.room()
        tasks = [Task(token, append(lines, token, seconds=0.05)) for token in range(count)]
        executor.submit(tasks)
        events = executor.wait(PATIENCE_SECONDS)
        taken = executor.take_back()
        rest = set(range(count)) - set(taken)
        events += settle(executor, rest - {event.token for event in events})
        assert taken
        assert {event.token for event in events} == rest
        assert executor.wait(0.2) == []
        assert sorted(map(int, lines.read_text().split())) == sorted(rest)
        assert executor.room() >= 1

    def test_a_lane_is_one_worker_in_order(self, executor: Executor, tmp_path: Path) -> None:
        lines = tmp_path / "lines"
        lane = [Task(token, append(lines, token), lane="delays.duckdb") for token in range(60)]
        others = [echo(token) for token in range(100, 160)]
        mixed = [task for both in zip(lane, others, strict=True) for task in both]
        events = feed(executor, mixed)
        assert lines.read_text().split() == [str(token) for token in range(60)]
        assert len({event.body["pid"] for event in events if isinstance(event, Finished) and event.token < 100}) == 1

    def test_a_performer_that_raises_loses_its_task_only(self, executor: Executor) -> None:
        executor.submit([echo(1), Task(2, {"do": "raise"}), echo(3), Task(4, {"do": "exit", "code": 3}), echo(5)])
        events = {event.token: event for event in settle(executor, range(1, 6))}
        assert {token for token, event in events.items() if isinstance(event, Lost)} == {2, 4}
        assert "ValueError: boom" in str(events[2])
        assert not any(event.timed_out for event in events.values() if isinstance(event, Lost))

    def test_a_coroutine_is_awaited_to_its_end(self, executor: Executor) -> None:
        tasks = [wait(1, 0.05, value="a"), echo(2, value="b"), wait(3, 0.0, value="c")]
        events = feed(executor, tasks)
        assert {event.token: event.body["value"] for event in events if isinstance(event, Finished)} == {
            1: "a",
            2: "b",
            3: "c",
        }

    def test_coroutines_share_a_loop_that_stays(self, executor: Executor) -> None:
        events = [event for token in range(5) for event in feed(executor, [wait(token, 0.0)])]
        bodies = [event.body for event in events if isinstance(event, Finished)]
        loops: dict[int, set[int]] = {}
        for body in bodies:
            loops.setdefault(body["pid"], set()).add(body["thread"])
        assert len(bodies) == 5
        assert all(len(threads) == 1 for threads in loops.values())

    def test_a_coroutine_that_raises_loses_its_task_only(self, executor: Executor) -> None:
        deadly = [Task(token, {"do": "await-raise", "what": what}) for token, what in enumerate(["exit", "cancel"], 2)]
        executor.submit([wait(1, 0.3, value="a"), *deadly, wait(4, 0.0, value="d")])
        events = {event.token: event for event in settle(executor, range(1, 5))}
        assert {token for token, event in events.items() if isinstance(event, Lost)} == {2, 3}

    def test_a_limit_is_reported(self, executor: Executor) -> None:
        executor.submit([sleep(1, 0.6, timeout_seconds=0.2), echo(2)])
        events = {event.token: event for event in settle(executor, [1, 2])}
        lost = events[1]
        assert isinstance(lost, Lost)
        assert lost.timed_out
        assert lost.evidence["limit_seconds"] == 0.2
        assert isinstance(events[2], Finished)

    def test_a_task_that_takes_too_much_memory_is_ended_alone(self, executor: Executor) -> None:
        self._needs_memory_limits()
        executor.submit([hoard(1, 2_000_000_000, 200_000_000), *(echo(token) for token in range(2, 12))])
        events = {event.token: event for event in settle(executor, range(1, 12))}
        lost = events.pop(1)
        assert isinstance(lost, Lost)
        assert not lost.timed_out
        assert lost.evidence["memory_limit_bytes"] == 200_000_000 < lost.evidence["peak_memory_bytes"] < 2_000_000_000
        assert all(isinstance(event, Finished) for event in events.values())

    def test_a_peak_that_nobody_saw_is_told(self, executor: Executor) -> None:
        self._needs_memory_limits()
        executor.submit([Task(1, {"do": "allocate", "bytes": 100_000_000}, memory_bytes=90_000_000)])
        [event] = settle(executor, [1])
        over = event.body["resources"]["over_memory"] if isinstance(event, Finished) else event.evidence
        assert over["memory_limit_bytes"] == 90_000_000 < over["peak_memory_bytes"]

    def test_what_others_left_behind_is_held_against_nobody(self, executor: Executor) -> None:
        self._needs_memory_limits()
        executor.resize(1)
        executor.submit([Task(1, {"do": "leave-memory", "bytes": 300_000_000})])
        settle(executor, [1])
        executor.submit([Task(2, {"do": "allocate", "bytes": 40_000_000}, memory_bytes=200_000_000)])
        [event] = settle(executor, [2])
        assert isinstance(event, Finished)
        assert "over_memory" not in event.body["resources"]

    def test_a_coroutine_is_held_to_its_limit(self, executor: Executor) -> None:
        executor.submit([wait(1, 0.6, timeout_seconds=0.2), wait(2, 0.0)])
        events = {event.token: event for event in settle(executor, [1, 2])}
        lost = events[1]
        assert isinstance(lost, Lost)
        assert lost.timed_out
        assert isinstance(events[2], Finished)

    def test_killing_ends_the_running_task_and_nothing_else(self, executor: Executor) -> None:
        self._needs_kill()
        executor.submit([sleep(1, 60.0), *(echo(token) for token in range(2, 12))])
        events = executor.wait(0.3)
        before = time.monotonic()
        executor.kill(1)
        events += settle(executor, {*range(1, 12)} - {event.token for event in events})
        assert time.monotonic() - before < 5.0
        lost = [event for event in events if isinstance(event, Lost)]
        assert [event.token for event in lost] == [1]
        assert not lost[0].timed_out

    def test_killing_one_that_waits_harms_nobody(self, executor: Executor) -> None:
        executor.submit([sleep(token, 0.02) for token in range(20)])
        executor.kill(19)
        events = settle(executor, range(20))
        assert [event.token for event in events if isinstance(event, Lost)] == [19]

    def test_killing_a_finished_one_does_nothing(self, executor: Executor) -> None:
        executor.submit([echo(1)])
        settle(executor, [1])
        executor.kill(1)
        executor.kill(99)
        assert executor.wait(0.1) == []

    def test_a_process_that_dies_loses_its_task_only(self, executor: Executor) -> None:
        if not self.apart:
            pytest.skip("tasks run in the controller's process here")
        deadly = [Task(token, {"do": "kill-self"} if token % 10 == 0 else {"do": "echo"}) for token in range(1, 41)]
        events = feed(executor, deadly)
        assert sorted(event.token for event in events if isinstance(event, Lost)) == [10, 20, 30, 40]
        assert len(events) == 40
        assert {event.evidence["signal"] for event in events if isinstance(event, Lost)} == {9}

    def test_closing_does_not_wait_for_work(self, executor: Executor) -> None:
        if self.can_kill:
            executor.submit([sleep(token, 60.0) for token in range(10)])
            executor.wait(0.1)
        before = time.monotonic()
        executor.close()
        assert time.monotonic() - before < 5.0

    def _needs_memory_limits(self) -> None:
        if not self.holds_memory:
            pytest.skip("this executor cannot tell whose memory it is")

    def _needs_kill(self) -> None:
        if not self.can_kill:
            pytest.skip("this executor cannot kill")


def echo(token: int, value: object = None) -> Task:
    """A task that does nothing."""
    return Task(token, {"do": "echo", "value": value}, expected_seconds=0.001)


def sleep(token: int, seconds: float, *, timeout_seconds: float | None = None) -> Task:
    """A task that takes a while."""
    return Task(token, {"do": "sleep", "seconds": seconds}, expected_seconds=seconds, timeout_seconds=timeout_seconds)


def wait(token: int, seconds: float, *, value: object = None, timeout_seconds: float | None = None) -> Task:
    """A task that is awaited."""
    body = {"do": "await-sleep", "seconds": seconds, "value": value}
    return Task(token, body, expected_seconds=seconds, timeout_seconds=timeout_seconds)


def hoard(token: int, size_bytes: int, limit_bytes: int) -> Task:
    """A task that takes more and more memory; some 10 MB every 5 ms."""
    return Task(token, {"do": "hoard", "bytes": size_bytes, "pause_seconds": 0.005}, memory_bytes=limit_bytes)


def append(path: Path, value: int, *, seconds: float = 0.0) -> dict[str, Any]:
    """The body of a task that adds a line to a file: a second witness of what was carried out, and when."""
    return {"do": "append", "path": str(path), "value": value, "seconds": seconds}


def await_idle(executor: Executor) -> None:
    """Until a worker has loaded and has nothing to do."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not executor.idle():
        assert executor.wait(PATIENCE_SECONDS) == []
        assert time.monotonic() < until


def feed(executor: Executor, tasks: Iterable[Task]) -> list[TaskEvent]:
    """Submit as an engine does, never more than there is room for; returns all events."""
    waiting = list(tasks)[::-1]
    open_tokens: set[int] = set()
    events: list[TaskEvent] = []
    until = time.monotonic() + PATIENCE_SECONDS
    while waiting or open_tokens:
        assert time.monotonic() < until, f"no event for {sorted(open_tokens)}"
        batch = [waiting.pop() for _ in range(min(executor.room(), len(waiting)))]
        executor.submit(batch)
        open_tokens |= {task.token for task in batch}
        new = executor.wait(1.0)
        open_tokens -= {event.token for event in new}
        events += new
    return events


def settle(executor: Executor, tokens: Iterable[int]) -> list[TaskEvent]:
    """Wait until each of these tokens has had its event; returns all that came."""
    open_tokens = set(tokens)
    events: list[TaskEvent] = []
    until = time.monotonic() + PATIENCE_SECONDS
    while open_tokens:
        assert time.monotonic() < until, f"no event for {sorted(open_tokens)}"
        new = executor.wait(1.0)
        open_tokens -= {event.token for event in new}
        events += new
    return events
