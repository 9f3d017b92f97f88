"""A line for each partition that is over."""

from recoup.cli.dates import TOLD_IN_FULL, Dates
from recoup.engine.work import Settled, Status
from recoup.model.partition import PartitionSet
from tests.unit.cli.conftest import DAYS
from tests.unit.cli.test_tally import ORDERS, TOTALS, ordinal

GOOD, BAD, BLOCKED = Status.SUCCEEDED, Status.FAILED, Status.BLOCKED


def test_what_is_complete_counts_and_what_is_not_tells_how_each_step_ended(desk):
    dates = Dates(desk.planned())
    total = dates.total
    told = [
        Settled(ORDERS, ordinal(3), ((ORDERS, GOOD), (TOTALS, GOOD))),
        Settled(TOTALS, ordinal(4), ((ORDERS, BAD), (TOTALS, BLOCKED))),
        Settled(TOTALS, ordinal(5), ((ORDERS, GOOD), (TOTALS, GOOD))),
    ]
    assert list(dates.lines(told)) == [
        f"2024-01-03  done  1/{total}",
        "[orders] ❌ Failed",
        "[totals] ❌ Blocked",
        f"⚠️ Date 2024-01-04 had failures  1/{total}",
        f"2024-01-05  done  2/{total}",
    ]


def test_what_could_not_be_planned_is_no_success(desk):
    desk.there = DAYS - PartitionSet.of((ordinal(17),))
    told = Settled(TOTALS, ordinal(17), ((TOTALS, GOOD),))
    assert list(Dates(desk.planned()).lines([told]))[-1].startswith("⚠️ Date 2024-01-17 had failures  0/")


def test_when_everything_fails_a_date_is_one_line(desk):
    dates = Dates(desk.planned())
    bad = Settled(TOTALS, ordinal(4), ((ORDERS, BAD), (TOTALS, BLOCKED)))
    lines = list(dates.lines([bad] * (TOLD_IN_FULL + 2)))
    assert len(lines) == 3 * TOLD_IN_FULL + 2
    assert lines[-1] == f"⚠️ Date 2024-01-04 had failures (orders failed, totals blocked)  0/{dates.total}"
