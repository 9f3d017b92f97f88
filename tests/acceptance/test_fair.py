"""Live runs and backfills on one machine: each gets its share, in the order that the ledger shows."""

import itertools
import signal
from collections import Counter

import pytest

GAMES = """
games = rc.Pipeline("games", partitions=rc.Daily("1900-01-01", "2299-12-31"))


@games.step(pool="api")
def box_score(ctx):
    with noted(ctx):
        time.sleep(0.1)
"""
BACKFILL = ("run", "games", "--end", "2173-10-14")
LIVE = "2200-06-01"
SLOTS = 4


@pytest.fixture
def games(project):
    """A hundred thousand partitions of one step."""
    project.declare("games", GAMES, f"max_parallel = {SLOTS}\npools.api = 8")
    return project


def starts(project):
    """Which backfill began, in the order of the ledger."""
    return [backfill for (backfill,) in project.ledger("SELECT backfill FROM attempts ORDER BY token")]


def claims(project):
    """Tokens and their partitions."""
    return project.ledger("SELECT token, partition FROM attempts JOIN runs USING (run) ORDER BY token")


def running_when_claimed(project, count, since, before=1e18):
    """Attempts of the backfill that began as the last of so many at once."""
    rows = project.ledger(
        "SELECT token, claimed_at, coalesce(ended_at, 1e18) FROM attempts WHERE backfill = 1 AND token < ?", before
    )
    return [
        token
        for token, at, _ in rows
        if token > since and sum(1 for other, begun, ended in rows if other <= token and begun <= at < ended) >= count
    ]


def most_at_once(project):
    """How many steps really ran at the same time."""
    moments = [(call.at, 1) for call in project.calls()] + [(call.at, -1) for call in project.calls("ended")]
    running = most = 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)
    return most


@pytest.mark.runbook("D-i2")
def test_a_live_run_gets_its_slot_while_a_backfill_keeps_every_slot_busy(games, until, stop):
    """From the moment at which the live run asks, the backfill takes its last slot no more: it is the live run's."""
    backfill = games.start(*BACKFILL)
    until(lambda: len(games.calls()) > 3 * SLOTS, backfill)
    live = games.start("run", "games", LIVE)
    until(lambda: games.ledger("SELECT 1 FROM shares WHERE priority = 10 AND wanted AND pool LIKE 'host %'"), live)
    (seen,) = games.ledger("SELECT max(token) FROM attempts")[0]
    _, errors = live.communicate(timeout=60)
    assert live.returncode == 0, errors
    until(lambda: running_when_claimed(games, SLOTS, since=seen), backfill)
    stop(backfill, signal.SIGTERM)

    (began,) = [token for token, partition in claims(games) if partition == LIVE]
    assert not running_when_claimed(games, SLOTS, since=seen, before=began)
    assert most_at_once(games) == SLOTS
    assert games.ledger("SELECT count(*) FROM shares") == [(0,)]


@pytest.mark.runbook("D-i2")
def test_the_backfill_keeps_a_quarter_while_live_runs_want_everything(games, until, stop):
    backfill = games.start(*BACKFILL)
    until(lambda: len(games.calls()) > SLOTS, backfill)
    live = games.start("run", "games", "--start", "2200-01-01", "--end", "2200-03-31", "--priority", "10")
    until(lambda: sum(1 for call in games.calls() if call.partition > "2200") >= 15, live)
    first = starts(games).index(2)
    until(lambda: len(starts(games)) > first + 80, live)
    stop(live, signal.SIGTERM)
    stop(backfill, signal.SIGTERM)
    share = Counter(starts(games)[first + SLOTS : first + 80])
    assert share[1] >= 76 // 4 - SLOTS
    assert share[2] >= 76 // 2
    assert most_at_once(games) == SLOTS


def test_two_backfills_share_alike_and_one_that_dies_leaves_all_to_the_other(games, until, stop):
    first = games.start(*BACKFILL)
    until(lambda: len(games.calls()) > SLOTS, first)
    second = games.start("run", "games", "--start", "2200-01-01")
    until(lambda: sum(1 for call in games.calls() if call.partition > "2200") >= 20, second)
    halves = Counter(starts(games)[-30:])
    assert min(halves[1], halves[2]) >= 8
    stop(first, signal.SIGKILL)
    until(lambda: len({call.pid for call in games.calls() if call.partition > "2200"}) == SLOTS, second)
    stop(second, signal.SIGTERM)


def test_one_slot_goes_from_one_to_the_other(games, until, stop):
    games.declare("games", GAMES, "max_parallel = 1\npools.api = 8")
    backfill = games.start(*BACKFILL)
    until(lambda: len(games.calls()) > 2, backfill)
    live = games.start("run", "games", "--start", "2200-01-01", "--priority", "1")
    until(lambda: sum(1 for call in games.calls() if call.partition > "2200") >= 10, live)
    stop(live, signal.SIGTERM)
    stop(backfill, signal.SIGTERM)
    turns = sum(1 for before, after in itertools.pairwise(starts(games)) if before != after)
    assert turns >= 3
    assert most_at_once(games) == 1


@pytest.mark.parametrize("pool", ["2", '{rate = "10/s"}'])
def test_a_pool_is_shared_like_the_machine(games, until, stop, pool):
    """The machine has slots enough; the pool has not."""
    games.declare("games", GAMES, f"max_parallel = {2 * SLOTS}\npools.api = {pool}")
    half = ("--max-parallel", str(SLOTS))
    backfill = games.start(*BACKFILL, *half)
    until(lambda: len(games.calls()) > 4, backfill)
    live = games.start("run", "games", "--start", "2200-01-01", "--priority", "1", *half)
    until(lambda: sum(1 for call in games.calls() if call.partition > "2200") >= 20, live)
    share = Counter(starts(games)[-24:])
    assert share[1] >= 24 // 4 - 2
    assert share[2] >= 24 // 3
    stop(live, signal.SIGTERM)
    stop(backfill, signal.SIGTERM)
    assert most_at_once(games) <= (2 if pool == "2" else SLOTS)


def test_an_embedded_database_goes_from_one_to_the_other(project):
    """Two backfills fill tables of one DuckDB file: while one delivers, the other waits, and no delivery fails."""
    project.declare(
        "games",
        """
import polars as pl

games = rc.Pipeline("games", partitions=rc.Daily("2024-01-01", "2024-02-29"))


@games.step(sink=rc.DuckDB("games.duckdb", table="box_score", key=["dt"]))
def box_score(ctx):
    return pl.DataFrame({"dt": [ctx.partition], "points": [7]})
""",
        f"max_parallel = {SLOTS}",
    )
    halves = [("--end", "2024-01-30"), ("--start", "2024-01-31")]
    both = [project.start("run", "games", *half, "--max-parallel", "2") for half in halves]
    for process in both:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, output + errors
    assert project.ledger("SELECT count(*) FROM attempts WHERE failure IS NOT NULL") == [(0,)]
    (count,) = project.python(
        "import duckdb; print(json.dumps(duckdb.connect('games.duckdb').execute('SELECT count(*) FROM box_score')"
        ".fetchone()))"
    )
    assert count == 60
