"""A pipeline that ends in PostgreSQL, through the real command line: the table follows what is published."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import servers

pytestmark = pytest.mark.services

STATS = """
import polars as pl

stats = rc.Pipeline("stats", partitions=rc.Daily("2024-01-01", "2024-01-06", key="game_date"))
summary = rc.Postgres(
    "warehouse", table="nba_analytics.player_game_summary", key=["game_date", "player_id"], mode="upsert"
)


@stats.step(sink=summary)
def player_game_summary(ctx):
    day = int(ctx.partition[-2:])
    bonus = int((told("bonus") or ["0"])[0])
    points = "many" if ctx.partition in told("bad") else day
    return pl.DataFrame({"player_id": [1, 2], "points": [points, points]}).with_columns(
        pl.col("points") + bonus if not isinstance(points, str) else pl.col("points")
    )
"""
TABLE = "nba_analytics.player_game_summary"


@pytest.fixture
def database() -> Iterator[str]:
    with servers.postgresql() as url:
        yield url


@pytest.fixture
def stats(project, database):
    project.declare("stats", STATS, 'executor = "processes"\nmax_parallel = 2')
    project.environ["RECOUP_CONNECTIONS_WAREHOUSE"] = database
    return project


def points(database, day):
    return servers.say(database, f"SELECT points FROM {TABLE} WHERE game_date = :day ORDER BY player_id", day=day)


def test_a_backfill_fills_the_table_and_a_rerun_changes_nothing(stats, database):
    assert stats.recoup("doctor", "stats").returncode == 0
    result = stats.recoup("run", "stats")
    assert result.returncode == 0, result.stderr
    days = servers.say(database, f"SELECT game_date::text, count(*), min(points) FROM {TABLE} GROUP BY 1 ORDER BY 1")
    assert days == [(f"2024-01-0{day}", 2, day) for day in range(1, 7)]
    before = servers.say(database, f"SELECT xmin::text, * FROM {TABLE} ORDER BY 2, 3")
    assert stats.recoup("run", "stats").returncode == 0
    assert stats.recoup("status", "stats", "--check").returncode == 0
    assert servers.say(database, f"SELECT xmin::text, * FROM {TABLE} ORDER BY 2, 3") == before


def test_a_rollback_shows_the_earlier_rows_exactly(stats, database):
    stats.recoup("run", "stats")
    before = points(database, "2024-01-03")
    stats.write("bonus", "100")
    day = ["--start", "2024-01-03", "--end", "2024-01-03"]
    stats.declare("stats", STATS.replace("bonus = int", "bonus = 0 + int"))
    assert stats.recoup("run", "stats", "--only", "stale", *day).returncode == 0
    assert points(database, "2024-01-03") == [(103,), (103,)]
    assert stats.recoup("publish", "rollback", "stats.player_game_summary", "2024-01-03", "--yes").returncode == 0
    assert points(database, "2024-01-03") == before
    assert points(database, "2024-01-04") == [(4,), (4,)]


def test_rows_that_the_table_cannot_take_fail_their_own_partition_only(stats, database):
    stats.recoup("run", "stats", "--end", "2024-01-01")
    stats.write("bad", "2024-01-03")
    assert stats.recoup("run", "stats").returncode == 1
    told = stats.recoup("status", "stats", "--only", "failed").stdout
    assert "2024-01-03" in told
    assert "contract" in told
    assert "column points is bigint in the table and text in the rows" in told
    days = servers.say(database, f"SELECT DISTINCT game_date::text FROM {TABLE} ORDER BY 1")
    assert days == [(f"2024-01-0{day}",) for day in (1, 2, 4, 5, 6)]


@pytest.fixture
def restated(stats, database):
    """All days, made twice; what the table held after the first time."""
    stats.declare("stats", STATS.replace("2024-01-06", "2024-02-29"), 'executor = "processes"\nmax_parallel = 2')
    assert stats.recoup("run", "stats").returncode == 0
    first = servers.say(database, f"SELECT * FROM {TABLE} ORDER BY 1, 2")
    stats.write("bonus", "100")
    code = STATS.replace("2024-01-06", "2024-02-29").replace("bonus = int", "bonus = 0 + int")
    stats.declare("stats", code, 'executor = "processes"\nmax_parallel = 2')
    assert stats.recoup("run", "stats", "--only", "stale").returncode == 0
    assert servers.say(database, f"SELECT min(points) FROM {TABLE}") == [(101,)]
    return first


@pytest.mark.runbook("B-54", "D-15", spelling="recoup publish rollback STEP --all")
def test_a_whole_table_goes_back_and_a_rollback_that_was_killed_is_gone_on_with(stats, restated, database, until):
    command = ["publish", "rollback", "player_game_summary", "--all"]
    assert stats.recoup("publish", "rollback", "player_game_summary").returncode == 2
    preview = stats.recoup(*command)
    assert "nothing has been changed: 60 partitions would be moved\n" in preview.stdout
    assert f"next: recoup {' '.join(command)} --yes" in preview.stdout + preview.stderr
    back = f"SELECT count(DISTINCT game_date) FROM {TABLE} WHERE points < 100"
    killed = 0
    for least in (5, 20):
        process = stats.start(*command, "--yes")
        until(lambda least=least, p=process: servers.say(database, back)[0][0] >= least or p.poll() is not None)
        process.kill()
        killed += process.wait() != 0
        process.communicate()
    assert killed
    answer = stats.answer(*command, "--yes")
    assert answer["exit_code"] == 0
    assert servers.say(database, f"SELECT * FROM {TABLE} ORDER BY 1, 2") == restated
    held = servers.say(database, "SELECT count(DISTINCT run_id), sum(rows) FROM nba_analytics._recoup_held")
    assert held == [(60, 120)]
    assert stats.recoup("ledger", "verify").returncode == 0
    assert stats.answer("plan", "stats")["actions"] == 0


def test_a_window_goes_back_and_a_table_out_of_reach_follows_with_the_next_run(stats, restated, database):
    command = [
        "publish",
        "rollback",
        "stats.player_game_summary",
        "--start",
        "2024-01-10",
        "--end",
        "2024-01-12",
        "--yes",
    ]
    away = stats.recoup(*command, RECOUP_CONNECTIONS_WAREHOUSE="postgresql://root@127.0.0.1:1/nowhere")
    assert away.returncode == 1
    assert "2024-01-10: PostgreSQL of warehouse.nba_analytics.player_game_summary cannot be reached" in away.stdout
    assert "2 more were left out; `recoup run` delivers them" in away.stdout
    assert points(database, "2024-01-10") == [(110,), (110,)]
    assert stats.recoup("run", "stats").returncode == 0
    window = "game_date BETWEEN '2024-01-10' AND '2024-01-12'"
    assert servers.say(database, f"SELECT * FROM {TABLE} WHERE {window} ORDER BY 1, 2") == [
        row for row in restated if 10 <= row[0].day <= 12 and row[0].month == 1
    ]
    assert servers.say(database, f"SELECT count(*) FROM {TABLE} WHERE NOT {window} AND points < 100") == [(0,)]
