"""How often recoup tries again and how long it waits: the numbers of the documents, by a clock that a test holds."""

import os
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace

import pytest

from recoup.app.workspace import Workspace
from recoup.engine.runner import LOOK_SECONDS
from recoup.executors.inline import Inline
from recoup.testing.clock import FakeClock
from tests.acceptance.vendor import vendor

LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""Workers measure by the system's clock: what they have done must not lie ahead of ours."""
TICK = LOOK_SECONDS
"""How late a start may come by the held clock."""


@pytest.fixture
def held(here, monkeypatch):
    """The same command line, by a clock that goes on only while somebody waits or sleeps."""
    clock, original = FakeClock(LATER), Workspace.here

    def with_clock(*given):
        workspace = original(*given)
        workspace.clock = clock
        return workspace

    def pause(executor, timeout_seconds):
        if not executor._selector.select(0):
            clock.advance(timeout_seconds)

    monkeypatch.setattr(Workspace, "here", with_clock)
    monkeypatch.setattr(Inline, "_pause", pause)
    monkeypatch.setattr(time, "sleep", clock.advance)
    monkeypatch.setattr("recoup.executors.resources.time.perf_counter", clock.monotonic)
    here.clock = clock
    return here


def begins(held, step):
    """When each attempt was claimed, by the held clock, by partition."""
    rows = held.project.ledger(
        "SELECT r.partition, a.claimed_at FROM attempts a JOIN nodes n USING (node) JOIN runs r USING (run)"
        " WHERE n.name = ? ORDER BY a.token",
        step,
    )
    return {day: [at for key, at in rows if key == day] for day, _ in rows}


def waits(moments):
    return [after - before for before, after in pairwise(moments)]


PHASE3 = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-14", "2023-11-15"))


@phase3.step(retry=rc.Retry())
def player_game_summary(ctx):
    if ctx.partition == "2023-11-15":
        raise RuntimeError("ERROR: Query timeout: exceeded 180 seconds")


@phase3.step(timeout="180s", retry=rc.Retry(1))
def team_game_summary(ctx):
    time.sleep(181 if ctx.partition == "2023-11-15" else 180)
"""


@pytest.mark.runbook("B-36")
def test_a_timeout_waits_half_a_minute_is_tried_three_times_and_then_is_a_persons(held):
    held.project.declare("phase3", PHASE3, 'executor = "inline"')
    assert held.recoup("run", "phase3", "--step", "player_game_summary").returncode == 1

    first, second = waits(begins(held, "player_game_summary")["2023-11-15"])  # two retries, and no third
    assert 30 <= first <= 33.2
    assert 60 <= second <= 66.2
    [failed] = held.answer("status", "phase3", "--only", "failed")["incomplete"]
    assert (failed["state"], failed["kind"], failed["step"]) == ("failed", "timeout", "player_game_summary")
    assert held.answer("why", "phase3")["next"] == "recoup retry phase3 2023-11-15 --step player_game_summary"


@pytest.mark.runbook("B-34")
def test_a_limit_of_three_minutes_on_the_step(held):
    held.project.declare("phase3", PHASE3, 'executor = "inline"')
    assert held.recoup("run", "phase3", "--step", "team_game_summary").returncode == 1
    [failed] = held.answer("status", "phase3", "--only", "failed")["incomplete"]
    assert (failed["kind"], failed["ranges"]) == ("timeout", [["2023-11-15", "2023-11-15"]])
    assert "limit of 180 s" in failed["message"]


HOURLY = """
airflow = {"max_attempts": 4, "initial": "5m", "max": "5m"}
lake = rc.Pipeline(
    "lake",
    partitions=rc.Daily("2024-01-15", "2024-01-15", key="dt"),
    retry=rc.Retry(**airflow, kinds={"timeout": rc.Retry(**airflow)}),
)


@lake.step
def ingest_bronze(ctx):
    time.sleep(3601)


@lake.step(timeout="1m")
def silver(ctx):
    time.sleep(61)


@lake.step
def gold(ctx):
    time.sleep(3599)


@lake.step(retry=rc.Retry(1))
def hangs(ctx):
    with noted(ctx):
        wait_for("the end of time")
