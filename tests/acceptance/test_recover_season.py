"""Recovery on the playbook's own tables: what a source lacks, gaps in a lookback, rows that are gone from a table."""

from __future__ import annotations

import pytest

from tests.acceptance.phase3 import PIPELINE, STEPS
from tests.acceptance.test_phase3 import LOOKBACK

pytestmark = pytest.mark.services
DAY = "2023-11-15"
FIRST = STEPS[0]


def ran(season):
    """What has been called since the last look, in its order."""
    calls = [(call.step, call.partition) for call in season.project.calls()]
    (season.project.folder / "calls.log").unlink(missing_ok=True)
    return calls


def put_away(season, day):
    season.say(f"CREATE TABLE away AS SELECT * FROM nba_raw.nbac_team_boxscore WHERE game_date = '{day}'")
    season.say("DELETE FROM nba_raw.nbac_team_boxscore WHERE game_date = :day", day=day)


def bring_back(season):
    season.say("INSERT INTO nba_raw.nbac_team_boxscore SELECT * FROM away")


@pytest.mark.runbook("B-28")
def test_a_source_that_somebody_else_fills_is_named_and_then_the_five_are_run(season):
    put_away(season, DAY)
    assert season.recoup("run", "phase3", DAY).returncode == 1
    shown = season.recoup("recover", "phase3", DAY, "--yes")
    assert (shown.returncode, ran(season)) == (1, [])
    assert f"source: nbac_team_boxscore lacks {DAY}" in shown.stdout
    assert "Fill nbac_team_boxscore first" in shown.stdout

    bring_back(season)
    assert season.recoup("recover", "phase3", DAY, "--yes").returncode == 0
    assert sorted(ran(season)) == [(step, DAY) for step in STEPS]


PHASE2 = """
from phase3_base import *

phase2 = rc.Pipeline("phase_2_raw", partitions=days)


@phase2.step
def boxscores(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        return box.collect()
"""


@pytest.mark.runbook("B-28")
def test_phase_2_comes_first_where_it_is_ours(season):
    head, body = PIPELINE.split("phase3 = rc.Pipeline", 1)
    project = season.project
    project.declare("phase3_base", head)
    project.declare("phase2", PHASE2)
    body = f"phase3 = rc.Pipeline{body}".replace("= team_boxscore", "= boxscores").format(sink="None")
    project.declare("phase3", f"from phase3_base import *\nfrom phase2 import boxscores\n\n{body}")
    places = '[pipelines]\nphase3 = "phase3.py:phase3"\nphase2 = "phase2.py:phase2"\n'
    project.write("recoup.toml", f'[connections]\nnba = "{season.url}"\n{places}')

    assert season.recoup("run", "phase3", DAY).returncode == 1
    answer = season.answer("recover", "phase3", DAY)
    assert answer["pipelines"] == ["phase2", "phase3"]
    assert [(action["verb"], action["step"]) for action in answer["actions"]] == [
        ("fill", "boxscores"), *(("make", step) for step in STEPS),
    ]  # fmt: skip
    assert season.recoup("recover", "phase3", DAY, "--yes").returncode == 0
    first, *rest = ran(season)
    assert (first, sorted(rest)) == (("boxscores", DAY), [(step, DAY) for step in STEPS])


@pytest.mark.runbook("B-32")
def test_gaps_of_a_lookback_are_filled_whole_and_then_the_blocked_date(season):
    season.declare(more=LOOKBACK, sink="None")
    gaps, window = ["2023-11-10", "2023-11-12"], ("--start", "2023-11-08", "--end", DAY)
    skipped = [word for gap in gaps for word in ("--exclude", gap)]
    season.recoup("run", "phase3", *window, *skipped, *(word for step in STEPS for word in ("--step", step)))
    assert season.recoup("run", "phase3", DAY).returncode == 1
    ran(season)

    answer = season.answer("recover", "phase3", DAY)
    assert answer["needs"] == []
    named = [(action["verb"], action["step"], [first for first, _ in action["ranges"]]) for action in answer["actions"]]
    last = ("make", "player_daily_cache", [DAY])
    assert sorted(named) == sorted([*(("fill", step, gaps) for step in STEPS), last])
    assert named.index(last) > named.index(("fill", FIRST, gaps))
    assert (answer["to_do"], ran(season)) == (11, [])

    assert season.recoup("recover", "phase3", DAY, "--yes").returncode == 0
    calls = ran(season)
    assert sorted(calls) == sorted([*((step, gap) for gap in gaps for step in STEPS), ("player_daily_cache", DAY)])
    assert max(calls.index((FIRST, gap)) for gap in gaps) < calls.index(("player_daily_cache", DAY))


@pytest.mark.runbook("B-45")
def test_rows_that_are_gone_from_a_table_come_back_and_the_gate_closes(season):
    """The ledger says that all is done: only the data tells."""
    window = ("--start", "2023-11-08", "--end", DAY)
    season.recoup("run", "phase3", *window)
    lost = ["2023-11-09", "2023-11-11", "2023-11-14"]
    table = f"nba_analytics.{FIRST}"
    query = f"SELECT * FROM {table} ORDER BY game_date, game_id, team"
    before = season.say(query)
    season.say(f"DELETE FROM {table} WHERE game_date = ANY (:days)", days=lost)
    ran(season)
    assert season.answer("status", "phase3", *window)["complete"]

    gate = season.answer("verify", "phase3", "--gate", *window)
    assert (gate["missing_dates"], gate["missing"], gate["exit_code"]) == (3, lost, 1)
    assert gate["next"] == f"recoup recover phase3 --start 2023-11-08 --end {DAY}"
    answer = season.answer("recover", "phase3", *window, "--yes")
    (action,) = answer["actions"]
    assert (action["verb"], [first for first, _ in action["ranges"]]) == ("deliver", lost)
    (after,) = answer["gates"]
    assert (after["missing_dates"], after["verdict"], answer["exit_code"]) == (0, "complete", 0)
    assert season.say(query) == before
    assert ran(season) == []
    assert "missing_dates: 0" in season.recoup("verify", "phase3", "--gate", *window).stdout
