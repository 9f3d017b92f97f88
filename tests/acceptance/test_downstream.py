"""What follows a pipeline: once at the end of a backfill, at once for a live run, date by date, or not at all."""

from __future__ import annotations

import json
import signal

import pytest

DAYS = 'rc.Daily("2024-01-01", "2024-01-08")'
PHASES = f"""
import polars as pl

phase3 = rc.Pipeline("phase3", partitions={DAYS})
phase4 = rc.Pipeline("phase_4", partitions={DAYS})
phase5 = rc.Pipeline("phase5", partitions=rc.Monthly("2024-01", "2024-01"))


@phase3.step
def games(ctx):
    with noted(ctx):
        while ctx.partition in told("wait"):
            time.sleep(0.01)
        return pl.DataFrame({{"x": [int((told("turn") or ["1"])[0])]}})


@phase4.step
def features(ctx, games: pl.LazyFrame = games):
    with noted(ctx):
        while ctx.partition in told("hold"):
            time.sleep(0.01)
        if ctx.partition in told("bad"):
            raise ValueError("a bad day")
        return games


@phase4.step
def cache(ctx, before: pl.LazyFrame = rc.trailing(games, days=3, complete=0.3)):
    with noted(ctx):
        return before.select(pl.len().alias("n"))


@phase5.step
def predictions(ctx):
    with noted(ctx):
        return pl.DataFrame({{"n": [1]}})
"""
FOLLOWS = """executor = "inline"

[pipelines]
phase3 = "phases.py:phase3"
phase4 = "phases.py:phase4"
phase5 = "phases.py:phase5"

[follows]
phase5 = ["phase4"]
phase4 = "phase3"
"""


@pytest.fixture
def phases(project):
    project.declare("phases", PHASES)
    project.write("recoup.toml", FOLLOWS)
    return project


def called(project, *steps):
    return sorted((call.step, call.partition[-2:]) for call in project.calls() if call.step in steps)


def backfills(project):
    """Pipelines with their states, the oldest first."""
    return project.ledger("SELECT pipeline, state FROM backfills ORDER BY backfill")


WINDOW = ("--start", "2024-01-01", "--end", "2024-01-03")
DATES = ["01", "02", "03"]


@pytest.mark.runbook("B-20", spelling="recoup run phase3 --downstream none")
def test_a_backfill_fires_once_at_its_end_and_with_none_not_at_all(phases):
    plan = phases.answer("plan", "phase3", *WINDOW)
    assert plan["following"] == {"mode": "backfill", "downstream": "hold", "pipelines": ["phase4"]}
    assert "downstream: phase4, once, at the end\n" in phases.recoup("plan", "phase3", *WINDOW).stdout
    none = phases.recoup("plan", "phase3", *WINDOW, "--downstream", "none")
    assert "downstream: phase4, not fired\n" in none.stdout
    assert f"next: recoup run phase3 {' '.join(WINDOW)} --downstream none" in none.stderr

    quiet = phases.recoup("run", "phase3", *WINDOW, "--downstream", "none")
    assert quiet.returncode == 0, quiet.stderr
    assert "downstream: not fired; later: recoup run phase4 --only missing,failed,stale\n" in quiet.stdout
    assert {call.step for call in phases.calls()} == {"games"}
    summary = phases.summary()
    assert (summary["mode"], summary["downstream"], summary["request"]["downstream"]) == ("backfill", "none", "none")
    assert {(body["mode"], body["downstream"]) for body in phases.manifests()} == {("backfill", "none")}
    shown = phases.answer("backfill", "show", "latest")
    assert (shown["mode"], shown["downstream"], shown["fired"]) == ("backfill", "none", [])
    assert backfills(phases) == [("phase3", "done")]

    window = ("--start", "2024-01-04", "--end", "2024-01-05")
    closing = phases.answer("run", "phase3", *window)
    assert [(one["pipeline"], one["state"]) for one in closing["following"]["fired"]] == [
        ("phase4", "done"),
        ("phase5", "done"),
    ]
    assert called(phases, "features") == [("features", "04"), ("features", "05")]
    assert called(phases, "predictions") == [("predictions", "01")]  # a month
    assert backfills(phases)[1:] == [("phase3", "done"), ("phase_4", "done"), ("phase5", "done")]
    (upstream, fired) = (one["by"][0] for one in closing["following"]["fired"])
    shown = phases.answer("backfill", "show", fired)
    assert (shown["mode"], shown["fired_by"]) == ("backfill", [upstream])
    assert f"fired by  {upstream}" in phases.recoup("backfill", "show", fired).stdout
    log = phases.recoup("backfill", "log", upstream).stdout
    assert "Due for what was published: phase4" in log
    assert f"Fired phase4: {fired}" in log
    assert f"Fired by what was published: {upstream}" in phases.recoup("backfill", "log", fired).stdout
    assert phases.answer("run", "phase3", *window)["following"]["fired"] == []  # nothing to do: nothing to fire


