"""Whoever settles what a dead controller left open may find that somebody else has settled it meanwhile."""

from __future__ import annotations

import pytest

from recoup.app.backfilling import RunOptions, run
from recoup.app.workspace import Workspace
from recoup.engine.reconcile import reconcile
from recoup.engine.runner import Runner
from recoup.lake.fence import fence
from recoup.ledger.leases import ControllerLease
from recoup.ledger.reader import LedgerReader
from recoup.ledger.watermarks import watermarks
from recoup.plan.request import Order, Request

PIPELINE = """
from datetime import datetime
import polars as pl, recoup as rc
p = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-03", key="dt"))
@p.step(watermark="read")
def table(ctx):
    ctx.advance(datetime.fromisoformat(ctx.partition))
    return pl.DataFrame({"x": [2]})
"""


FENCE = "recoup.engine.reconcile.fence"


class Died(BaseException):
    """The process is gone: nothing behind it is carried out."""


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    (tmp_path / "p.py").write_text(PIPELINE)
    (tmp_path / "recoup.toml").write_text('[pipelines]\np = "p.py:p"\n')
    return Workspace.here(tmp_path / "recoup.toml")


@pytest.fixture
def _dead(workspace, monkeypatch):
    """A controller died behind the moves of its pointers, before the ledger heard of them."""
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "_take_outcome", die)
        with pytest.raises(Died):
            run(workspace, Request("p"), "p", RunOptions(executor="inline"))


def die(*_: object) -> None:
    raise Died


@pytest.mark.usefixtures("_dead")
def test_two_that_settle_the_same_intents_settle_them_once(workspace, monkeypatch):
    """The first does all of it between the second's look at the pointers and its record."""
    with workspace.ledger() as ours, workspace.ledger() as theirs:
        store, prepared = workspace.own_store(ours), workspace.prepared(ours, "p")
        us, them = ControllerLease(ours, "ann"), ControllerLease(theirs, "bob")
        answers = []

        def look(*asked):
            moved = fence(*asked)
            monkeypatch.setattr(FENCE, fence)
            answers.append(reconcile(theirs, them, store, prepared.graph, prepared.node_ids))
            return moved

        monkeypatch.setattr(FENCE, look)
        answers.append(reconcile(ours, us, store, prepared.graph, prepared.node_ids))
        reader = LedgerReader(ours.path, ours.db)
        node = prepared.node_ids[0]
        states = [[row.state for row in reader.history(node, o)] for o in prepared.snapshot.states[0].expected]
        settled = reader.query("SELECT count(*), count(DISTINCT token) FROM events WHERE kind = 'reconciled'")
        us.close()
        them.close()
    (theirs_moved, *_), (ours_moved, *_) = answers
    assert theirs_moved == ours_moved > 0, "for both, a plan that was made before is out of date"
    assert settled == [(ours_moved, ours_moved)]
    assert sorted(map(len, states), reverse=True) == [1] * ours_moved + [0] * (3 - ours_moved)


def read_up_to(workspace) -> list[str]:
    with workspace.reader() as reader:
        return [f"{one.value:%Y-%m-%d}" for one in watermarks(reader)]


@pytest.mark.usefixtures("_dead")
def test_what_was_read_by_an_attempt_whose_pointer_had_moved_is_not_read_again(workspace):
    assert read_up_to(workspace) == []
    with workspace.ledger() as ledger:
        prepared, lease = workspace.prepared(ledger, "p"), ControllerLease(ledger, "ann")
        moved, *_ = reconcile(ledger, lease, workspace.own_store(ledger), prepared.graph, prepared.node_ids)
        assert moved > 0
        assert ledger.db.execute("SELECT count(*) FROM advances").fetchone() == (0,)
        lease.close()
    assert read_up_to(workspace) == [f"2024-01-0{moved}"]


def test_an_earlier_partition_that_comes_later_leaves_the_watermark(workspace):
    report = run(workspace, Request("p", order=Order.NEWEST), "p", RunOptions(executor="inline"))
    assert report.counts.failed == 0
    assert read_up_to(workspace) == ["2024-01-03"]
