"""A PostgreSQL server that dies while a backfill delivers to it, and asks for a password; a worker that stood still."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from urllib.parse import quote

import psutil
import psycopg
import pytest

from tests import servers

pytestmark = pytest.mark.services

PASSWORD, WRONG = "hush-hush/42@é'", "psst-psst 43%"
STATS = """
import polars as pl

stats = rc.Pipeline("stats", partitions=rc.Daily("2024-01-01", "2024-01-12", key="dt"))


@stats.step(
    retry=rc.Retry(max_attempts=6, initial="100ms", max="1s"),
    sink=rc.Postgres("warehouse", table="nba.totals", key=["dt", "player_id"], mode="upsert"),
)
def totals(ctx):
    day = int(ctx.partition[-2:])
    ids = pl.int_range(300 + day, eager=True)
    return pl.DataFrame({"player_id": ids, "points": ids * day})
"""
SETTINGS = """
max_parallel = 2

[connections]
warehouse = "postgresql://app:${WAREHOUSE_PASSWORD}@127.0.0.1:%d/postgres"
"""
TABLE = "SELECT dt::text, count(*), sum(points) FROM nba.totals GROUP BY dt ORDER BY dt"
RIGHT = [(f"2024-01-{day:02}", 300 + day, sum(n * day for n in range(300 + day))) for day in range(1, 13)]


@pytest.fixture(scope="module")
def server() -> Iterator[servers.OwnServer]:
    with servers.own_postgresql(password=True) as server:
        with psycopg.connect(f"host={server.folder} port={server.port} user=root dbname=postgres") as connection:
            connection.execute(
                psycopg.sql.SQL("CREATE ROLE app LOGIN PASSWORD {}").format(psycopg.sql.Literal(PASSWORD))
            )
            connection.execute("GRANT CREATE ON DATABASE postgres TO app")
        yield server


@pytest.fixture
def stats(project, server):
    server.say("DROP SCHEMA IF EXISTS nba CASCADE")
    project.declare("stats", STATS, SETTINGS % server.port)
    project.environ["WAREHOUSE_PASSWORD"] = PASSWORD
    return project


def test_a_server_that_dies_again_and_again_while_a_backfill_runs(stats, server, until):
    run = stats.start("run", "stats")
    for least in (1, 3):
        until(lambda least=least: _deliveries(server) >= least)
        server.kill()
        server.start()
    run.communicate(timeout=60)
    codes = [run.returncode]
    while codes[-1] != 0 and len(codes) < 4:
        codes.append(stats.recoup("run", "stats").returncode)
    assert codes[-1] == 0
    assert server.say(TABLE) == RIGHT
    held = server.say("SELECT partition, rows FROM nba._recoup_held ORDER BY 1")
    assert held == [(day, rows) for day, rows, _ in RIGHT]


def test_no_password_is_ever_shown(stats, server):
    wrong = {"WAREHOUSE_PASSWORD": WRONG}
    said = [stats.recoup(*words, **wrong) for words in (["doctor", "stats"], ["run", "stats"], ["status", "stats"])]
    assert [result.returncode for result in said[:2]] == [1, 1]
    assert "auth" in said[2].stdout
    assert "password authentication failed" in said[2].stdout
    said += [stats.recoup(*words) for words in (["doctor", "stats"], ["run", "stats"], ["config", "show"], ["runs"])]
    said += [stats.recoup("runs", "--failed", "--json"), stats.recoup("plan", "stats", "--only", "stale", "--json")]
    assert said[4].returncode == 0, said[4].stderr
    assert server.say(TABLE) == RIGHT
    texts = [text.encode() for result in said for text in (result.stdout, result.stderr)]
    texts += stats.tree(".recoup").values()
    texts += stats.tree("lake").values()
    for secret in (PASSWORD, WRONG):
        for spelling in {secret, quote(secret, safe=""), quote(secret), secret[:9]}:
            assert not any(spelling.encode() in text for text in texts), spelling


@pytest.mark.runbook("B-i5", spelling="recoup backfill cancel ID")
def test_a_worker_that_wakes_up_after_a_cancel_changes_no_table(stats, server, until):
    assert stats.recoup("run", "stats", "--end", "2024-01-03").returncode == 0
    before = server.say("SELECT xmin::text, * FROM nba.totals ORDER BY 2, 3")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'recoup' AND wait_event_type = 'Lock'"
    with psycopg.connect(f"host={server.folder} port={server.port} user=root dbname=postgres") as other:
        other.execute("LOCK TABLE nba.totals IN SHARE MODE")  # rows may be read, and none may be written
        run = stats.start("run", "stats")
        until(lambda: server.say(waiting) == [(2,)], run)
        workers = [child for child in psutil.Process(run.pid).children(recursive=True) if _is_worker(child)]
        for worker in workers:
            os.kill(worker.pid, signal.SIGSTOP)
        cancelled = stats.recoup("backfill", "cancel", "latest")
        assert cancelled.returncode == 0, cancelled.stderr
        run.communicate(timeout=30)
    for worker in workers:
        if worker.is_running():
            worker.send_signal(signal.SIGCONT)
    until(lambda: server.say("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'recoup'") == [(0,)])
    assert server.say("SELECT xmin::text, * FROM nba.totals ORDER BY 2, 3") == before
    assert server.say("SELECT count(*) FROM nba._recoup_held") == [(3,)]
    assert stats.recoup("run", "stats").returncode == 0
    assert server.say(TABLE) == RIGHT


def _deliveries(server):
    there = server.say("SELECT to_regclass('nba._recoup_held') IS NOT NULL") == [(True,)]
    return server.say("SELECT count(*) FROM nba._recoup_held")[0][0] if there else 0


def _is_worker(process: psutil.Process) -> bool:
    return bool(re.search(r"worker", " ".join(process.cmdline())))
