"""Budgets that outlive a controller: slots, rates and delays, shared by all who work on one ledger."""

import signal
import time

import pytest

WORKERS = 2

ASKED = """
games = rc.Pipeline("games", partitions=rc.Daily("2000-01-01", "2019-12-31"))


@games.step(pool="api")
def schedule(ctx):
    with noted(ctx):
        pass
"""


def most(moments, window):
    """The largest number of starts in any window of so many seconds."""
    return max(sum(1 for other in moments if at <= other <= at + window) for at in moments)


@pytest.mark.runbook("B-59")
def test_a_rate_holds_through_kill_9(project, until, stop):
    """Real starts, in every window: what the rate gives, and at most one beside it for each worker."""
    project.declare("games", ASKED, f'max_parallel = {WORKERS}\npools.api = {{rate = "20/s"}}')
    first = project.start("run", "games")
    until(lambda: len(project.calls()) >= 30, first)
    stop(first, signal.SIGKILL)
    second = project.start("run", "games")
    until(lambda: len(project.calls()) >= 80, second)
    stop(second, signal.SIGTERM)

    began = [call.at for call in project.calls()]
    for window in (0.05, 0.5, 1, 3):
        assert most(began, window) <= 20 * (window + 0.02) + 1 + WORKERS


@pytest.mark.soak
@pytest.mark.runbook("B-59")
def test_a_rate_holds_for_a_minute_with_kill_9_in_its_middle(project, until, stop, capsys):
    """Killed twice, once while it has just begun again: nobody makes up for what was not started meanwhile."""
    project.declare("games", ASKED, f'max_parallel = {WORKERS}\npools.api = {{rate = "20/s"}}')
    for seconds, how in ((30, signal.SIGKILL), (1, signal.SIGKILL), (30, signal.SIGTERM)):
        before = len(project.calls())
        running = project.start("run", "games")
        until(lambda before=before: len(project.calls()) > before, running)
        time.sleep(seconds)
        stop(running, how)

    began = [call.at for call in project.calls()]
    shown = {window: most(began, window) for window in (0.05, 0.5, 1, 5, 30, 60)}
    with capsys.disabled():
        print(f"\n{len(began)} starts in {began[-1] - began[0]:.1f} s; most in a window of so many seconds: {shown}")
    assert began[-1] - began[0] > 60
    assert len(began) > 600, "a machine that cannot keep up shows nothing"
    assert all(count <= 20 * (window + 0.02) + 1 + WORKERS for window, count in shown.items())


def test_a_delay_counts_from_what_another_controller_started(project, until, stop):
    project.declare("games", ASKED, 'pools.api = {slots = 4, delay = "2s"}')
    first = project.start("run", "games")
    until(project.calls, first)
    stop(first, signal.SIGKILL)
    second = project.start("run", "games")
    until(lambda: len(project.calls()) > 1, second)
    stop(second, signal.SIGTERM)
    (before, after, *_) = [at for (at,) in project.ledger("SELECT claimed_at FROM attempts ORDER BY token")]
    assert after - before > 1.99


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ('pools.api = {rate = "0/s"}', "recoup.toml:1: [pools] api: a rate of '0/s' would never let anything start"),
        ("pools.api = {slots = 0}", "recoup.toml:1: [pools] api: 0 is no number of slots"),
        ("pools.other = 2", "step 'schedule' uses the pool 'api', which is not declared"),
    ],
)
def test_a_pool_that_cannot_be(project, declared, told):
    project.declare("games", ASKED, declared)
    refused = project.recoup("run", "games")
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "help: " in refused.stderr
    assert not project.calls()


def test_a_rate_of_zero_in_the_pipeline(project):
    project.declare("games", ASKED.replace('-31")', '-31"), pools={"api": {"rate": "0/m"}}'))
    refused = project.recoup("plan", "games")
    assert refused.returncode == 2
    assert "pipeline 'games', pool 'api': a rate of '0/m' would never let anything start" in refused.stderr
