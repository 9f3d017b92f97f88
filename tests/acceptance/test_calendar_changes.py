"""A calendar that is edited between runs: what comes is missing, what leaves counts nowhere, what read it is stale."""

from __future__ import annotations

import pytest

# Weekly sums over what is expected, and a table; an older week is shown until somebody asks for a newer one.
LEAGUE = """
import polars as pl
days = rc.Daily("2023-11-01", "2023-11-14", calendar=rc.Calendar.from_file("games.txt"))
league = rc.Pipeline("league", partitions=days)


@league.step(sink=rc.DuckDB("league.duckdb", table="games", key=["dt"]))
def games(ctx):
    with noted(ctx):
        return pl.DataFrame({"points": [int(ctx.partition[-2:])]})


@league.step
def week(ctx, rows: pl.LazyFrame = rc.trailing(games, days=3, complete=0.5)):
    with noted(ctx):
        while ctx.partition in told("hold"):
            time.sleep(0.01)
        return rows.select(pl.len().alias("games"), pl.col("points").sum())


@league.step(partitions=rc.Monthly("2023-11", "2023-11"))
def month(ctx, rows: pl.LazyFrame = rc.within(games)):
    with noted(ctx):
        return rows.select(pl.col("points").sum())


@league.step
def copy(ctx, games):
    with noted(ctx):
        return games
"""


@pytest.fixture
def league(project):
    project.declare("league", LEAGUE)
    games(project, 1, 2, 3, 6, 7, 10)
    assert project.recoup("run", "league").returncode == 0
    return project


def games(project, *days):
    project.write("games.txt", "".join(f"2023-11-{day:02}\n" for day in days))


def stale(project):
    """What would be made again because it read something else, by step."""
    plan = project.answer("plan", "league", "--only", "missing,failed,stale")
    found: dict[str, list[str]] = {}
    for group in plan["groups"]:
        if group["reason"] == "stale(input)":
            found.setdefault(group["step"], []).extend(day[-2:] for day, _ in group["ranges"])
    return found


def steps(project, *words):
    return {step["step"]: step for step in project.answer("status", "league", *words)["steps"]}


def sound(project):
    result = project.recoup("ledger", "verify")
    assert result.returncode == 0, result.stdout
    return True


def read(project, dataset, key):
    return project.python(
        f"print(json.dumps(rc.read({dataset!r}, {key!r}).collect().drop('dt', 'month', strict=False).rows()))"
    )


def test_a_day_that_comes_is_missing_and_the_spans_over_it_are_stale(league):
    games(league, 1, 2, 3, 4, 6, 7, 10)
    plan = league.answer("plan", "league")
    missing = [g for g in plan["groups"] if g["reason"] == "missing"]
    assert {(g["step"], str(g["ranges"])) for g in missing} == {
        (step, "[['2023-11-04', '2023-11-04']]") for step in ("games", "week", "copy")
    }
    # The sixth's three days are the fourth to the sixth; the month holds it; a copy of another day does not care.
    assert stale(league) == {"week": ["06"], "month": ["11"]}
    assert sound(league)

    assert league.recoup("run", "league", "--only", "missing,failed,stale").returncode == 0
    assert read(league, "week", "2023-11-06") == [[2, 10]]
    assert read(league, "month", "2023-11") == [[33]]
    assert league.answer("status", "league", "--check")["complete"]
    assert stale(league) == {}
    assert sound(league)


def test_a_day_that_leaves_keeps_its_data_and_counts_nowhere(league):
    games(league, 1, 2, 6, 7, 10)
    before = steps(league)["games"]
    assert (before["expected"], before["completed"], before["unexpected"]) == (5, 5, 1)
    # The third was among the sums of the month alone: the week of the sixth began after it, its own week left with it.
    assert stale(league) == {"month": ["11"]}
    assert sound(league)
    shown = league.recoup("status", "league", "--only", "unexpected").stdout
    assert "games" in shown
    assert "unexpected  2023-11-03" in " ".join(shown.split()).replace("unexpected ", "unexpected  ")
    part = league.answer("status", "league", "--only", "unexpected")["incomplete"][0]
    assert (part["state"], part["ranges"]) == ("unexpected", [["2023-11-03", "2023-11-03"]])

    assert league.recoup("run", "league", "--only", "missing,failed,stale").returncode == 0
    assert read(league, "month", "2023-11") == [[26]]  # without the third
    assert read(league, "games", "2023-11-03") == [[3]]
    assert stale(league) == {}
    assert sound(league)


def test_a_day_that_leaves_from_a_lookback_is_not_read_again(league):
    games(league, 1, 3, 6, 7, 10)
    assert stale(league) == {"week": ["03"], "month": ["11"]}
    league.recoup("run", "league", "--only", "stale")
    assert read(league, "week", "2023-11-03") == [[2, 4]]
    assert sound(league)


def test_a_day_that_comes_back_needs_no_run_but_what_reads_it_may(league):
    games(league, 1, 2, 6, 7, 10)
    league.recoup("run", "league", "--only", "stale")
    games(league, 1, 2, 3, 6, 7, 10)
    assert league.answer("plan", "league")["actions"] == 0
    # Nobody remembers that the week of the third would read today what it read then.
    assert stale(league) == {"week": ["03"], "month": ["11"]}
    league.recoup("run", "league", "--only", "stale")
    assert read(league, "month", "2023-11") == [[29]]
    assert read(league, "week", "2023-11-03") == [[3, 6]]
    assert sound(league)


def test_what_runs_while_the_calendar_changes_is_stale_when_it_is_done(project, until):
    """It has read its span already."""
    project.declare("league", LEAGUE)
    games(project, 1, 2, 3)
    project.write("hold", "2023-11-03")
    running = project.start("run", "league")
    until(lambda: ("week", "2023-11-03") in {(call.step, call.partition) for call in project.calls()}, running)
    games(project, 1, 3)
    project.answer("plan", "league")
    project.write("hold", "")
    running.communicate(timeout=60)
    assert stale(project)["week"] == ["03"]
    assert sound(project)


def test_days_that_come_at_the_end_make_stale_only_what_holds_them(league):
    games(league, 1, 2, 3, 6, 7, 10, 13)
    assert stale(league) == {"month": ["11"]}
    assert sound(league)


def test_a_rebuilt_ledger_knows_what_left_when_it_plans_again(league):
    games(league, 1, 2, 6, 7, 10)
    league.answer("plan", "league")
    assert league.recoup("ledger", "rebuild", "--force").returncode == 0
    assert stale(league) == {"month": ["11"]}
    assert sound(league)


def test_an_edited_calendar_that_nobody_planned_with_is_shown(league):
    games(league, 1, 2, 6, 7, 10, 12)
    week = steps(league)["week"]
    assert (week["expected"], week["missing"], week["unexpected"]) == (6, 1, 1)