"""


@pytest.mark.runbook("E-34")
def test_three_retries_five_minutes_apart_and_a_step_s_own_limit_holds_for_it_alone(held):
    held.project.declare("lake", HOURLY, 'executor = "inline"')
    for step, limit in (("ingest_bronze", 3600), ("silver", 60)):
        assert held.recoup("run", "lake", "--step", step).returncode == 1
        [moments] = begins(held, step).values()
        assert waits(moments) == pytest.approx(3 * [limit + 1 + 300], abs=2 * TICK)
    assert held.recoup("run", "lake", "--step", "gold").returncode == 0
    causes = {cause["where"][0]["step"]: cause for cause in held.answer("why", "lake")["causes"]}
    assert {step: (c["kind"], c["evidence"]["limit_seconds"], c["attempts"]) for step, c in causes.items()} == {
        "ingest_bronze": ("timeout", 3600, 4),
        "silver": ("timeout", 60, 4),
    }


@pytest.mark.runbook("E-34")
def test_an_attempt_is_cut_at_its_hour(here, until, monkeypatch):
    """Its worker is killed, not before the hour and soon after it: the clock of the executor leaps."""
    here.project.declare("lake", HOURLY, "max_parallel = 1")
    leap, alive, ended = [0.0], [], threading.Event()
    monkeypatch.setattr(
        "recoup.executors.processes.time", SimpleNamespace(monotonic=lambda: time.monotonic() + leap[0])
    )

    def leaping():
        until(here.project.calls)
        [call] = here.project.calls()
        time.sleep(2 * LOOK_SECONDS)  # the executor hears that it has begun, before the clock leaps
        leap[0] = 3500.0
        time.sleep(2 * LOOK_SECONDS)
        os.kill(call.pid, 0)
        alive.append(call.pid)
        leap[0] = 3601.0
        if not ended.wait(60):
            alive.append(call.pid)  # it should be over: the test fails, and ends
            leap[0] = 1e6

    thread = threading.Thread(target=leaping)
    thread.start()
    code = here.recoup("run", "lake", "--step", "hangs").returncode
    ended.set()
    thread.join()
    assert code == 1
    assert len(alive) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(alive[0], 0)
    [cause] = here.answer("why", "lake")["causes"]
    assert (cause["kind"], cause["evidence"]["limit_seconds"]) == ("timeout", 3600)


EMR = """
import urllib.error

emr = rc.Retry(max_attempts=4, initial="30s", max="5m")
lake = rc.Pipeline("lake", partitions=rc.Daily("2024-01-15", "2024-01-15", key="dt"), retry=emr)


@lake.step
def bronze(ctx):
    raise ConnectionResetError(104, "Connection reset by peer")


@lake.step(retry=rc.Retry(max_attempts=4, initial="30s", max="5m", jitter=0))
def silver(ctx):
    raise ConnectionResetError(104, "Connection reset by peer")


@lake.step(retry=rc.Retry(max_attempts=7, initial="30s", max="5m"))
def gold(ctx):
    raise ConnectionResetError(104, "Connection reset by peer")


@lake.step
def broken(ctx):
    raise RuntimeError("SchemaValidationException: missing column")


@lake.step
def buggy(ctx):
    return 1 / 0


@lake.step
def stranger(ctx):
    if told("credentials"):
        raise urllib.error.HTTPError("http://vendor/x", 401, "Unauthorized", {}, None)
"""


@pytest.mark.runbook("E-33", "E-i1")
def test_waits_double_from_half_a_minute_to_five_and_what_would_fail_again_has_none(held):
    held.project.declare("lake", EMR, 'executor = "inline"')
    assert held.recoup("run", "lake").returncode == 1

    [exact] = begins(held, "silver").values()
    assert [round(wait) for wait in waits(exact)] == [30, 60, 120]  # 1 + 3 attempts
    [usual] = begins(held, "bronze").values()
    assert len(usual) == 4
    assert all(low <= wait <= 1.1 * low + TICK for wait, low in zip(waits(usual), (30, 60, 120), strict=True))
    [more] = begins(held, "gold").values()
    lows = (30, 60, 120, 240, 270, 270)
    assert all(low <= wait <= 300 + TICK for wait, low in zip(waits(more), lows, strict=True))
    assert len({round(wait, 3) for wait in waits(more)}) == 6
    for step in ("broken", "buggy"):
        [once] = begins(held, step).values()
        assert len(once) == 1
    held.project.write("credentials", "expired")
    before = held.clock.monotonic()
    held.recoup("publish", "rollback", "lake.stranger", "2024-01-15", "--yes")
    assert held.recoup("run", "lake", "--step", "stranger").returncode == 1
    assert held.clock.monotonic() - before < 30
    refused = held.answer("runs", "lake", "--failed", "--limit", "0")["runs"]
    assert [run["failure_kind"] for run in refused].count("auth") == 1


POLITE = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-05"))


@phase3.step(pool="warehouse", retry=rc.Retry(max_attempts=2, initial="10s", jitter=0))
def player_game_summary(ctx):
    if ctx.partition == "2023-11-03" and ctx.attempt == 1:
        raise ConnectionResetError(104, "Connection reset by peer")
"""


