"""Which partitions a partition reads, and back again; clocks change, and the two still agree."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recoup.model.errors import PipelineError
from recoup.model.member_partitionings import Static
from recoup.model.relation import Edge, Enclosing, Same, Span, Within, check_relation, children, parents
from recoup.model.time_partitionings import Daily, Hourly, Monthly, Weekly
from tests.unit.model.test_partitioning import ZONES

CHANGES = [date(2013, 3, 10), date(2013, 11, 3), date(2013, 3, 31), date(2013, 10, 27), date(2013, 4, 7)]
# In Apia a day that never was; in Cairo and São Paulo clocks change at midnight.
ODD = [*CHANGES, date(2011, 12, 30), date(2014, 5, 16), date(2018, 11, 4), date(2018, 2, 17)]

zones = st.sampled_from(ZONES)
days = st.one_of(st.sampled_from(ODD), st.dates(date(1900, 2, 15), date(2100, 12, 31)))
# Since then no zone of these changed by a part of an hour.
settled_days = st.one_of(st.sampled_from(ODD), st.dates(date(1950, 3, 1), date(2100, 11, 30)))
spans = st.builds(Span, st.integers(1, 40), st.booleans())


@cache
def hours(zone):
    return Hourly("1950-01-02", "2100-12-31", tz=zone)


@cache
def daily(zone):
    return Daily("1900-01-01", "2100-12-31", tz=zone)


@cache
def weeks(zone):
    return Weekly("1900-01-01", "2100-12-31", tz=zone)


@cache
def months(zone):
    return Monthly("1900-01", "2100-12", tz=zone)


def inverse(relation, child, parent, ordinal):
    """What `parents` and `children` must agree on, seen from one ordinal on either side."""
    for read in parents(relation, child, parent, ordinal):
        assert ordinal in children(relation, child, parent, read)
    for reader in children(relation, child, parent, ordinal):
        assert ordinal in parents(relation, child, parent, reader)


@given(zones, days, st.one_of(st.just(Same()), spans))
def test_days_weeks_and_months_that_read_their_like(zone, day, relation):
    for partitioning in (daily(zone), weeks(zone), months(zone)):
        inverse(relation, partitioning, partitioning, partitioning.of_day(day))


@given(zones, settled_days, st.integers(0, 24), st.one_of(st.just(Same()), spans))
def test_hours_that_read_hours(zone, day, hour, relation):
    partitioning = hours(zone)
    inverse(relation, partitioning, partitioning, partitioning.parts(daily(zone), daily(zone).of_day(day)).start + hour)


def nested(coarse, fine, ordinal):
    """What lies in a partition is read by it alone, reads it back, and leaves no gap before the next."""
    read = parents(Within(), coarse, fine, ordinal)
    own = range(ordinal, ordinal + 1)

    assert all(children(Within(), coarse, fine, part) == own for part in read)
    assert children(Enclosing(), fine, coarse, ordinal) == read
    assert all(parents(Enclosing(), fine, coarse, part) == own for part in read)
    # Neighbours share nothing and leave nothing out.
    assert parents(Within(), coarse, fine, ordinal + 1).start == read.stop
    return read


@given(zones, settled_days)
def test_a_day_reads_its_hours_and_each_hour_is_read_by_its_day(zone, day):
    coarse, fine = daily(zone), hours(zone)
    ordinal = coarse.of_day(day)
    start, end = coarse.span(ordinal)
    assert len(nested(coarse, fine, ordinal)) == (end - start) / timedelta(hours=1)


@given(zones, days)
def test_weeks_and_months_read_their_days(zone, day):
    for coarse in (weeks(zone), months(zone)):
        assert daily(zone).of_day(day) in nested(coarse, daily(zone), coarse.of_day(day))


@settings(max_examples=30)  # each looks at nine hundred hours
@given(zones, settled_days)
def test_weeks_and_months_read_their_hours(zone, day):
    for coarse in (weeks(zone), months(zone)):
        ordinal = coarse.of_day(day)
        read = nested(coarse, hours(zone), ordinal)
        assert (hours(zone).span(read[0])[0], hours(zone).span(read[-1])[1]) == coarse.span(ordinal)


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("America/New_York", "2013-03-10", 23),
        ("America/New_York", "2013-11-03", 25),
        ("Europe/Berlin", "2013-03-31", 23),
        ("Europe/Berlin", "2013-10-27", 25),
        ("Australia/Sydney", "2013-10-06", 23),
        ("Australia/Sydney", "2013-04-07", 25),
        ("UTC", "2013-03-10", 24),
    ],
)
def test_how_many_hours_a_day_reads(zone, day, count):
    assert len(parents(Within(), daily(zone), hours(zone), daily(zone).ordinal(day))) == count


def test_how_many_days_and_hours_a_month_reads():
    zone = "America/New_York"
    month = months(zone).ordinal("2013-03")

    assert len(parents(Within(), months(zone), daily(zone), month)) == 31
    assert len(parents(Within(), months(zone), hours(zone), month)) == 31 * 24 - 1


def test_a_lookback_ends_before_its_partition_and_a_trailing_span_with_it():
    partitioning = daily("UTC")
    names = partitioning.name
    at = partitioning.ordinal("2013-03-01")

    before = parents(Span(7), partitioning, partitioning, at)
    assert (names(before[0]), names(before[-1]), len(before)) == ("2013-02-22", "2013-02-28", 7)
    until = parents(Span(7, trailing=True), partitioning, partitioning, at)
    assert (names(until[0]), names(until[-1]), len(until)) == ("2013-02-23", "2013-03-01", 7)


@pytest.mark.parametrize(
    ("complete", "expected", "needed"),
    [
        (1.0, 7, 7),
        (0.8, 7, 6),  # 5.6
        (0.75, 24, 18),  # exactly
        (0.75, 23, 18),  # 17.25, the short day
        (0.75, 25, 19),  # 18.75, the long one
        (0.1, 30, 3),  # 3.0000000000000004 as a float
        (0.7, 10, 7),  # 7.000000000000001
        (0.0, 7, 0),
        (1.0, 0, 0),  # an empty span is complete
    ],
)
def test_how_many_make_a_share(complete, expected, needed):
    assert Edge("history", 0, Span(7), complete).needed(expected) == needed


@given(st.integers(0, 100), st.integers(0, 400))
def test_a_share_in_percent_is_counted_exactly(percent, expected):
    assert Edge("x", 0, Span(1), percent / 100).needed(expected) == -(-percent * expected // 100)


# ------------------------------------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("relation", "child", "parent", "message"),
    [
        (Same(), daily("UTC"), hours("UTC"), "partitioned differently"),
        (Same(), daily("UTC"), Daily("2013-01-01", key="day"), "partitioned differently"),
        (Same(), daily("UTC"), daily("Europe/Berlin"), "partitioned differently"),
        (Span(7), daily("UTC"), months("UTC"), "partitioned differently"),
        (Span(7), Static(["a"]), Static(["a"]), "needs partitions of time"),
        (Within(), daily("UTC"), daily("UTC"), "finer than the step's own"),
        (Within(), daily("UTC"), months("UTC"), "finer than the step's own"),
        (Within(), daily("UTC"), hours("Europe/Berlin"), "finer than the step's own"),
        (Within(), Static(["a"]), hours("UTC"), "finer than the step's own"),
    ],
)
def test_an_input_that_does_not_fit(relation, child, parent, message):
    with pytest.raises(PipelineError, match=message) as raised:
        check_relation(relation, child, parent, "step 'clean', argument 'raw'")
    assert raised.value.message.startswith("step 'clean', argument 'raw': ")
    assert raised.value.remedy


def test_ranges_may_differ_where_the_partitioning_is_the_same():
    check_relation(Same(), Daily("2013-01-01", "2013-12-31"), Daily("2010-01-01"), "here")
    check_relation(Within(), months("UTC"), Hourly("2013-06-01"), "here")


def test_the_first_ordinals_have_children_but_not_all_parents():
    """1900-01-01 is ordinal 0: what lies before it never was."""
    partitioning = Daily("1900-01-01", "1900-12-31")

    assert [o for o in parents(Span(3), partitioning, partitioning, 1) if o >= 0] == [0]
    assert list(children(Span(3), partitioning, partitioning, 0)) == [1, 2, 3]


def test_a_day_that_lasts_as_long_as_its_hours():
    coarse, fine = daily("America/New_York"), hours("America/New_York")
    for day in CHANGES:
        ordinal = coarse.of_day(day)
        read = parents(Within(), coarse, fine, ordinal)
        begin, end = coarse.span(ordinal)
        assert fine.span(read[0])[0] == begin
        assert fine.span(read[-1])[1] == end
        assert end - begin == len(read) * timedelta(hours=1)
        assert fine.at(datetime(2013, 6, 1, tzinfo=UTC)) not in read