def test_a_live_run_fires_at_once_exactly_what_it_touches(phases):
    phases.recoup("run", "phase3", *WINDOW)
    before = len(phases.calls())
    phases.write("turn", "2")
    phases.declare("phases", PHASES.replace('["1"]', '["0"]'))
    phases.write("recoup.toml", FOLLOWS)

    result = phases.recoup("run", "phase3", "2024-01-01", "--only", "stale")

    assert result.returncode == 0, result.stderr
    again = sorted((call.step, call.partition[-2:]) for call in phases.calls()[before:])
    # its own day, and the later ones that read it; those of which nothing is there yet are nobody's business
    assert again == [("cache", "01"), ("cache", "02"), ("cache", "03"), ("features", "01"), ("games", "01")]
    shown = phases.answer("backfill", "show", "latest")
    assert shown["request"]["partitions"] + [shown["request"]["start"]] != [None]
    assert phases.answer("status", "phase4", *WINDOW)["complete"]


def test_who_follows_two_of_them_is_fired_once_for_both(phases):
    phases.write("recoup.toml", FOLLOWS.replace('["phase4"]', '["phase4", "phase3"]'))
    fired = phases.answer("run", "phase3", *WINDOW)["following"]["fired"]
    assert [(one["pipeline"], len(one["by"])) for one in fired] == [("phase4", 1), ("phase5", 2)]
    assert backfills(phases) == [("phase3", "done"), ("phase_4", "done"), ("phase5", "done")]


def test_a_follower_that_fails_changes_nothing_upstream_and_shows_in_the_exit_code(phases):
    phases.write("bad", "2024-01-02")
    result = phases.recoup("run", "phase3", *WINDOW)
    assert result.returncode == 1
    assert "phase3: done" in result.stdout
    assert "phase_4: finished, incomplete" in result.stdout
    assert result.stderr.endswith("next: recoup why phase4\n")
    assert phases.answer("status", "phase3", *WINDOW)["complete"]
    assert phases.recoup("run", "phase3", *WINDOW).returncode == 0  # it was fired: to put it right is its own matter


def test_what_was_due_when_the_power_went_is_fired_by_the_next_command_and_never_twice(phases):
    assert phases.start("run", "phase3", *WINDOW, module=("-c", _dying())).wait(60) == 9
    assert backfills(phases) == [("phase3", "done")]
    assert phases.ledger("SELECT follower FROM firings WHERE settled_at IS NULL") == [("phase4",)]

    (upstream,) = phases.ledger("SELECT backfill_id FROM backfills")[0]
    assert phases.answer("status", "phase4")["due"] == [upstream]
    assert f"due after {upstream}: any `recoup run` fires it" in phases.recoup("status", "phase4").stdout

    assert phases.answer("run", "phase3", "2024-01-08", "--downstream", "none")["following"]["fired"] == []
    assert phases.answer("status", "phase4")["due"] == [upstream]
    both = [phases.start("run", "phase5", "2024-01", "--json") for _ in range(2)]
    fired = []
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        fired += json.loads(out.splitlines()[-1])["following"]["fired"]

    assert [one["state"] for one in fired if one["pipeline"] == "phase4"] == ["done"]
    assert phases.answer("status", "phase4")["due"] == []
    assert called(phases, "features") == [("features", day) for day in DATES]
    assert phases.answer("run", "phase3", *WINDOW)["following"]["fired"] == []
    assert called(phases, "features") == [("features", day) for day in DATES]


def _dying():
    return (
        "import os, sys\n"
        "from recoup.cli import following\n"
        "following.fire = lambda *_: os._exit(9)\n"
        "from recoup.cli import command\n"
        "command()\n"
    )


