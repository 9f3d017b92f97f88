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
