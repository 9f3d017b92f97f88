"""The NBA playbook on its own tables in PostgreSQL: what ran, what is missing, what is skipped, what is blocked."""

from __future__ import annotations

import re
import signal
from datetime import datetime

import pytest

from recoup.app import backfilling, runs
from recoup.app.settings import load_settings
from recoup.app.workspace import Workspace
from recoup.plan.request import Request
from recoup.testing.clock import FakeClock
from tests.acceptance.phase3 import NO_GAMES, STEPS

pytestmark = pytest.mark.services
DAY = "2023-11-15"
FIRST = STEPS[0]


def table(step):
    return f"{step}@nba.nba_analytics.{step}"


def lines(result):
    return [line.strip() for line in result.stdout.splitlines()]


# ------------------------------------------------------------------------------------------------ what ran


@pytest.mark.runbook("B-05")
def test_the_history_has_every_attempt_good_or_bad(season):
    season.trouble(f"{FIRST}/{DAY}/ZeroDivisionError")
    season.recoup("run", "phase3", DAY)
    season.trouble()
    season.recoup("run", "phase3", DAY)
    history = season.answer("runs", "phase3", "--limit", "0")["runs"]

    good, bad = [run for run in history if run["step"] == FIRST]  # the newest first
    for run in (good, bad):
        assert (run["layer"], run["processor_name"], run["partition"]) == (
            "phase_3_analytics",
            "PlayerGameSummaryProcessor",
            DAY,
        )
        assert datetime.fromisoformat(run["created_at"]).tzinfo
    (rows,) = season.say("SELECT count(*) FROM nba_raw.nbac_team_boxscore WHERE game_date = :day", day=DAY)[0]
    assert (good["success"], good["rows_processed"], good["error_message"]) == (True, rows, None)
    assert (bad["success"], bad["rows_processed"]) == (False, None)
    assert bad["error_message"] == f"ZeroDivisionError: No raw data found for game_date={DAY}"
    assert (bad["decision"], good["decision"]) == ("missing", "failed(logic)")
    assert len({run["processor_name"] for run in history if "@" not in run["step"]}) == len(STEPS)


@pytest.mark.runbook("B-15")
def test_the_last_success_within_a_window(season):
    season.recoup("run", "phase3", "2023-11-14", "--step", FIRST)
    season.recoup("run", "phase3", "2023-11-10", "--step", FIRST)
    season.trouble(f"{FIRST}/{DAY}/ZeroDivisionError")
    season.recoup("run", "phase3", DAY, "--step", FIRST)

    window = ("--start", "2020-10-01", "--end", "2024-06-30")
    status = season.answer("status", "phase3", "--step", FIRST, *window)
    step = status["steps"][0]
    created = [run["ended_at"] for run in season.answer("runs", "phase3", "--step", FIRST)["runs"] if run["success"]]
    assert step["step"] == FIRST
    assert step["last_successful_date"] == "2023-11-14"
    assert step["last_successful_time"] >= max(created)  # the run of 2023-11-10, which came later
    earlier = season.answer("status", "phase3", "--step", FIRST, "--start", "2020-10-01", "--end", "2023-11-13")
    assert earlier["steps"][0]["last_successful_date"] == "2023-11-10"


@pytest.mark.runbook("B-16")
def test_failures_of_the_last_two_hours_the_newest_first_and_at_most_twenty(season):
    """By the clock: 1:59 after a failure it is listed, 2:01 after it is not."""
    clock = FakeClock(datetime.fromisoformat("2024-07-01T00:00:00+00:00"))
    days = season.between("2023-11-01", "2023-11-26")
    season.trouble(*(f"{FIRST}/{day}/ZeroDivisionError" for day in days))
    workspace = Workspace(load_settings(season.project.folder / "recoup.toml"), clock)

    def fail(*asked):
        request = Request("phase_3_analytics", partitions=asked, steps=(FIRST,))
        options = backfilling.RunOptions(executor="inline")
        assert backfilling.run(workspace, request, "phase3", options).counts.failed == len(asked)

    def listed():
        return runs.runs(workspace, "phase3", failed=True, since="2h", limit=20)

    fail(*days[:3])
    clock.advance(3600)
    fail(*days[3:])
    assert [run["partition"] for run in listed()] == days[:-21:-1]
    for run in listed():
        assert run["processor_name"] == "PlayerGameSummaryProcessor"
        assert run["error_message"].startswith("ZeroDivisionError: ")
        assert run["created_at"].startswith("2024-07-01T01:00:00")

    clock.advance(59 * 60)  # the first three: 1:59 ago
    everything = runs.runs(workspace, "phase3", failed=True, since="2h", limit=None)
    assert len(everything) == len(days)
    clock.advance(2 * 60)  # 2:01 ago
    assert [run["partition"] for run in runs.runs(workspace, "phase3", failed=True, since="2h", limit=None)] == days[
        :2:-1
    ]
    clock.advance(60 * 60)
    assert listed() == []