@pytest.mark.parametrize(("sent", "code", "verb"), [(signal.SIGKILL, -9, "run"), (signal.SIGINT, 130, "recover")])
def test_what_follows_and_was_ended_on_its_way_goes_on_with_the_next_command(phases, until, sent, code, verb):
    phases.write("hold", "2024-01-02")
    phases.write("recoup.toml", FOLLOWS.replace('"inline"', '"threads"\nmax_parallel = 1'))
    running = phases.start("run", "phase3", *WINDOW)
    until(lambda: ("features", "02") in called(phases, "features"), running)
    running.send_signal(sent)
    if sent is signal.SIGINT:
        until(lambda: "stopping" in running.stderr.readline(), running)
        phases.write("hold", "")
    running.communicate(timeout=60)
    phases.write("hold", "")
    assert running.returncode == code
    (upstream,), (begun,) = phases.ledger("SELECT backfill_id FROM backfills ORDER BY backfill")
    assert phases.answer("status", "phase4")["due"] == [upstream]

    if verb == "run":
        fired = phases.answer("run", "phase3", *WINDOW)["following"]["fired"]
        assert backfills(phases) == [("phase3", "done"), ("phase_4", "done"), ("phase5", "done")]
    else:
        assert "\ndue for what others have published: phase4\n" in phases.recoup("recover").stdout
        assert phases.answer("recover")["due"] == ["phase4"]
        fired = phases.answer("recover", "--yes")["fired"]

    assert [(one["pipeline"], one["state"]) for one in fired] == [("phase4", "done"), ("phase5", "done")]
    assert (fired[0]["by"], fired[0]["backfill_id"]) == ([upstream], begun)
    assert called(phases, "features").count(("features", "01")) == 1
    assert phases.answer("status", "phase4", *WINDOW)["complete"]
    assert phases.answer("status", "phase4")["due"] == []
    assert phases.answer("run", "phase3", *WINDOW)["following"]["fired"] == []


def test_a_month_of_which_days_are_lacking_is_told_as_such(phases):
    monthly = "@phase5.step\ndef predictions(ctx, days: pl.LazyFrame = rc.within(features)):"
    phases.declare("phases", PHASES.replace("@phase5.step\ndef predictions(ctx):", monthly))
    phases.write("recoup.toml", FOLLOWS)
    result = phases.recoup("run", "phase3", *WINDOW)
    assert result.returncode == 0, result.stderr
    assert "phase5: nothing to do yet: not all that it reads is there for 2024-01\n" in result.stdout
    (month,) = (one for one in phases.answer("run", "phase3", "2024-01-04")["following"]["fired"] if one["waits"])
    assert (month["pipeline"], month["state"], month["waits"]) == ("phase5", "nothing", ["2024-01"])


def test_date_by_date_what_follows_does_not_wait_for_the_end(phases, until):
    phases.write("wait", "2024-01-03")
    phases.write("recoup.toml", FOLLOWS.replace('"inline"', '"threads"\nmax_parallel = 4'))
    running = phases.start("run", "phase3", *WINDOW, "--downstream", "each", "--json")
    until(lambda: {("features", "01"), ("features", "02")} <= set(called(phases, "features")), running)
    assert ("games", "03") not in [(call.step, call.partition[-2:]) for call in phases.calls("ended")]
    phases.write("wait", "")
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    closing = json.loads(out.splitlines()[-1])
    assert closing["following"]["downstream"] == "each"
    assert called(phases, "features") == [("features", day) for day in DATES]
    assert phases.answer("status", "phase4", *WINDOW)["complete"]
    assert phases.ledger("SELECT count(*) FROM firings WHERE settled_at IS NULL") == [(0,)]


def test_what_was_stopped_fires_when_it_has_been_resumed_and_has_ended(phases, until):
    phases.write("wait", "2024-01-02")
    phases.write("recoup.toml", FOLLOWS.replace('"inline"', '"threads"\nmax_parallel = 1'))
    running = phases.start("run", "phase3")
    until(lambda: ("games", "02") in called(phases, "games"), running)
    running.terminate()
    until(lambda: "stopping" in running.stderr.readline(), running)
    phases.write("wait", "")
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 143
    assert "downstream: phase4 when this backfill has been resumed and has ended" in out
    assert called(phases, "features") == []
    assert phases.recoup("backfill", "resume", "latest").returncode == 0
    assert called(phases, "features") == [("features", f"0{day}") for day in range(1, 9)]


@pytest.mark.parametrize(
    ("follows", "told"),
    [
        (
            'phase3 = "phase5"\nphase4 = "phase3"\nphase5 = "phase4"',
            "in a circle: phase3 after phase5 after",
        ),
        ('phase4 = "phase4"', "in a circle: phase4 after phase4"),
        ('phase4 = "phase2"', "there is no pipeline 'phase2'"),
        ("phase4 = 3", "names no pipeline"),
    ],
)
def test_what_cannot_follow_is_refused_with_its_line(phases, follows, told):
    phases.write("recoup.toml", FOLLOWS.split("[follows]", maxsplit=1)[0] + f"[follows]\n{follows}\n")
    result = phases.recoup("plan", "phase3")
    assert result.returncode == 2
    assert told in result.stderr
    assert "recoup.toml:" in result.stderr
