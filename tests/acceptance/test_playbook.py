"""The NBA playbook, played: its scenarios and emergencies as an engineer on call meets them, five tables in PostgreSQL.

What it says of one thing alone is shown where that is built: classification (test_classify, test_provoked), waits
(test_waits), the gate (test_gate), stages (test_stages), the log (test_execution_log), rollback (test_rollback).
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests import servers
from tests.acceptance import phase3
from tests.acceptance.phase3 import STEPS, Season

pytestmark = pytest.mark.services
DAY = "2023-11-15"
FIRST = STEPS[0]
ONCE = phase3.PIPELINE.replace("partitions=days)", "partitions=days, retry=rc.Retry(1))")
"""What fails is a person's at once: how long recoup itself waits and tries is shown elsewhere."""
INLINE = 'executor = "inline"'


@dataclass(frozen=True)
class Shift(Season):
    """The season with its commands typed in this process."""

    here: Any = None

    def recoup(self, *words: str, **environ: str) -> Any:
        assert not environ, "a process of its own would be needed"
        return self.here.recoup(*words)

    def answer(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.here.answer(*words)
        return answer

    def rows(self, step, day):
        """What the table holds of a day."""
        return sorted(self.say(f"SELECT * FROM nba_analytics.{step} WHERE game_date = '{day}'"))

    def ran(self):
        """Which steps were called for which days since the last look, in the order of their beginning."""
        calls = [(call.step, call.partition) for call in self.project.calls()]
        (self.project.folder / "calls.log").unlink(missing_ok=True)
        return calls


@pytest.fixture
def shift(here, season_template):
    with servers.postgresql(season_template) as url:
        season = phase3.season(here.project, url)
        season.declare(body=ONCE, settings=INLINE)
        yield Shift(season.project, season.url, season.days, here)


# ------------------------------------------------------------------------------------------------ scenarios


@pytest.mark.runbook("B-21", "B-03")
def test_scenario_5_some_processors_of_a_date_fail_and_are_verified_after_their_recovery(shift):
    bad = STEPS[2:4]
    shift.trouble(f"{bad[0]}/{DAY}/ConnectionResetError", f"{bad[1]}/{DAY}/FileNotFoundError")
    assert shift.recoup("run", "phase3", DAY, "--step", FIRST, *with_steps(STEPS[1:])).returncode == 1
    shift.ran()

    # A retry ends with the gate's word on what it has touched; four of five are no complete date all the same.
    shift.trouble(f"{bad[1]}/{DAY}/FileNotFoundError")
    retried = shift.recoup("retry", "phase3", DAY, "--step", bad[0])
    assert (retried.returncode, "gate: complete" in retried.stdout) == (0, True)
    short = shift.answer("verify", "phase3", DAY, "--gate")
    assert (short["exit_code"], short["missing"]) == (1, [DAY])
    assert [gap["step"].partition("@")[0] for gap in short["gaps"]] == [bad[1]]
    assert short["gaps"][0]["kind"] == "not-published"

    shift.trouble()
    group = shift.answer("why", "phase3", DAY)["causes"][0]["group"]
    recovered = shift.answer("recover", "phase3", group, "--yes")
    assert recovered["exit_code"] == 0
    assert recovered["runs"][0]["gate"]["verdict"] == "complete"
    assert shift.ran() == [(bad[0], DAY), (bad[1], DAY)]
    assert shift.answer("verify", "phase3", DAY, "--gate")["exit_code"] == 0
    status = shift.answer("status", "phase3", DAY)
    done = {step["step"]: step["completed"] for step in status["steps"] if "@" not in step["step"]}
    assert done == dict.fromkeys(STEPS, 1)


def with_steps(steps):
    return [word for step in steps for word in ("--step", step)]


@pytest.mark.runbook("B-28", "B-26")
def test_scenario_2_phase_2_is_missing_for_a_date(shift):
    (saved,) = shift.say("SELECT json_agg(b) FROM nba_raw.nbac_team_boxscore b WHERE game_date = '2023-11-15'")
    shift.say("DELETE FROM nba_raw.nbac_team_boxscore WHERE game_date = '2023-11-15'")
    window = ("--start", "2023-11-14", "--end", "2023-11-16")
    assert shift.recoup("run", "phase3", *window).returncode == 1
    assert DAY not in {day for _, day in shift.ran()}  # the others go on, and of this one nothing is tried

    [cause] = shift.answer("why", "phase3", DAY)["causes"]
    assert cause["message"] == "nbac_team_boxscore has 0 rows of it"
    assert {place["step"] for place in cause["where"]} == set(STEPS)
    assert all(place["ranges"] == [[DAY, DAY]] for place in cause["where"])
    left = shift.answer("recover", "phase3", DAY, "--yes")
    assert left["exit_code"] == 1
    assert any("nbac_team_boxscore" in need["message"] for need in left["needs"])
    assert shift.ran() == []

    shift.say(
        "INSERT INTO nba_raw.nbac_team_boxscore"
        " SELECT * FROM json_populate_recordset(NULL::nba_raw.nbac_team_boxscore, CAST(:rows AS json))",
        rows=json.dumps(saved[0]),
    )
    recovered = shift.answer("recover", "phase3", DAY, "--yes")
    assert (recovered["exit_code"], recovered["runs"][0]["gate"]["verdict"]) == (0, "complete")
    assert sorted(shift.ran()) == sorted((step, DAY) for step in STEPS)


FORM = """

@phase3.step(sink=table("player_daily_cache"))
def player_daily_cache(ctx, history: pl.LazyFrame = rc.lookback(player_game_summary, days=7)):
    with noted(ctx):
        return history.group_by("team").agg(pl.col("points").mean()).with_columns(
            game_date=pl.lit(ctx.partition).str.to_date(), game_id=pl.lit("all"))
"""


@pytest.mark.runbook("B-32")
def test_scenario_3_the_gaps_are_filled_before_the_date_that_they_block(shift):
    shift.declare(body=ONCE, more=FORM, settings=INLINE)
    gaps = ["2023-11-10", "2023-11-12"]
    shift.trouble(*(f"{step}/{day}/ConnectionResetError" for day in gaps for step in STEPS))
    asked = ("phase3", "--start", "2023-11-01", "--end", DAY, *with_steps(STEPS))
    assert shift.recoup("run", *asked).returncode == 1
    shift.ran()
    blocked = shift.recoup("run", "phase3", DAY, "--step", "player_daily_cache")
    assert blocked.returncode == 1
    [reason] = [part["reason"] for part in shift.answer("status", "phase3", DAY, "--only", "blocked")["incomplete"][:1]]
    assert re.findall(r"\d{4}-\d\d-\d\d", reason) == gaps
    causes = shift.answer("why", "phase3", DAY)["causes"]
    assert "player_daily_cache" in {place["step"] for cause in causes for place in cause["blocks"]}

    shift.trouble()
    planned = shift.answer("recover", "phase3", DAY)
    assert planned["done"] is False
    assert shift.ran() == []
    recovered = shift.answer("recover", "phase3", DAY, "--yes")
    assert recovered["exit_code"] == 0
    order = shift.ran()
    filled = [order.index((FIRST, day)) for day in gaps]
    assert max(filled) < order.index(("player_daily_cache", DAY))
    assert shift.rows("player_daily_cache", DAY)


@pytest.mark.runbook("B-45")
def test_scenario_6_what_the_gate_misses_is_recovered_and_the_gate_passes(shift):
    window = ("--start", "2023-11-01", "--end", "2023-11-14")
    days = shift.between("2023-11-01", "2023-11-14")
    skipped, failed, emptied = days[2], days[5], days[8]
    shift.trouble(f"{FIRST}/{failed}/ConnectionResetError")
    assert shift.recoup("run", "phase3", *window, "--exclude", skipped).returncode == 1
    shift.say(f"DELETE FROM nba_analytics.{FIRST} WHERE game_date = '{emptied}'")
    short = shift.answer("verify", "phase3", "--gate", *window)
    assert (short["phase3_dates"], short["missing_dates"]) == (len(days) - 3, 3)
    assert short["missing"] == [skipped, failed, emptied]
    shift.trouble()
    shift.ran()

    recovered = shift.answer("recover", "phase3", *window, "--yes")
    assert (recovered["exit_code"], recovered["runs"][0]["gate"]["missing_dates"]) == (0, 0)
    expected = [(step, skipped) for step in STEPS] + [(FIRST, failed)]
    assert sorted(shift.ran()) == sorted(expected), "rows that are gone are delivered again from what is published"
    passed = shift.answer("verify", "phase3", "--gate", *window)
    assert (passed["phase3_dates"], passed["missing_dates"], passed["exit_code"]) == (len(days), 0, 0)


# ------------------------------------------------------------------------------------------------ emergencies


@pytest.mark.runbook("B-57")
def test_emergency_2_wrong_data_is_taken_back_and_made_anew_once_the_code_is_mended(season):
    """In processes of their own: the code changes in between."""
    window = ("--start", "2023-11-14", "--end", "2023-11-16")
    days = season.between("2023-11-14", "2023-11-16")
    right = phase3.PIPELINE
    wrong = right.replace('return only(box, "points", "won")', 'return only(box, pl.col("points") * 2, "won")')
    assert wrong != right
    season.declare(body=wrong)
    assert season.recoup("run", "phase3", *window, *with_steps(STEPS[:2])).returncode == 0
    points = f"SELECT game_date::text, sum(points) FROM nba_analytics.{FIRST} GROUP BY 1 ORDER BY 1"
    doubled = dict(season.say(points))
    assert season.recoup("publish", "rollback", "phase3", DAY, "--yes").returncode == 0
    assert DAY not in dict(season.say(points))  # at once, whatever the code is

    season.declare(body=right)
    status = season.answer("status", "phase3", *window)
    stale = {s["step"]: s["stale"]["code"] for s in status["steps"] if s["step"] in STEPS[:2]}
    assert stale == {FIRST: len(days) - 1, STEPS[1]: 0}  # only what the fix touches, and shows anything
    (season.project.folder / "calls.log").unlink()
    one = season.recoup("run", "phase3", DAY, "--only", "missing,failed,stale", *with_steps(STEPS[:2]))
    assert one.returncode == 0, one.stdout
    assert dict(season.say(points))[DAY] == doubled[DAY] // 2
    assert season.recoup("run", "phase3", *window, "--only", "stale", *with_steps(STEPS[:2])).returncode == 0
    assert dict(season.say(points)) == {day: total // 2 for day, total in doubled.items()}
    gate = season.answer("verify", "phase3", "--gate", *window, *with_steps(STEPS[:2]))
    assert (gate["exit_code"], gate["missing_dates"]) == (0, 0)


# ------------------------------------------------------------------------------------------------ prevention


def test_a_night_by_the_book(shift):
    """Looked at before, in stages, watched, written down, handed over, put right, verified."""
    ahead = shift.answer("preflight", "phase3", "--start", "2023-11", "--end", "2023-11", "--test-date", "2023-11-01")
    assert (ahead["exit_code"], ahead["failed"]) == (0, 0)
    shift.ran()

    shift.trouble(f"{STEPS[3]}/{DAY}/ZeroDivisionError")
    staged = ("--start", "2023-11", "--end", "2023-11", "--stage", "2023-11-01..2023-11-07", "--stage", "all")
    ended = shift.answer("run", "phase3", *staged)
    assert [stage["state"] for stage in ended["stages"]] == ["passed", "failed"]
    assert all(step["partitions"] == [DAY] for step in ended["stages"][1]["short"])
    assert (ended["exit_code"], ended["state"]) == (4, "stopped")
    backfill = ended["backfill_id"]

    progress = shift.answer("status", "phase3", "--start", "2023-11", "--end", "2023-11")
    days = shift.between("2023-11-01", "2023-11-30")
    assert (progress["total_dates"], progress["completed_dates"]) == (len(days), len(days) - 1)
    [cause] = shift.answer("why", "phase3", DAY)["causes"]
    assert (cause["category"], cause["where"][0]["step"]) == ("processing", STEPS[3])
    shift.recoup("backfill", "note", backfill, "a team without minutes; the feed is asked")
    assert shift.recoup("escalate", "phase3", "-o", "handover.zip").returncode == 0
    assert (shift.project.folder / "handover.zip").stat().st_size > 1000

    # The code is what it was; whoever knows that the feed was mended has to say so.
    shift.trouble()
    shift.ran()
    assert shift.recoup("retry", "phase3", DAY).returncode == 4
    forced = shift.answer("retry", "phase3", DAY, "--force", "--reason", "the vendor has mended the feed")
    assert (forced["exit_code"], forced["gate"]["verdict"]) == (0, "complete")
    assert shift.ran() == [(STEPS[3], DAY)]
    assert shift.answer("verify", "phase3", "--gate", "--start", "2023-11", "--end", "2023-11")["missing_dates"] == 0
    log = shift.recoup("backfill", "log", backfill).stdout
    assert log.index("Encountered error on 2023-11-15") < log.index("a team without minutes")
    assert "the vendor has mended the feed" in log