# ------------------------------------------------------------------------------------------------ what is skipped


@pytest.mark.runbook("B-06")
def test_what_is_processed_already_is_skipped_and_the_plan_names_the_run(season):
    season.recoup("run", "phase3", DAY)
    called = season.called()
    run_ids = {run["run_id"] for run in season.answer("runs", "phase3", DAY)["runs"]}

    plan = season.answer("plan", "phase3", DAY)
    assert (plan["actions"], plan["done"]) == (0, 2 * len(STEPS))
    assert {kept["run_id"] for kept in plan["kept"]} == run_ids
    assert [kept["step"] for kept in plan["kept"] if "@" not in kept["step"]] == list(STEPS)
    shown = season.recoup("plan", "phase3", DAY).stdout
    assert f"published by run {run_ids.pop()}" in shown
    assert season.recoup("run", "phase3", DAY).returncode == 0
    assert season.called() == called


# ------------------------------------------------------------------------------------------------ what is there


@pytest.mark.runbook("B-25")
def test_no_raw_data_is_missing_and_the_other_days_go_on(season):
    season.trouble(*(f"{step}/{DAY}/FileNotFoundError" for step in STEPS))
    result = season.recoup("run", "phase3", "--start", "2023-11-13", "--end", "2023-11-17")
    assert result.returncode == 1
    assert f"missing: FileNotFoundError: No raw data found for game_date={DAY}" in result.stdout
    status = season.answer("status", "phase3", "--start", "2023-11-13", "--end", "2023-11-17")
    assert [step["failed"] for step in status["steps"] if step["kind"] == "step"] == [{"missing": 1}] * len(STEPS)
    assert (status["total_dates"], status["completed_dates"]) == (5, 4)


@pytest.mark.runbook("B-26", spelling="recoup status phase3 2023-11-15")
def test_a_source_without_rows_is_named_and_nothing_is_tried(season):
    season.say("DELETE FROM nba_raw.nbac_team_boxscore WHERE game_date = :day", day=DAY)
    for _ in range(2):
        assert season.recoup("run", "phase3", DAY).returncode == 1
    assert season.called() == []
    assert season.project.ledger("SELECT count(*) FROM attempts") == [(0,)]

    shown = season.recoup("status", "phase3", DAY).stdout
    assert re.search(rf"{FIRST} +blocked +{DAY} +nbac_team_boxscore has 0 rows of it", shown)
    plan = season.answer("plan", "phase3", DAY)
    assert {group["reason"] for group in plan["groups"]} == {"nbac_team_boxscore has 0 rows of it"}

    season.say(
        "INSERT INTO nba_raw.nbac_team_boxscore"
        " SELECT game_id || '*', :day, team, opponent, is_home, points, won, fg_pct, fg3_pct"
        " FROM nba_raw.nbac_team_boxscore WHERE game_date = '2023-11-14'",
        day=DAY,
    )
    assert season.recoup("run", "phase3", DAY).returncode == 0


@pytest.mark.runbook("B-27", spelling="recoup status phase3 2023-11-27")
def test_a_day_without_final_games_is_not_expected(season):
    """One was planned for it, but none was played."""
    around = ("--start", "2023-11-26", "--end", "2023-11-28")
    status = season.answer("status", "phase3", *around)
    assert status["total_dates"] == 2
    assert all(["2023-11-26", "2023-11-26"] in part["ranges"] for part in status["incomplete"])
    assert NO_GAMES not in str(status["incomplete"])

    assert season.recoup("run", "phase3", *around).returncode == 0
    assert season.answer("status", "phase3", *around)["complete"]
    assert NO_GAMES not in {day for _, day in season.called()}
    assert "nothing is expected here" in season.recoup("status", "phase3", NO_GAMES).stdout
    refused = season.recoup("run", "phase3", NO_GAMES)
    assert refused.returncode == 2
    assert f"partition {NO_GAMES} is not expected" in refused.stderr


