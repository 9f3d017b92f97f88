"""Worker processes: whatever dies, no other task is harmed, and nothing remains."""

import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from recoup.executors import processes as processes_module
from recoup.executors import worker_process
from recoup.executors.channel import INLINE_BYTES, TASK, encode, pair
from recoup.executors.launch import Started
from recoup.executors.memory import Shortage
from recoup.executors.pace import MAX_AHEAD
from recoup.executors.processes import Processes
from recoup.model.errors import RecoupError, UsageError
from recoup.ports import Finished, Lost, Task, TaskEvent
from recoup.testing.executors import append, echo, feed, settle, sleep

PERFORMER = "recoup.testing.performers:make"
Make = Callable[..., Processes]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Processes] = []

    def make(workers: int = 1, setup: dict[str, Any] | None = None, *, performer: str = PERFORMER, **options: float):
        made.append(Processes(workers, performer, setup or {}, tmp_path / "logs", **options))
        made[-1].open()
        return made[-1]

    yield make
    pids = [pid for executor in made for pid in executor.pids()]
    for executor in made:
        executor.close()
    assert not [pid for pid in pids if alive(pid)]
    assert not list((tmp_path / "logs").glob("*.json"))


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def gone_within(seconds: float, pids: list[int]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(map(alive, pids)):
        time.sleep(0.01)
    return not any(map(alive, pids))


def hasten(executor: Processes) -> None:
    """Let it learn that tasks are short, so that it queues many ahead."""
    feed(executor, [echo(-token) for token in range(1, 401)])
    while not all(worker.ready for worker in executor._crew):
        executor.wait(0.01)
    assert executor.room() == MAX_AHEAD * len(executor.pids())


def lost_among(events: list[TaskEvent]) -> list[Lost]:
    return [event for event in events if isinstance(event, Lost)]


def pids_of(events: list[TaskEvent]) -> set[int]:
    return {event.body["pid"] for event in events if isinstance(event, Finished)}


def values(events: list[TaskEvent]) -> list[Any]:
    return [event.body["value"] for event in events if isinstance(event, Finished)]


# --- one death, one task


def test_one_death_costs_one_task_of_twenty(make):
    executor = make(1)
    hasten(executor)
    executor.submit([Task(1, {"do": "kill-self"}, expected_seconds=0.001), *(echo(token) for token in range(2, 22))])
    assert len(executor._crew[0].sent) == min(21, MAX_AHEAD)
    events = settle(executor, range(1, 22))
    assert [event.token for event in lost_among(events)] == [1]
    assert len(events) == 21


def test_a_worker_that_finds_itself_unfit_ends_and_loses_nothing(make):
    executor = make(1)
    hasten(executor)
    [pid] = executor.pids()
    executor.submit([Task(1, {"do": "echo", "unfit": ["the disk is broken", ""]}), *(echo(t) for t in range(2, 9))])
    events = settle(executor, range(1, 9))
    assert not lost_among(events)
    assert len(pids_of(events)) == 2
    assert [pid] != executor.pids()


def test_a_result_that_was_sent_before_the_death_counts(make):
    executor = make(1)
    hasten(executor)
    executor.submit([echo(1)])
    time.sleep(0.2)
    os.kill(executor.pids()[0], signal.SIGKILL)
    assert not lost_among(settle(executor, [1]))


def test_the_evidence_tells_how_it_ended(make, tmp_path):
    executor = make(1)
    [pid] = executor.pids()
    executor.submit([Task(1, {"do": "kill-self", "print": "last words"})])
    [lost] = lost_among(settle(executor, [1]))
    assert lost.evidence.items() >= {"pid": pid, "signal": 9, "output_tail": "last words"}.items()
    executor.submit([Task(2, {"do": "exit", "code": 3})])
    [lost] = lost_among(settle(executor, [2]))
    assert lost.evidence["exit_code"] == 3
    executor.submit([Task(3, {"do": "raise"})])
    [lost] = lost_among(settle(executor, [3]))
    assert lost.evidence["exit_code"] == 70
    assert lost.evidence["output_tail"].endswith("ValueError: boom")


def test_children_of_a_dead_worker_go_with_it(make):
    executor = make(1)
    executor.submit([Task(1, {"do": "leave-child"})])
    [child] = values(settle(executor, [1]))
    assert alive(child)  # and it holds the worker's sockets, so their end is never seen
    executor.submit([Task(2, {"do": "kill-self"})])
    assert [lost.token for lost in lost_among(settle(executor, [2]))] == [2]
    assert gone_within(20.0, [child])


def test_a_worker_that_dies_while_it_loads_costs_nothing(make):
    executor = make(2, {"sleep_seconds": 0.3})
    executor.submit([echo(token) for token in range(10)])
    os.kill(executor.pids()[0], signal.SIGKILL)
    assert not lost_among(settle(executor, range(10)))


# --- limits


def test_a_limit_kills_the_worker_and_spares_what_waits(make):
    executor = make(1)
    hasten(executor)
    [pid] = executor.pids()
    executor.submit([sleep(1, 60.0, timeout_seconds=0.3), *(echo(token) for token in range(2, 12))])
    events = settle(executor, range(1, 12))
    [lost] = lost_among(events)
    assert lost.timed_out
    assert lost.evidence.items() >= {"limit_seconds": 0.3, "signal": 9, "pid": pid}.items()
    assert not alive(pid)


def test_the_clock_of_a_limit_starts_when_the_task_does(make):
    executor = make(1, {"sleep_seconds": 0.5})
    tasks = [sleep(token, 0.2, timeout_seconds=0.45) for token in range(5)]
    executor.submit(tasks)
    assert not lost_among(settle(executor, range(5)))


def test_a_controller_that_was_away_kills_nothing_that_has_finished(make):
    executor = make(1)
    hasten(executor)
    [pid] = executor.pids()
    executor.submit([sleep(token, 0.01, timeout_seconds=0.2) for token in range(10)])
    time.sleep(0.6)
    assert not lost_among(settle(executor, range(10)))
    assert executor.pids() == [pid]


def test_a_stopped_worker_is_given_up(make):
    executor = make(1, stop_check_seconds=0.2)
    hasten(executor)
    executor.submit([sleep(1, 60.0), *(echo(token) for token in range(2, 8))])
    executor.wait(0.1)
    [pid] = executor.pids()
    os.kill(pid, signal.SIGSTOP)
    events = settle(executor, range(1, 8))
    [lost] = lost_among(events)
    assert lost.token == 1
    assert lost.evidence["stopped"]
    assert not alive(pid)


def test_a_worker_that_was_stopped_with_nothing_begun_loses_nothing(make):
    executor = make(2, stop_check_seconds=0.2)
    hasten(executor)
    pid, other = executor.pids()
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:  # until then it may still begin one
        time.sleep(0.001)
    executor.submit([echo(token) for token in range(20)])
    events = settle(executor, range(20))
    assert not lost_among(events)
    assert pids_of(events) == {other}
    executor.wait(0.6)
    assert pid not in executor.pids()
    assert len(executor.pids()) == 2


def test_a_slow_worker_is_not_a_stopped_one(make):
    executor = make(1, stop_check_seconds=0.1)
    executor.submit([sleep(1, 0.8)])
    assert not lost_among(settle(executor, [1]))


# --- what has not begun


def test_what_is_taken_back_is_exactly_what_has_not_begun(make, tmp_path):
    executor = make(1)
    hasten(executor)
    lines = tmp_path / "lines"
    executor.submit([Task(token, append(lines, token, seconds=0.5), expected_seconds=0.001) for token in range(20)])
    assert executor.wait(0.1) == []
    assert len(executor._crew[0].sent) == min(20, MAX_AHEAD)
    assert executor.take_back() == list(range(1, 20))
    assert [event.token for event in settle(executor, [0])] == [0]
    assert lines.read_text() == "0\n"


def test_what_waits_behind_a_long_task_goes_to_whom_is_idle(make):
    executor = make(2)
    hasten(executor)
    executor.submit([Task(0, {"do": "sleep", "seconds": 60.0}, expected_seconds=0.001), *map(echo, range(1, 30))])
    sleeper = next(worker for worker in executor._crew if worker.sent[0].task.token == 0)
    assert len(sleeper.sent) > 5
    events = settle(executor, range(1, 30))
    assert 0 not in {event.token for event in events}, "nobody waited for it"
    assert sleeper.pid not in pids_of(events)
    assert executor.room() > 0


def test_nothing_is_queued_behind_a_long_task(make):
    executor = make(2)
    hasten(executor)
    executor.submit([sleep(0, 0.5), sleep(1, 0.5)])
    executor.wait(0.05)
    assert executor.room() == 0


def test_a_lane_moves_to_another_worker_after_a_death_and_keeps_its_order(make, tmp_path):
    executor = make(3)
    lines = tmp_path / "lines"
    lane = [Task(token, append(lines, token, seconds=0.002), lane="db") for token in range(40)]
    lane[10] = Task(10, {"do": "kill-self"}, lane="db")
    events = feed(executor, [task for token in range(40) for task in (lane[token], sleep(100 + token, 0.005))])
    assert [lost.token for lost in lost_among(events)] == [10]
    assert lines.read_text().split() == [str(token) for token in range(40) if token != 10]
    assert len(pids_of([event for event in events if event.token < 10])) == 1
    assert len(pids_of([event for event in events if 10 < event.token < 40])) == 1


def test_a_full_socket_is_no_room(make):
    executor = make(1)
    hasten(executor)
    executor.submit([echo(token, "x" * (INLINE_BYTES - 1000)) for token in range(80)])
    assert executor.room() == 0
    assert len(settle(executor, range(80))) == 80


# --- bodies and output


@pytest.mark.parametrize("size", [INLINE_BYTES - 100, INLINE_BYTES + 100, 3_000_000])
def test_long_bodies_travel_too(make, size):
    executor = make(1)
    executor.submit([echo(1, "x" * size), Task(2, {"do": "blow-up", "bytes": size})])
    assert [len(value) for value in values(settle(executor, [1, 2]))] == [size, size]


def test_long_bodies_leave_no_files_when_they_are_not_delivered(make):
    executor = make(1, {"sleep_seconds": 0.3, "padding": "x" * 200_000})
    executor.submit([echo(token, "x" * 200_000) for token in range(3)])
    os.kill(executor.pids()[0], signal.SIGKILL)
    executor.submit([Task(3, {"do": "kill-self", "padding": "x" * 200_000})])
    settle(executor, range(4))
    executor.submit([echo(token, "x" * 200_000) for token in range(4, 8)])
    executor.take_back()  # the fixture looks for files


def test_each_task_gets_what_it_printed(make, tmp_path):
    executor = make(1)
    names = ["a", "quiet", "b", "dead", "after"]
    logs = {name: str(tmp_path / "attempts" / name / "log") for name in names}
    executor.submit([
        Task(1, {"do": "print", "print": "one", "log": logs["a"]}),
        Task(2, {"do": "echo", "log": logs["quiet"]}),
        Task(3, {"do": "print", "print": "zwö\u2028lf", "log": logs["b"]}),
        Task(4, {"do": "kill-self", "print": "half", "log": logs["dead"]}),
        Task(5, {"do": "print", "print": "five", "log": logs["after"]}),
    ])  # fmt: skip
    settle(executor, range(1, 6))
    assert Path(logs["a"]).read_text() == "one\none\nraw\n"
    assert not Path(logs["quiet"]).exists()
    assert Path(logs["b"]).read_text("utf-8") == "zwö\u2028lf\nzwö\u2028lf\nraw\n"
    assert Path(logs["dead"]).read_text() == "half\n"
    assert Path(logs["after"]).read_text() == "five\nfive\nraw\n"


def test_a_workers_own_log_does_not_grow_for_ever(make, tmp_path):
    executor = make(1)
    logs = [tmp_path / "one", tmp_path / "two"]
    executor.submit([Task(1, {"do": "print", "print": "x" * 9_000_000, "log": str(logs[0])})])
    executor.submit([Task(2, {"do": "print", "print": "two", "log": str(logs[1])})])
    settle(executor, [1, 2])
    assert logs[0].stat().st_size == 18_000_006
    assert logs[1].read_text() == "two\ntwo\nraw\n"
    assert (tmp_path / "logs" / f"worker-{executor.pids()[0]}.log").stat().st_size < 100


def test_workers_see_the_controllers_world(make, monkeypatch):
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    executor = make(2)
    executor.submit([Task(1, {"do": "environment"})])
    threads = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert values(settle(executor, [1])) == [{"threads": threads, "pythonpath": "/somewhere", "path": sys.path}]
    monkeypatch.setenv("POLARS_MAX_THREADS", "7")
    other = make(2)
    other.submit([Task(1, {"do": "environment"})])
    assert values(settle(other, [1]))[0]["threads"] == "7"


# --- starts


def test_what_keeps_a_worker_from_starting_is_said_in_one_sentence(make):
    executor = make(2, {"error": "UsageError"})
    executor.submit([echo(token) for token in range(5)])
    with pytest.raises(UsageError, match=r"^no such step: raw_flights$") as raised:
        executor.wait(20.0)
    assert raised.value.remedy == "look at the pipeline"
    assert executor.room() == 0
    assert sorted(executor.take_back()) == list(range(5))


def test_a_performer_that_is_not_there(make):
    executor = make(1, performer="recoup.nowhere:make")
    with pytest.raises(RecoupError, match=r"could not start: ModuleNotFoundError: No module named 'recoup\.nowhere'"):
        executor.wait(20.0)


def test_workers_that_die_at_every_start_are_not_started_for_ever(make, tmp_path):
    executor = make(1, {"exit": 3, "mark": str(tmp_path / "marks")})
    executor.submit([echo(1)])
    with pytest.raises(RecoupError, match=r"3 workers in a row ended before they were ready .*exit_code 3.*: no good"):
        executor.wait(20.0)
    assert len((tmp_path / "marks").read_text().split()) == 3
    assert executor.take_back() == [1]


def test_a_start_that_hangs_is_ended(make, monkeypatch):
    monkeypatch.setattr(worker_process, "START_SECONDS", 0.2)
    monkeypatch.setattr(processes_module, "STILLBORN_LIMIT", 1)
    executor = make(1, {"sleep_seconds": 60.0})
    with pytest.raises(RecoupError, match="start_limit_seconds"):
        executor.wait(20.0)


def test_open_does_not_wait(make):
    executor = make(2, {"sleep_seconds": 0.5})
    executor.submit([echo(1)])
    assert not any(worker.ready for worker in executor._crew)
    settle(executor, [1])


# --- taking back while the worker goes on


class Racing:
    """The controller's end of the worker's inbox; the worker itself receives every second message."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def recv(self, size: int, flags: int) -> bytes:
        taken = self._end.recv(size, flags)
        with suppress(BlockingIOError):
            self._end.recv(size, flags)
        return taken


def test_what_the_worker_receives_in_between_is_its_own(tmp_path):
    process: Any = SimpleNamespace(pid=os.getpid())
    outbox, inbox = pair()
    theirs: Any = Racing(inbox)
    started = Started(process, outbox, theirs, outbox, tmp_path / "log", tmp_path / "setup")
    worker = worker_process.WorkerProcess(started, 0.0)
    with outbox, inbox:
        for token in range(1, 6):
            message = encode(TASK, token, {"do": "echo"}, tmp_path)
            worker.send(worker_process.Parcel(echo(token), message, 0.001), 0.0)
        assert [parcel.task.token for parcel in worker.pull()] == [1, 3, 5]
        assert [parcel.task.token for parcel in worker.sent] == [2, 4]


# --- memory


def test_a_worker_that_the_system_killed_for_lack_of_memory_says_so(make, tmp_path):
    executor = make(1)
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 3\noom_kill 1\n")
    executor._shortage = Shortage(counter)
    executor.submit([Task(1, {"do": "kill-self"})])
    assert "out_of_memory" not in lost_among(settle(executor, [1]))[0].evidence
    executor._roll_call = math.inf  # what happens between two roll calls
    counter.write_text("low 0\noom 4\noom_kill 2\n")
    executor.submit([Task(2, {"do": "kill-self"})])
    assert lost_among(settle(executor, [2]))[0].evidence["out_of_memory"] is True


def test_what_the_system_killed_elsewhere_before_is_nobody_of_ours(make, tmp_path):
    executor = make(1)
    counter = tmp_path / "memory.oom_control"
    counter.write_text("oom_kill_disable 0\noom_kill 0\n")
    executor._shortage = Shortage(counter)
    counter.write_text("oom_kill_disable 0\noom_kill 1\n")
    executor._roll_call = 0.0
    executor.submit([echo(1)])
    settle(executor, [1])
    executor.submit([Task(2, {"do": "kill-self"})])
    assert "out_of_memory" not in lost_among(settle(executor, [2]))[0].evidence


def test_a_worker_that_keeps_much_is_replaced_behind_its_task(make):
    executor = make(1)
    [first] = executor.pids()
    executor.submit([Task(1, {"do": "leave-memory", "bytes": 300_000_000}, memory_bytes=250_000_000)])
    executor.submit([echo(token) for token in range(2, 8)])
    events = settle(executor, range(1, 8))
    while executor.pids() == [first]:
        assert executor.wait(10.0) == []
    executor.submit([echo(8)])
    assert pids_of(settle(executor, [8])) == set(executor.pids()) != {first}
    assert {event.token for event in lost_among(events)} <= {1}


def test_the_dead_tell_what_cpu_their_task_took(make):
    executor = make(1)
    executor.submit([Task(1, {"do": "burn", "cpu_seconds": 0.5})])
    settle(executor, [1])
    executor.submit([sleep(2, 60.0, timeout_seconds=0.1)])
    assert 0 <= lost_among(settle(executor, [2]))[0].evidence["cpu_seconds"] < 0.5


# --- nothing remains

CONTROLLER = """
import os, sys, time
from pathlib import Path
from recoup.executors.processes import Processes
from recoup.testing.executors import sleep
executor = Processes(3, "recoup.testing.performers:make", {"sleep_seconds": float(sys.argv[2])}, Path(sys.argv[1]))
executor.open()
executor.submit([sleep(token, 60.0) for token in range(6)])
executor.wait(1.0 if sys.argv[2] == "0" else 0.0)
print(*executor.pids(), flush=True)
if sys.argv[3] == "stay":
    time.sleep(60.0)
"""


@pytest.mark.parametrize("load_seconds", ["0", "60"])
@pytest.mark.parametrize("end", ["stay", "exit"])
def test_workers_end_with_their_controller(tmp_path, load_seconds, end):
    command = [sys.executable, "-c", CONTROLLER, str(tmp_path), load_seconds, end]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=controller_environment()) as controller:
        assert controller.stdout
        pids = [int(pid) for pid in controller.stdout.readline().split()]
        assert len(pids) == 3
        if end == "stay":
            assert all(map(alive, pids))
            controller.kill()
    assert gone_within(2.0, pids)


def test_a_worker_watches_its_socket_where_the_system_does_not():
    ours, theirs = pair()
    code = f"import threading; from recoup.executors.worker import watch; watch({theirs.fileno()})"
    command = [sys.executable, "-c", code]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()], env=controller_environment()) as watcher:
        theirs.close()
        ours.send(b"a task")
        with pytest.raises(subprocess.TimeoutExpired):
            watcher.wait(0.5)
        ours.close()
        assert watcher.wait(5.0) == 143


def controller_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


# --- everything at once


@pytest.mark.parametrize("seed", [11, 23, 47])
def test_every_task_is_accounted_for_while_workers_are_killed(make, tmp_path, monkeypatch, seed):
    print(f"seed {seed}")
    monkeypatch.setattr(processes_module, "STILLBORN_LIMIT", 1000)  # some are killed while they load
    chance = random.Random(seed)
    executor = make(3)
    witness = tmp_path / "witness"
    fates: list[tuple[int, str]] = []
    kills: list[int] = []
    lost: list[Lost] = []
    token, open_tokens, next_kill = 0, set[int](), 0.3
    before = time.monotonic()
    over = False
    while not over or open_tokens:
        over = over or (time.monotonic() - before >= 2.5 and token > 200 and len(kills) > 3)
        batch = [random_task(chance, token + n, witness) for n in range(0 if over else min(executor.room() + 3, 40))]
        token += len(batch)
        open_tokens |= {task.token for task in batch}
        executor.submit(batch)
        if not over and time.monotonic() - before > next_kill:
            next_kill += chance.uniform(0.05, 0.35)
            kills.append(chance.choice(executor.pids()))
            with suppress(ProcessLookupError):
                os.kill(kills[-1], signal.SIGKILL)
        if chance.random() < 0.01:
            taken = executor.take_back()
            open_tokens.difference_update(taken)
            fates += [(taken_token, "taken") for taken_token in taken]
        events = executor.wait(0.5)
        open_tokens.difference_update(event.token for event in events)
        fates += [(event.token, type(event).__name__) for event in events]
        lost += lost_among(events)
        assert time.monotonic() - before < 60.0, f"no fate for {sorted(open_tokens)}"
    assert executor.wait(0.1) == []
    assert Counter(fated for fated, _ in fates) == Counter(range(token))
    begun = Counter(map(int, witness.read_text().split()))
    assert set(begun.values()) == {1}
    assert {fated for fated, fate in fates if fate == "Finished"} <= begun.keys()
    assert not {fated for fated, fate in fates if fate == "taken"} & begun.keys()
    assert len(lost) == len({event.evidence["pid"] for event in lost})  # a death loses one task, never two
    assert {event.evidence["pid"] for event in lost} <= set(kills)


def random_task(chance: random.Random, token: int, witness: Path) -> Task:
    lane = f"lane-{chance.randrange(3)}" if chance.random() < 0.2 else None
    seconds = chance.choice([0.0, 0.0, 0.0, 0.001, 0.005, 0.03])
    body = append(witness, token, seconds=seconds)
    if chance.random() < 0.02:
        body["padding"] = "x" * 100_000
    return Task(token, body, lane=lane, expected_seconds=0.001)
