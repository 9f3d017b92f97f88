import pytest

from recoup.cli.tally import Tally
from recoup.engine.events import Block, Counts, Retry
from recoup.engine.stopping import Progress
from recoup.ledger.facts import Failed, Measured, NodeId, Token
from recoup.model.failure import Failure, FailureKind
from recoup.model.partition import PartitionSet
from recoup.plan.snapshot import NodeState
from tests.unit.cli.conftest import DAYS, JANUARY

ORDERS, TOTALS = 1, 2


def ordinal(number):
    return JANUARY.ordinal(f"2024-01-{number:02}")


def failed(number, cause="a", node=ORDERS, kind=FailureKind.LOGIC):
    failure = Failure(kind, f"ValueError: {cause}", "ValueError", fingerprint=cause)
    return Failed(Token(number), NodeId(100 + node), ordinal(number), failure, Measured(0, 1, log=f"{number}.log"))


def progress(*failures, counts=None, running=0, blocked=(), retries=()):
    return Progress(counts or Counts(total=93), running, False, failures, blocked, retries)


@pytest.fixture
def tally(desk):
    return Tally(desk.planned(), 0.0)


def test_failures_are_gathered_by_step_and_cause(tally):
    news = tally.take(progress(failed(1), failed(2), failed(3, "b"), failed(4, node=TOTALS)))
    assert [one.first for one in news] == [True, False, True, True]
    groups = [(g.node.name, g.failure.fingerprint, len(g.ordinals), g.log) for g in tally.failure_groups()]
    assert groups == [("orders", "a", 2, "1.log"), ("orders", "b", 1, "3.log"), ("totals", "a", 1, "4.log")]


def test_what_is_tried_again_has_not_failed(tally):
    (news,) = tally.take(progress(failed(1), retries=(Retry(ORDERS, ordinal(1), 2.5),)))
    assert (news.retry_seconds, news.first) == (2.5, True)
    assert tally.failure_groups() == []
    (last,) = tally.take(progress(failed(1)))
    assert (last.retry_seconds, last.first) == (None, True)
    assert len(tally.failure_groups()) == 1


def test_what_somebody_stopped_has_not_failed(tally):
    assert tally.take(progress(failed(1, kind=FailureKind.CANCELLED))) == []
    assert tally.failure_groups() == []


def test_blocks_of_the_plan_and_on_the_way_are_one_list(desk):
    desk.there = DAYS - PartitionSet.of((ordinal(17),))
    tally = Tally(desk.planned(), 0.0)
    tally.take(progress(blocked=(Block(TOTALS, ordinal(20), "orders is not there"),)))
    told = {(g.node.name, g.reason): JANUARY.ranges_text(g.ordinals) for g in tally.block_groups()}
    assert told["orders", "raw has no such partition"] == ["2024-01-17"]
    assert told["totals", "orders is not there"] == ["2024-01-17", "2024-01-20"]


@pytest.mark.runbook("B-23")
def test_the_count_goes_on_where_an_earlier_run_stopped(desk):
    first = PartitionSet.of(map(ordinal, range(1, 16)))
    done = NodeState(expected=DAYS, published=first, same_code=first)
    desk.states = dict.fromkeys(("orders", "totals", "trend"), done)
    tally = Tally(desk.planned(), 0.0)
    assert (tally.done, tally.total) == (45, 93)
    tally.take(progress(counts=Counts(total=48, succeeded=1)))
    assert (tally.done, tally.total) == (46, 93)


def test_rate_and_time_left_come_from_the_last_half_minute(tally):
    assert tally.rate(0.0) is None
    tally.take(progress(counts=Counts(total=93, succeeded=10)))
    assert tally.rate(10.0) == pytest.approx(1.0)
    assert tally.seconds_left(10.0) == pytest.approx(83.0)
    tally.take(progress(counts=Counts(total=93, succeeded=13)))
    tally.rate(40.0)
    assert tally.rate(41.0) == pytest.approx(3 / 31)


def test_a_pause_has_no_time_left(tally):
    tally.rate(0.0)
    tally.take(Progress(Counts(total=93, succeeded=10), 0, True))
    assert tally.seconds_left(10.0) is None
