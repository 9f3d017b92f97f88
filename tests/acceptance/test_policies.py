"""What recoup does by itself when attempts fail: how often it tries again, how long it waits, and when it stops."""

import http.server
import json
import signal
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from recoup.executors.pace import MAX_AHEAD

IN_HAND = 2 * MAX_AHEAD
"""The most that two workers are given at once, were they never so quick."""


@contextmanager
def api(answer, port=0):
    """A real server on a port of its own; `answer(path, number)` says status and headers of the number-th request."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, headers = answer(self.path, len(asked))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


KILLER = """
games = rc.Pipeline(
    "games", partitions=rc.Daily("2024-01-01", "2024-01-12"), retry=rc.Retry(max_attempts=9, initial="10ms", max="10ms")
)


@games.step
def schedule(ctx):
    with noted(ctx):
        if ctx.partition == "2024-01-05":
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_step_that_kills_its_worker_three_times_is_parked_and_its_neighbours_are_unharmed(project):
    project.declare("games", KILLER, "max_parallel = 2")
    answer = project.answer("run", "games")

    assert (answer["exit_code"], answer["counts"]["succeeded"], answer["counts"]["failed"]) == (1, 11, 1)
    began = [call.partition for call in project.calls()]
    assert began.count("2024-01-05") == 3
    assert len(began) == 14
    [group] = answer["incomplete"]
    assert (group["kind"], group["ranges"]) == ("lost", [["2024-01-05", "2024-01-05"]])
    [cause] = project.answer("why", "games")["causes"]
    assert (cause["kind"], cause["category"], cause["attempts"]) == ("lost", "infrastructure", 3)
    assert cause["message"] == "the worker vanished (signal 9)"
    assert cause["compared"]["others_complete"] == 11


GUARDED = """
import urllib.request

games = rc.Pipeline("games", partitions=rc.Daily("2020-01-01", "2022-12-31"))


@games.step
def schedule(ctx):
    with noted(ctx):
        urllib.request.urlopen(os.environ["API"] + "/" + ctx.partition).close()
"""


def test_refused_credentials_stop_a_thousand_partitions_at_once(project):
    project.declare("games", GUARDED, "max_parallel = 2")
    with api(lambda _path, number: (200 if number <= 4 else 401, {})) as (url, asked):
        project.environ["API"] = url
        result = project.recoup("run", "games")
        requests = len(asked)
        assert result.returncode == 1
        assert "stopped at once" in result.stdout
        assert "401" in result.stdout
        assert "enew" in result.stdout
    # Those that were on their way when the first refusal came, and no more.
    assert 5 <= requests <= 4 + IN_HAND
    assert [state for (state,) in project.ledger("SELECT state FROM backfills")] == ["incomplete"]

    # Once they are renewed, the same command does the rest.
    with api(lambda _path, _number: (200, {})) as (url, asked):
        project.environ["API"] = url
        assert project.answer("run", "games")["state"] == "done"
        assert len(asked) == 1096 - 4


ASKING = """
import urllib.request

games = rc.Pipeline(
    "games",
    partitions=rc.Daily("2000-01-01", "2027-05-18"),
    retry=rc.Retry(initial="300ms", max="300ms"),
)


@games.step
def schedule(ctx):
    with noted(ctx):
        urllib.request.urlopen(os.environ["API"] + "/" + ctx.partition, timeout=5).close()


@games.step
def totals(ctx, schedule): ...
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_ten_thousand_partitions_against_a_dead_source_cost_a_handful_of_attempts(project):
    project.declare("games", ASKING, "max_parallel = 2")
    project.environ["API"] = f"http://127.0.0.1:{free_port()}"
    answer = project.answer("run", "games")

    assert answer["exit_code"] == 1
    counts = answer["counts"]
    assert counts["actions"] == 20_000
    assert counts["failed"] + counts["blocked"] == 20_000
    # Five in a row, three probes, and what the two workers had before them when it opened.
    assert 8 <= len(project.calls()) <= 4 + IN_HAND + 3
    assert project.ledger("SELECT count(*) FROM attempts WHERE state <> 'released'") == [(len(project.calls()),)]
    untried = next(group for group in answer["incomplete"] if group["step"] == "schedule" and "reason" in group)
    assert untried["reason"].startswith("not tried: ")
    assert "Connection refused" in untried["reason"]


def test_a_source_that_comes_back_is_noticed_by_a_probe_and_the_same_run_does_the_rest(project, until):
    project.declare("games", ASKING.replace("2027-05-18", "2000-12-31"), "max_parallel = 2")
    port = free_port()
    project.environ["API"] = f"http://127.0.0.1:{port}"
    running = project.start("run", "games", "--json")
    until(lambda: len(project.calls()) >= 5, running)  # by then there is a ledger, too
    until(lambda: project.ledger("SELECT 1 FROM events WHERE kind = 'breaker opened'"), running)
    with api(lambda _path, _number: (200, {}), port):
        output, _ = running.communicate(timeout=60)

    assert running.returncode == 0
    answer = json.loads(output.splitlines()[-1])
    assert (answer["state"], answer["counts"]["succeeded"]) == ("done", 2 * 366)


BUSY = """
import urllib.request