@pytest.mark.runbook("B-31")
def test_the_game_days_that_a_table_lacks_in_order(season):
    """Both ends included, so the blocked day too; a day without games is no gap."""
    window = ("--start", "2023-11-01", "--end", DAY)
    gaps = ["2023-11-10", "2023-11-12", DAY]
    season.say("UPDATE nba_raw.nbac_schedule SET game_status = 1 WHERE game_date = '2023-11-07'")
    season.trouble(*(f"{FIRST}/{day}/FileNotFoundError" for day in gaps))
    season.recoup("run", "phase3", "--step", FIRST, *window)

    asked = ("status", "phase3", "--gaps", "--step", FIRST, *window)
    result = season.recoup(*asked)
    assert lines(result) == gaps
    assert result.stderr == f"next: recoup run phase3 --start 2023-11-01 --end {DAY} --step {FIRST}\n"
    assert season.answer(*asked)["gaps"] == [{"step": FIRST, "count": 3, "partitions": gaps}]
    assert season.recoup(*asked, "--check").returncode == 3

    season.trouble()
    season.recoup("run", "phase3", "--step", FIRST, *window)
    assert season.recoup(*asked, "--check").stdout == ""
    all_steps = season.answer("status", "phase3", "--gaps", *window)["gaps"]
    assert [(gap["step"], gap["count"]) for gap in all_steps] == [(FIRST, 0), *((step, 14) for step in STEPS[1:])]


# ------------------------------------------------------------------------------------------------ what is blocked


LOOKBACK = """

@phase3.step
def player_daily_cache(ctx, history: pl.LazyFrame = rc.lookback(player_game_summary, days=7)):
    with noted(ctx):
        return history.group_by("team").agg(pl.col("points").mean())
"""


@pytest.mark.runbook("B-30")
def test_a_gap_in_the_lookback_blocks_and_names_the_days(season):
    season.declare(more=LOOKBACK)
    gaps = ["2023-11-10", "2023-11-12"]
    season.trouble(*(f"{FIRST}/{day}/FileNotFoundError" for day in gaps))
    season.recoup("run", "phase3", "--step", FIRST, "--start", "2023-11-01", "--end", "2023-11-16")

    result = season.recoup("run", "phase3", DAY, "--step", "player_daily_cache")
    assert result.returncode == 1
    assert ("player_daily_cache", DAY) not in season.called()
    assert season.project.ledger("SELECT count(*) FROM run_history WHERE step = 'player_daily_cache'") == [(0,)]
    status = season.answer("status", "phase3", DAY, "--step", "player_daily_cache")
    (step,) = status["steps"]
    assert (step["blocked"], step["failed"], step["missing"]) == (1, {}, 0)
    (part,) = status["incomplete"]
    assert part["state"] == "blocked"
    named = re.findall(r"\d{4}-\d\d-\d\d", part["reason"])
    assert named == gaps
    assert "error" not in result.stderr


# ------------------------------------------------------------------------------------------------ what failed


@pytest.mark.runbook("B-38")
def test_two_of_five_succeed_and_the_day_is_not_complete(season):
    bad = STEPS[2:]
    season.trouble(*(f"{step}/{DAY}/ZeroDivisionError" for step in bad))
    result = season.recoup("run", "phase3", DAY)
    assert result.returncode == 1
    outcomes = [line.split() for line in lines(result)[lines(result).index(DAY) + 1 :][: len(STEPS)]]
    assert outcomes == [[step, "failed(logic)" if step in bad else "published"] for step in STEPS]
    assert f"{DAY} is not complete: 3 of 5 steps are not published" in result.stdout
    told = [f"[{step}] {'❌ Failed' if step in bad else '✅ Success'}" for step in STEPS]
    log = result.stderr.splitlines()
    assert log[log.index(told[0]) :][: len(STEPS) + 1] == [*told, f"⚠️ Date {DAY} had failures  0/1"]

    status = season.answer("status", "phase3", DAY)
    assert (status["completed_dates"], status["remaining"]) == (0, 1)
    done = {step["step"] for step in status["steps"] if step["completed"]}
    assert done == {*STEPS[:2], *map(table, STEPS[:2])}


def test_a_day_of_which_three_steps_are_there_is_partial_and_only_the_two_are_tried_again(season):
    bad = list(STEPS[3:])
    season.trouble(*(f"{step}/{DAY}/ZeroDivisionError" for step in bad))
    assert season.recoup("run", "phase3", "--start", "2023-11-14", "--end", DAY).returncode == 1

    status = season.answer("status", "phase3", "--start", "2023-11-14", "--end", DAY)
    assert (status["total_dates"], status["completed_dates"], status["partial_dates"]) == (2, 1, 1)
    assert status["partial"] == [
        {"count": 1, "ranges": [[DAY, DAY]], "published": list(STEPS[:3]), "lacking": bad},
    ]
    shown = season.recoup("status", "phase3", "--only", "partial", "--start", "2023-11-14", "--end", DAY).stdout
    assert shown == f"partial  {DAY}  3 of 5 steps published; not {', '.join(bad)}\n"
    assert season.project.summary()["dates"] == {"complete": ["2023-11-14"], "partial": [DAY]}
    attempts = season.answer("runs", "phase3", DAY, "--limit", "0")["runs"]
    assert {run["step"] for run in attempts if run["success"]} == {*STEPS[:3], *map(table, STEPS[:3])}

    called = season.called()
    season.trouble()
    assert season.recoup("retry", "phase3", DAY, "--force", "--reason", "the table is there again").returncode == 0
    assert season.called() == sorted([*called, *((step, DAY) for step in bad)])
    assert season.answer("status", "phase3", DAY)["partial"] == []
    assert season.project.summary()["dates"] == {"complete": [DAY]}


