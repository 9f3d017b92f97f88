"""Emergency 2 on five tables in PostgreSQL: a wrong date is taken back, and made again after the fix."""

from __future__ import annotations

import pytest

from tests.acceptance.phase3 import PIPELINE, STEPS

pytestmark = pytest.mark.services
DAY = "2023-11-15"
WINDOW = ("--start", "2023-11-14", "--end", "2023-11-16")
LOSE = """    trouble(ctx)
        box = box.filter(pl.col("game_id") > pl.col("game_id").min())
"""
WRONG = PIPELINE.replace("    trouble(ctx)\n", LOSE)
"""All five steps lose a game."""


def rows(season, step, where):
    return season.say(f"SELECT * FROM nba_analytics.{step} WHERE {where} ORDER BY game_id, team", day=DAY)


def as_stored(season):
    """The other dates' rows, and where and by which transaction they were written."""
    return [
        season.say(
            f"SELECT ctid::text, xmin::text, * FROM nba_analytics.{step} WHERE game_date <> :day ORDER BY 1", day=DAY
        )
        for step in STEPS
    ]


@pytest.mark.runbook("B-54", "B-56", spelling="recoup publish rollback phase3 2023-11-15 --yes")
def test_all_five_tables_go_back_exactly_and_no_other_row_is_touched(season):
    assert season.recoup("run", "phase3", *WINDOW).returncode == 0
    first = {step: rows(season, step, "game_date = :day") for step in STEPS}
    season.declare(WRONG)
    assert season.recoup("run", "phase3", DAY, "--only", "stale").returncode == 0
    second, others = {step: rows(season, step, "game_date = :day") for step in STEPS}, as_stored(season)
    assert all(0 < len(second[step]) < len(first[step]) for step in STEPS)

    shown = season.recoup("publish", "rollback", "phase3", DAY)
    assert "nothing has been changed: 5 partitions would be moved" in shown.stdout
    for step in STEPS:
        go, come = len(second[step]), len(first[step])
        name = f"{step}@nba.nba_analytics.{step}"
        assert f"{name}: 1 partition delivered again, {go} rows go, {come} rows come" in shown.stdout
    assert {step: rows(season, step, "game_date = :day") for step in STEPS} == second

    assert season.recoup("publish", "rollback", "phase3", DAY, "--yes").returncode == 0
    assert {step: rows(season, step, "game_date = :day") for step in STEPS} == first
    assert as_stored(season) == others

    none = season.answer("publish", "rollback", "phase3", "2023-11-16", "--yes")  # it was made once
    assert (none["moved"], {move["to_run"] for move in none["moves"]}) == (5, {None})
    assert all(rows(season, step, "game_date = '2023-11-16'") == [] for step in STEPS)
    assert {step: rows(season, step, "game_date = :day") for step in STEPS} == first