games = rc.Pipeline("games", partitions=rc.Daily("2024-01-01", "2024-01-24"), retry=rc.Retry(9, initial="5m"))


@games.step
def schedule(ctx):
    with noted(ctx):
        urllib.request.urlopen(os.environ["API"] + "/" + ctx.partition, timeout=20).close()
"""


class Crowded:
    """A server that answers three at once, and asks any more of them to come back after a second."""

    def __init__(self):
        self.inside, self.refused, self.early = 0, {}, []
        self._lock = threading.Lock()

    def __call__(self, path, _number):
        with self._lock:
            if path in self.refused and time.monotonic() - self.refused[path] < 1:
                self.early.append(path)
            if self.inside >= 3:
                self.refused[path] = time.monotonic()
                return 429, {"Retry-After": "1"}
            self.inside += 1
        time.sleep(0.05)
        with self._lock:
            self.inside -= 1
        return 200, {}


def test_a_server_that_is_too_busy_gets_fewer_at_once_when_it_has_said(project):
    """Without its Retry-After each of them would come back after five minutes."""
    project.declare("games", BUSY, 'executor = "threads"')
    crowded = Crowded()
    with api(crowded) as (url, _):
        project.environ["API"] = url
        answer = project.answer("run", "games", "--max-parallel", "12")
    assert (answer["state"], answer["counts"]["succeeded"]) == ("done", 24)
    assert crowded.refused
    assert crowded.early == []


METERED = """
games = rc.Pipeline("games", partitions=rc.Daily("2024-01-01", "2024-01-06"))


class QuotaError(Exception):
    def __init__(self, seconds):
        super().__init__("Exceeded quota: daily query bytes")
        self.retry_after = seconds


@games.step(pool="warehouse")
def schedule(ctx):
    with noted(ctx):
        if ctx.partition == "2024-01-03":
            if not told("reset"):
                (HERE / "reset").write_text(str(time.time() + 3))
            left = float(told("reset")[0]) - time.time()
            if left > 0:
                raise QuotaError(left)
"""


@pytest.mark.runbook("B-58")
def test_a_quota_pauses_the_pool_until_its_reset_and_goes_on_by_itself_after_kill_9_too(project, until, stop):
    """Inline, so that nothing is on its way when it comes: not one attempt before the reset."""
    project.declare("games", METERED, 'executor = "inline"\npools.warehouse = 2')
    first = project.start("run", "games")
    until(lambda: len(project.calls()) >= 3, first)
    until(lambda: project.ledger("SELECT 1 FROM pauses"), first)
    stop(first, signal.SIGKILL)
    answer = project.answer("run", "games")

    assert (answer["state"], answer["exit_code"]) == ("done", 0)
    reset = float((project.folder / "reset").read_text())
    began = [call.at for call in project.calls()]
    assert len(began) == 7
    assert [at < reset for at in began] == [True] * 3 + [False] * 4


def test_a_quota_without_a_reset_time_waits_for_a_person(project):
    project.declare("games", METERED.replace("self.retry_after = seconds", "pass"), "pools.warehouse = 2")
    answer = project.answer("run", "games")
    assert answer["exit_code"] == 1
    [group] = answer["incomplete"]
    assert (group["kind"], group["count"]) == ("quota", 1)
    [cause] = project.answer("why", "games")["causes"]
    assert (cause["kind"], cause["category"]) == ("quota", "resources")
    assert cause["todo"][-1]["command"] == "recoup run games 2024-01-03 --delay 10s"