@pytest.mark.runbook("B-37")
def test_a_retry_on_the_step_two_seconds_between_dates_and_the_pool_in_the_status(held):
    held.project.declare("phase3", POLITE, 'executor = "inline"\npools.warehouse = {slots = 4, delay = "2s"}')
    assert held.recoup("run", "phase3").returncode == 0

    moments = begins(held, "player_game_summary")
    starts = sorted(at for own in moments.values() for at in own)
    assert len(starts) == 6
    assert all(wait >= 2 for wait in waits(starts))
    assert waits([own[0] for own in moments.values()]) == pytest.approx(4 * [2], abs=TICK)
    assert waits(moments["2023-11-03"]) == pytest.approx([10], abs=TICK)
    [pool] = held.answer("status", "phase3")["pools"]
    assert (pool["pool"], pool["slots"], pool["delay_seconds"], pool["running"]) == ("warehouse", 4, 2.0, 0)
    assert pool["last_start"].startswith("2100-01-01T00:00:1")
    assert pool["paused_until"] is None
    told = held.recoup("status", "phase3").stdout
    assert "pool warehouse  0 running · 4 slots, 2 s between starts · last start 2100-01-01T00:00:1" in told


VENDOR = """
import urllib.request

games = rc.Pipeline("games", partitions=rc.Daily("2024-01-01", "2024-01-30"), retry=rc.Retry(4, initial="30s"))
feed = rc.Source("feed", games.partitions, probe=lambda key: True)


@games.step
def schedule(ctx, feed=feed):
    with noted(ctx):
        urllib.request.urlopen(told("vendor")[0] + "/" + ctx.partition, timeout=5).close()


@games.step
def other(ctx):
    pass
"""


def test_a_source_that_stays_away_is_marked_probed_once_by_each_run_and_goes_on_when_it_is_back(held):
    held.project.declare("games", VENDOR, 'executor = "inline"')
    with vendor() as known:
        port = known.url
    held.project.write("vendor", port)  # nobody listens there any more
    assert held.recoup("run", "games").returncode == 1
    first = len(held.project.calls())
    assert first < 30  # five in a row, what was on its way, and three probes
    status = held.answer("status", "games")
    [away] = status["outages"]
    assert (away["dataset"], away["message"][:8]) == ("feed", "URLError")
    assert "feed is in an outage since 2100-01-01T00:" in held.recoup("status", "games").stdout
    done = {step["step"]: step["completed"] for step in status["steps"]}
    assert (done["schedule"], done["other"]) == (0, 30)

    # Still away: probes, by their intervals, and nothing else.
    before, moment = len(held.project.calls()), held.clock.monotonic()
    assert held.recoup("run", "games").returncode == 1
    assert len(held.project.calls()) - before == 3
    assert held.clock.monotonic() - moment >= 30 + 60
    assert held.answer("status", "games")["outages"][0]["since"] == away["since"]
    blocked = held.answer("status", "games", "--only", "blocked")["incomplete"]
    assert any("not tried: what it reads is in an outage" in part["reason"] for part in blocked)

    with vendor() as known:
        held.project.write("vendor", known.url)
        assert held.recoup("run", "games").returncode == 0
    assert held.answer("status", "games")["outages"] == []
    kinds = [kind for (kind,) in held.project.ledger("SELECT kind FROM events WHERE kind LIKE 'outage%' ORDER BY seq")]
    assert kinds == ["outage began", "outage over"]