@pytest.mark.runbook("B-68", "B-69", "B-i1")
def test_a_day_counts_when_all_five_have_done_it(season):
    window = ("--start", "2023-11-10", "--end", "2023-11-13")
    season.trouble(f"{FIRST}/2023-11-11/ZeroDivisionError", f"{STEPS[4]}/2023-11-12/ZeroDivisionError")
    season.recoup("run", "phase3", *window)
    status = season.answer("status", "phase3", *window)
    assert {key: status[key] for key in ("total_dates", "completed_dates", "remaining", "pct_complete")} == {
        "total_dates": 4, "completed_dates": 2, "remaining": 2, "pct_complete": 50.0,
    }  # fmt: skip
    whole = season.answer("status", "phase3")
    assert (whole["total_dates"], whole["remaining"]) == (len(season.days), len(season.days) - 2)

    season.trouble(f"{STEPS[4]}/2023-11-12/ZeroDivisionError")
    season.recoup("run", "phase3", *window)
    failed = season.answer("status", "phase3", "--only", "failed")["incomplete"]
    assert [(part["step"], part["ranges"]) for part in failed] == [(STEPS[4], [["2023-11-12", "2023-11-12"]])]


@pytest.mark.runbook("B-i2")
def test_three_bad_days_end_no_backfill(season):
    days = season.days[:327]
    bad = [days[10], days[200], days[326]]
    season.trouble(*(f"{FIRST}/{day}/ZeroDivisionError" for day in bad))
    window = ("--start", days[0], "--end", days[-1])
    season.declare(sink="None")  # what a table shows is another matter
    running = season.project.start("run", "phase3", "--step", FIRST, *window)
    assert running.wait(240) == 1
    status = season.answer("status", "phase3", "--step", FIRST, *window)
    assert (status["total_dates"], status["completed_dates"]) == (327, 324)
    assert {day for _, day in season.called()} == set(days)


# ------------------------------------------------------------------------------------------------ twice, and stopped


@pytest.mark.runbook("B-i3")
def test_the_same_backfill_twice_at_once_does_no_day_twice(season, until):
    window = ("--start", "2023-11-08", "--end", "2023-11-12")
    season.project.write("wait", "2023-11-08")
    first = season.project.start("run", "phase3", *window)
    until(season.project.calls, first)
    second = season.project.start("run", "phase3", *window)
    until(lambda: len(season.project.ledger("SELECT 1 FROM backfills")) == 2, second)
    season.project.write("wait", "")
    assert {first.wait(60), second.wait(60)} <= {0, 4}
    assert season.called() == sorted(
        (step, day) for step in STEPS for day in season.between("2023-11-08", "2023-11-12")
    )
    assert season.answer("status", "phase3", *window)["complete"]


@pytest.mark.runbook("B-51")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_and_the_same_command_goes_on(season, stop, until, number, code):
    window = ("--start", "2023-11-01", "--end", "2023-11-20")
    season.project.write("wait", "2023-11-05")
    running = season.project.start("run", "phase3", *window)
    until(lambda: "2023-11-05" in {call.partition for call in season.project.calls()}, running)
    running.send_signal(number)
    season.project.write("wait", "")
    running.communicate(timeout=60)
    assert running.returncode == code
    before = season.called()
    assert len({day for _, day in before}) < 20
    assert season.recoup("run", "phase3", *window).returncode == 0
    assert season.answer("status", "phase3", *window)["complete"]
    ended = [(call.step, call.partition) for call in season.project.calls("ended")]
    assert len(ended) == len(set(ended)) == 20 * len(STEPS)


@pytest.mark.runbook("B-51")
def test_nothing_in_flight_is_published_after_a_cancel(season, until):
    """The wrong data is being written: from another terminal, no matter where it runs."""
    season.project.write("wait", DAY)
    running = season.project.start("run", "phase3", DAY)
    until(season.project.calls, running)
    (backfill_id,) = season.project.ledger("SELECT backfill_id FROM backfills")[0]
    assert season.recoup("backfill", "cancel", backfill_id).returncode == 0
    running.communicate(timeout=60)
    assert running.returncode != 0
    season.project.write("wait", "")
    status = season.answer("status", "phase3", DAY)
    assert [step["completed"] for step in status["steps"]] == [0] * 2 * len(STEPS)
    assert season.project.calls("ended") == []
