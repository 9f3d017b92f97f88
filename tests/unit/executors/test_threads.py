"""Steps that wait: a thousand at once, each with its own log, and what cannot be ended is left behind."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from recoup.executors import threads as threads_module
from recoup.executors.threads import Threads
from recoup.model.errors import RecoupError, UnreachableError
from recoup.ports import Finished, Lost, Task
from recoup.testing.executors import echo, feed, settle, sleep, wait
from recoup.testing.performers import make as deeds

Make = Callable[..., Threads]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Threads] = []

    def make(slots=4, performer=None):
        made.append(Threads(slots, performer or deeds({})))
        made[-1].open()
        return made[-1]

    yield make
    for executor in made:
        executor.close()
    assert not hasattr(sys.stdout, "usual") or any(executor._left for executor in made)
    for stream in ("stdout", "stderr"):
        setattr(sys, stream, getattr(getattr(sys, stream), "usual", getattr(sys, stream)))


class Turnstile:
    """A server that answers nobody before all are there: who waits for it is there at the same time."""

    def __init__(self, count):
        self._count = count
        self._visitors = []
        self._port: Future[int] = Future()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self.port = self._port.result(10)

    async def _serve(self):
        server = await asyncio.start_server(self._enter, "127.0.0.1", 0, backlog=self._count)
        self._port.set_result(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _enter(self, _reader, writer):
        self._visitors.append(writer)
        if len(self._visitors) == self._count:
            for visitor in self._visitors:
                visitor.write(b"go\n")
                visitor.close()


class Visiting:
    """A performer whose tasks wait at the turnstile."""

    def __init__(self, port):
        self._port = port

    def __call__(self, body):
        raise AssertionError(body)

    def idle(self):
        """It holds nothing."""

    async def coroutine(self, _body):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        line = await reader.readline()
        writer.close()
        return {"line": line.decode(), "thread": threading.get_ident()}


def test_a_thousand_wait_on_sockets_on_one_thread(make):
    turnstile = Turnstile(1000)
    executor = make(1000, Visiting(turnstile.port))
    before = threading.active_count()
    assert executor.room() == 1000
    executor.submit([Task(token, {}) for token in range(1000)])
    bodies = [event.body for event in settle(executor, range(1000)) if isinstance(event, Finished)]
    assert len(bodies) == 1000
    assert {body["line"] for body in bodies} == {"go\n"}
    assert len({body["thread"] for body in bodies}) == 1
    assert threading.active_count() <= before + 1


def test_no_more_run_at_once_than_there_are_slots(make):
    running, most, lock = 0, 0, threading.Lock()

    class Counting:
        def __call__(self, _body):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.005)
            with lock:
                running -= 1
            return {}

        def coroutine(self, body):
            return self._awaited(body) if body["await"] else None

        async def _awaited(self, body):
            return await asyncio.to_thread(self, body)

        def idle(self):
            """It holds nothing."""

    executor = make(3, Counting())
    lanes = ["a.db", None, "b.db", None, None]
    feed(executor, [Task(n, {"await": n % 5 == 4}, lane=lanes[n % 5]) for n in range(60)])
    assert most == 3


def test_a_lane_has_a_thread_which_lets_go_when_nothing_waits(make):
    threads, idle = set(), threading.Event()

    class Delivering:
        def __call__(self, _body):
            threads.add(threading.get_ident())
            return {}

        def coroutine(self, _body):
            return None

        def idle(self):
            if threading.get_ident() in threads:
                idle.set()

    executor = make(8, Delivering())
    feed(executor, [Task(token, {}, lane="shop.duckdb") for token in range(20)])
    assert len(threads) == 1
    assert idle.wait(10)


def test_a_coroutine_over_its_limit_is_cancelled(make, tmp_path):
    mark = tmp_path / "mark"
    executor = make()
    executor.submit([Task(1, {"do": "await-sleep", "seconds": 60, "mark": str(mark)}, timeout_seconds=0.1)])
    (lost,) = settle(executor, [1])
    assert isinstance(lost, Lost)
    assert (lost.timed_out, dict(lost.evidence)) == (True, {"limit_seconds": 0.1})
    assert mark.read_text() == "cancelled"


def test_a_coroutine_that_does_not_let_itself_be_cancelled_is_given_up(make, monkeypatch):
    monkeypatch.setattr(threads_module, "CANCEL_SECONDS", 0.1)
    executor = make(1)
    stubborn = Task(1, {"do": "await-sleep", "seconds": 2, "stubborn": True}, timeout_seconds=0.1)
    executor.submit([stubborn, wait(2, 0.0)])
    lost, finished = settle(executor, [1, 2])
    assert isinstance(lost, Lost)
    assert lost.timed_out
    assert lost.evidence["left_running"]
    assert isinstance(finished, Finished)


def test_a_step_that_blocks_the_loop_does_not_hold_up_the_others(make, monkeypatch):
    monkeypatch.setattr(threads_module, "CANCEL_SECONDS", 0.1)
    executor = make(2)
    blocking = Task(1, {"do": "await-block", "seconds": 3.0}, timeout_seconds=0.2)
    executor.submit([wait(2, 60.0), blocking, wait(3, 0.0)])
    events = {event.token: event for event in settle(executor, [1, 2, 3])}
    culprit, neighbour = events[1], events[2]
    assert isinstance(culprit, Lost)
    assert culprit.timed_out
    assert isinstance(neighbour, Lost)
    assert not neighbour.timed_out
    assert "performers.py" in neighbour.evidence["blocked_at"]
    assert isinstance(events[3], Finished)


def test_a_thread_over_its_limit_is_given_up_and_its_answer_ignored(make):
    executor = make(1)
    executor.submit([sleep(1, 0.5, timeout_seconds=0.1), echo(2), echo(3)])
    lost, *finished = settle(executor, [1, 2, 3])
    assert isinstance(lost, Lost)
    assert (lost.token, lost.timed_out) == (1, True)
    assert dict(lost.evidence) == {"limit_seconds": 0.1, "left_running": True}
    assert [event.token for event in finished] == [2, 3]
    assert executor.wait(0.6) == []
    assert not executor._left


def test_too_many_that_hang_end_the_run(make, monkeypatch):
    monkeypatch.setattr(threads_module, "LEFT_LIMIT", 3)
    executor = make(3)
    executor.submit([sleep(token, 2.0, timeout_seconds=0.05) for token in range(3)])
    assert len(settle(executor, range(3))) == 3
    with pytest.raises(RecoupError, match="3 steps were given up and still hang"):
        executor.wait(1.0)


def test_each_attempt_prints_to_its_own_log(make, tmp_path, capfd):
    executor = make(20)
    logs = {token: tmp_path / "logs" / f"{token}.log" for token in range(20)}
    executor.submit(
        [Task(n, {"do": "await-print", "print": n, "times": 30, "log": str(logs[n])}) for n in range(10)]
        + [Task(n, {"do": "print", "print": f"Zürich {n}", "log": str(logs[n])}) for n in range(10, 20)]
    )
    settle(executor, range(20))
    assert all(logs[n].read_text() == f"{n}\n" * 30 for n in range(10))
    assert all(logs[n].read_text() == f"Zürich {n}\n" * 2 for n in range(10, 20))
    print("not of an attempt")
    assert capfd.readouterr().out.splitlines() == ["raw"] * 10 + ["not of an attempt"]


def test_logs_hold_no_secrets(make, tmp_path, monkeypatch):
    """Even one that is printed in pieces, or as bytes."""
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "hush-hush")

    class Careless:
        def __call__(self, _body):
            print("it is hush-", end="")
            print("hush!")
            sys.stdout.buffer.write(b"and again hush-hush")
            sys.stderr.write("token=abcdef\n")
            return {}

        def coroutine(self, _body):
            return None

        def idle(self):
            """It holds nothing."""

    executor = make(1, Careless())
    executor.submit([Task(1, {"log": str(tmp_path / "log")})])
    settle(executor, [1])
    assert (tmp_path / "log").read_text() == "it is ***!\nand again ***token=***\n"


def test_nothing_begins_in_a_process_that_is_unfit(make):
    """What was found out is told first, then why nothing goes on."""
    executor = make(1)
    executor.submit([Task(1, {"do": "echo", "unfit": ["an fsync has failed", "look at the disk"]}), echo(2)])
    (event,) = settle(executor, [1])
    assert isinstance(event, Finished)
    with pytest.raises(UnreachableError, match="an fsync has failed"):
        executor.wait(1.0)
    assert (executor.room(), executor.idle(), executor.take_back()) == (0, 0, [2])


PROGRAM = """
import asyncio, sys, time
from recoup.executors.threads import Threads
from recoup.ports import Task

class Hanging:
    def __call__(self, body):
        time.sleep(600)
    def coroutine(self, body):
        return asyncio.to_thread(time.sleep, 600) if body["await"] else None
    def idle(self): ...

executor = Threads(4, Hanging())
executor.open()
executor.submit([Task(token, {"await": token % 2}, timeout_seconds=0.1) for token in range(8)])
events = []
while len(events) < 8:
    events += executor.wait(5.0)
assert all(event.timed_out for event in events)
executor.submit([Task(9, {"await": False})])
executor.close()
print("closed")
"""


def test_the_process_ends_though_its_steps_hang():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "closed\n", "")


FILES = """
import resource
from recoup.executors.threads import Threads
from recoup.testing.performers import make

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
Threads(1000, make({})).open()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(2000, hard) or hard == resource.RLIM_INFINITY)
"""


def test_there_may_be_as_many_sockets_as_attempts():
    result = subprocess.run([sys.executable, "-c", FILES], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "True\n"
