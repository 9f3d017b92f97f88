"""Killed after any transaction of a run and of what it fires: nothing is lost, or fired twice."""

import shutil
from contextlib import contextmanager

import pytest

from recoup.app.backfilling import RunOptions
from recoup.app.firing_dates import run_and_fire
from recoup.app.following import Following
from recoup.app.workspace import Workspace
from recoup.ledger.firings import followers_due
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.plan.request import Request

PIPELINES = """
import polars as pl
import recoup as rc

days = rc.Daily("2024-01-01", "2024-01-02")
up = rc.Pipeline("up", partitions=days)
down = rc.Pipeline("down", partitions=days)
other = rc.Pipeline("other", partitions=days)


@up.step
def made(ctx):
    return pl.DataFrame({"x": [1]})


@down.step
def read(ctx, made: pl.LazyFrame = made):
    return made


@other.step
def apart(ctx):
    return pl.DataFrame({"x": [1]})
"""
SETTINGS = '[pipelines]\nup = "p.py:up"\ndown = "p.py:down"\nother = "p.py:other"\n\n[follows]\ndown = "up"\n'


class Dying:
    """Counts the transactions, usually from the one that ends the first run, and is gone after one of them."""

    def __init__(self, monkeypatch, after, *, counts=False):
        self.left, self.counts = after, counts
        real, end = Ledger.transaction, Following.end

        @contextmanager
        def transaction(ledger):
            with real(ledger) as tx:
                yield tx
            if self.counts:
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt

        def ending(*given):
            self.counts = True
            end(*given)

        monkeypatch.setattr(Ledger, "transaction", transaction)
        monkeypatch.setattr(Following, "end", ending)


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "p.py").write_text(PIPELINES)
    (tmp_path / "recoup.toml").write_text(SETTINGS)
    return Workspace.here(tmp_path / "recoup.toml")


def run(workspace, name):
    return run_and_fire(workspace, Request(name), name, RunOptions(executor="inline"))


def test_whenever_it_dies_the_next_command_fires_it_and_nobody_does_twice(workspace, monkeypatch):
    root, deaths, after = workspace.settings.root, 0, 0
    while deaths == after:
        with monkeypatch.context() as patched:
            Dying(patched, after)
            try:
                run(workspace, "up")
            except KeyboardInterrupt:
                deaths += 1
        run(workspace, "other")
        run(workspace, "other")
        with LedgerReader(workspace.settings.ledger) as reader:
            assert followers_due(reader) == []
            (fired,) = reader.query("SELECT count(*) FROM firings WHERE outcome = 'fired'")
            down = [row.state for row in reader.backfills("WHERE pipeline = 'down'")]
        assert (fired, down) == ((1,), ["done"]), after
        assert run(workspace, "down").planned.plan.actions == 0
        for folder in ("lake", ".recoup"):
            shutil.rmtree(root / folder)
        after += 1
    assert deaths >= 6


def test_dead_before_its_end_the_same_command_finishes_it_and_all_that_follows(workspace, monkeypatch):
    root, has_ended, after = workspace.settings.root, False, 0
    while not has_ended:
        with monkeypatch.context() as patched:
            Dying(patched, after, counts=True)
            with pytest.raises(KeyboardInterrupt):
                run(workspace, "up")
        with LedgerReader(workspace.settings.ledger) as reader:
            has_ended = [row.state for row in reader.backfills()] == ["done"]
        run(workspace, "up")
        with LedgerReader(workspace.settings.ledger) as reader:
            made = reader.query(
                "SELECT n.name, count(*), count(DISTINCT a.ordinal) FROM attempts a JOIN nodes n USING (node)"
                " WHERE a.state = 'succeeded' GROUP BY n.name ORDER BY n.name"
            )
            assert followers_due(reader) == []
        assert made == [("made", 2, 2), ("read", 2, 2)], after
        assert run(workspace, "up").fired == ()
        for folder in ("lake", ".recoup"):
            shutil.rmtree(root / folder)
        after += 1
    assert after >= 6
