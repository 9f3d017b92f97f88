"""The quality gate of the NBA playbook: the schedule's game days against the rows that PostgreSQL really holds."""

from __future__ import annotations

import pytest

from tests.acceptance.phase3 import STEPS

pytestmark = pytest.mark.services
FIRST = STEPS[0]
WINDOW = ("--start", "2023-11-01", "--end", "2023-11-12")


def delete(season, step, *days):
    """Behind recoup's back: its ledger, and the table's own record, say that all is done."""
    season.say(f"DELETE FROM nba_analytics.{step} WHERE game_date = ANY (CAST(:days AS date[]))", days=list(days))


@pytest.mark.runbook("B-42", "B-43", spelling="recoup verify phase3 --gate")
def test_rows_that_are_gone_are_named_by_their_dates(season):
    days = season.between(WINDOW[1], WINDOW[3])
    ran = season.recoup("run", "phase3", *WINDOW)
    assert ran.stdout.splitlines()[0].endswith("· gate: complete")
    passed = season.answer("verify", "phase3", "--gate", *WINDOW)
    assert (passed["phase3_dates"], passed["missing_dates"]) == (len(days), 0)
    assert (passed["gate_status"], passed["exit_code"]) == ("✅ STAGE 1 COMPLETE", 0)

    lost = [days[1], days[4], days[8]]
    delete(season, FIRST, *lost)
    assert season.answer("status", "phase3", *WINDOW)["complete"]  # by the ledger
    passed = season.answer("verify", "phase3", "--gate", *WINDOW)
    assert (passed["phase3_dates"], passed["missing_dates"]) == (len(days) - 3, 3)
    assert (passed["gate_status"], passed["missing"]) == ("⚠️ STAGE 1 INCOMPLETE", lost)
    (gap,) = passed["gaps"]
    assert (gap["step"], gap["kind"]) == (f"{FIRST}@nba.nba_analytics.{FIRST}", "no-rows")
    shown = season.recoup("verify", "phase3", "--gate", *WINDOW)
    assert shown.returncode == 1
    assert shown.stdout.splitlines()[:3] == [
        f"phase3_dates: {len(days) - 3}",
        "missing_dates: 3",
        "gate_status: ⚠️ STAGE 1 INCOMPLETE",
    ]
    assert all(day in shown.stdout for day in lost)

    again = season.recoup("run", "phase3", *WINDOW)
    assert again.returncode == 1
    assert f"gate: incomplete, 3 of {len(days)} missing" in again.stdout
    assert f"no rows in nba.nba_analytics.{FIRST}" in again.stdout


NOTHING = """

@phase3.step(sink=table("quiet"))
def quiet(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        return only(box, "points").filter(pl.lit(ctx.partition not in told("silent")))
"""


@pytest.mark.runbook("B-44", "B-46")
def test_a_date_without_rows_is_named_and_the_run_is_no_success(season):
    season.declare(more=NOTHING)
    season.project.write("silent", "2023-11-03")
    asked = ("phase3", "--start", "2023-11-02", "--end", "2023-11-04", "--step", "quiet", "--step", FIRST)
    closing = season.answer("run", *asked)
    assert (closing["state"], closing["exit_code"], closing["counts"]["failed"]) == ("incomplete", 1, 0)
    assert (closing["gate"]["verdict"], closing["gate"]["missing"]) == ("incomplete", ["2023-11-03"])
    (gap,) = closing["gate"]["gaps"]
    assert (gap["step"], gap["kind"], gap["why"]) == ("quiet", "empty", "published without a row")
    summary = season.project.summary()
    assert (summary["verdict"], summary["gate"]["verdict"]) == ("incomplete", "incomplete")

    season.trouble(f"{FIRST}/2023-11-07/ZeroDivisionError")  # a partial failure
    day = ("phase3", "2023-11-07", "--step", "quiet", "--step", FIRST)
    result = season.recoup("run", *day)
    assert result.returncode == 1
    assert "gate: incomplete, 1 of 1 missing" in result.stdout
    assert season.project.summary()["gate"]["missing"] == ["2023-11-07"]
    season.trouble()
    retried = season.answer("run", *day)
    assert (retried["gate"]["verdict"], retried["exit_code"]) == ("complete", 0)
    assert season.project.summary()["verdict"] == "complete"
