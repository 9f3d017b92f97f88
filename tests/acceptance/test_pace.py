"""How fast a backfill goes: said when it begins, or from another terminal while it runs; kept when it is resumed."""

import itertools
import signal
import time

import pytest

SEASON = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-01-01", "2023-11-23", key="game_date"))


@phase3.step
def raw(ctx):
    with noted(ctx):
        time.sleep(0.02)


@phase3.step
def player_game_summary(ctx, raw):
    with noted(ctx):
        if told("hold"):
            wait_for("go")
"""
SLOW = 0.6


def most_at_once(project):
    """The largest number of partitions of which something ran at the same time."""
    ends = {(call.step, call.partition, call.attempt): call.at for call in project.calls("ended")}
    spans = [(c.at, ends.get((c.step, c.partition, c.attempt), float("inf")), c.partition) for c in project.calls()]
    return max(len({p for since, until, p in spans if since <= at < until}) for at, _, _ in spans)


def first_claims(project, after):
    """When partitions began since then, by the ledger's clock."""
    sql = "SELECT min(claimed_at) AS at FROM attempts GROUP BY ordinal HAVING at > ? ORDER BY at"
    rows = project.ledger(sql, after)
    return [at for (at,) in rows]


def in_force(project):
    """When its controller said that it had taken over what was set."""
    return project.ledger("SELECT max(at) FROM events WHERE kind = 'settings in force'")[0][0]


def assert_spaced(project, after):
    claims = first_claims(project, after)
    assert len(claims) >= 3
    assert all(later - earlier > SLOW - 0.02 for earlier, later in itertools.pairwise(claims))


@pytest.mark.runbook("B-59")
def test_a_running_backfill_is_slowed_down_and_stays_so(project, until, stop):
    """A delay between dates and fewer at once, no script edited; the second step of a date does not wait for it."""
    project.declare("phase3", SEASON, "max_parallel = 3")
    first = project.start("run", "phase3")
    until(lambda: len(project.calls()) > 20, first)
    answer = project.answer("backfill", "set", "latest", "--delay", f"{SLOW}s", "--max-parallel", "1")
    assert answer["answered"]
    assert answer["controls"] == {"max_parallel": 1, "delay_seconds": SLOW, "priority": None}
    since = in_force(project)
    until(lambda: len(first_claims(project, since)) > 3, first)
    assert_spaced(project, since)
    stop(first, signal.SIGKILL)

    killed_at = time.time()
    second = project.start("backfill", "resume", "latest")
    until(lambda: len(first_claims(project, killed_at)) > 3, second)
    assert_spaced(project, first_claims(project, since)[0])
    shown = project.recoup("backfill", "show", "latest").stdout
    assert "at most 1 at once · 600 ms between partitions" in shown

    faster = project.recoup("backfill", "set", "latest", "--delay", "0s", "--max-parallel", "4")
    assert faster.returncode == 0, faster.stderr
    assert "at most 4 at once · no delay" in faster.stdout
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    steps = project.ledger("SELECT count(*) FROM publications WHERE state = 'current'")
    assert steps == [(2 * 327,)]


@pytest.mark.runbook("D-26")
def test_never_more_partitions_at_once_than_asked_and_no_fewer(project, until):
    project.declare("phase3", SEASON, "max_parallel = 1")
    project.write("hold", "yes")
    process = project.start("run", "phase3", "--end", "2023-01-20", "--max-parallel", "4")
    held = lambda: [call for call in project.calls() if call.step == "player_game_summary"]  # noqa: E731
    until(lambda: len(held()) == 4, process)
    time.sleep(0.3)
    assert len({call.partition for call in held()}) == 4
    project.write("go", "")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert most_at_once(project) == 4


def test_what_is_set_on_one_that_stopped_counts_when_it_goes_on(project, until, stop):
    project.declare("phase3", SEASON)
    first = project.start("run", "phase3", "--delay", "1h", "--priority", "3")
    until(project.calls, first)
    stop(first, signal.SIGKILL)
    assert project.answer("backfill", "show")["controls"] == {
        "max_parallel": None,
        "delay_seconds": 3600.0,
        "priority": 3,
    }
    answer = project.answer("backfill", "set", "latest", "--delay", "0s")
    assert (answer["state"], answer["answered"], answer["controls"]["priority"]) == ("interrupted", True, 3)
    assert project.recoup("backfill", "resume", "latest").returncode == 0
    again = project.recoup("backfill", "set", "latest", "--delay", "1s")
    assert again.returncode == 2
    assert "is done: nothing of it will run" in again.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing was said to set"),
        (("--delay", "soon"), "--delay: 'soon' is no duration"),
        (("--delay=-1s",), "--delay: '-1s' is no duration"),
        (("--max-parallel", "0"), "--max-parallel is 0"),
        (("--priority", "99999999999999999999"), "--priority is 99999999999999999999"),
    ],
)
def test_a_pace_that_cannot_be(project, words, told):
    project.declare("phase3", SEASON)
    refused = project.recoup("backfill", "set", "latest", *words)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "help: " in refused.stderr
