"""Keys and ordinals: one spelling each, there and back, through every trick that clocks have played."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.model.errors import PartitionError
from recoup.model.keys import member_of, path_segment
from recoup.model.member_partitionings import Static
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.time_partitionings import Daily, Hourly, Monthly, Weekly

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
ZONES = [
    *("UTC", "America/New_York", "Europe/Berlin", "Australia/Sydney", "Asia/Kolkata", "Pacific/Apia"),
    *("America/Sao_Paulo", "Africa/Cairo", "Asia/Tokyo", "Europe/London"),
]
CHANGES = [
    # zone, day with 23 hours, the hour it lacks, day with 25 hours, the hour it has twice
    ("America/New_York", "2013-03-10", "02", "2013-11-03", "01"),
    ("Europe/Berlin", "2013-03-31", "02", "2013-10-27", "02"),
    ("Australia/Sydney", "2013-10-06", "02", "2013-04-07", "02"),
]

zones = st.sampled_from(ZONES)
days = st.dates(date(1900, 1, 2), date(2100, 12, 31))
instants = st.datetimes(datetime(1900, 1, 3), datetime(2100, 12, 30), timezones=st.just(UTC))
# Since then no zone of these changed by a part of an hour: Kolkata did in 1945, Apia in 1949.
settled_instants = st.datetimes(datetime(1950, 1, 2), datetime(2100, 12, 30), timezones=st.just(UTC))
members = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=16).filter(
    lambda member: member not in {".", "..", "*"}
)


def daily(zone):
    return Daily("1900-01-01", "2100-12-31", tz=zone)


def hourly(zone):
    return Hourly("1950-01-02", "2100-12-31", tz=zone)


def monthly(zone):
    return Monthly("1900-01", "2100-12", tz=zone)


def weekly(zone):
    return Weekly("1900-01-01", "2100-12-31", tz=zone)


def names(partitioning, ordinals):
    return [partitioning.name(o) for o in ordinals]


# ------------------------------------------------------------------------------------------------ there and back


@given(days, zones)
def test_a_day_and_its_ordinal(day, zone):
    if (zone, day) == ("Pacific/Apia", date(2011, 12, 30)):
        return
    partitioning = daily(zone)
    ordinal = partitioning.ordinal(day.isoformat())

    assert ordinal == (day - date(1900, 1, 1)).days
    assert partitioning.name(ordinal) == day.isoformat()
    assert partitioning.value(ordinal) == day


@given(days, zones)
def test_a_month_and_its_ordinal(day, zone):
    partitioning = monthly(zone)
    ordinal = partitioning.ordinal(day.isoformat()[:7])

    assert ordinal == (day.year - 1900) * 12 + day.month - 1
    assert partitioning.name(ordinal) == day.isoformat()[:7]
    assert partitioning.value(ordinal) == day.replace(day=1)


@given(settled_instants, zones)
def test_an_hour_and_its_ordinal(instant, zone):
    partitioning = hourly(zone)
    ordinal = partitioning.at(instant)
    start, end = partitioning.span(ordinal)

    assert start <= instant < end
    assert partitioning.ordinal(partitioning.name(ordinal)) == ordinal
    assert partitioning.value(ordinal) == start


@given(instants, zones)
def test_a_span_holds_its_instants_and_meets_its_neighbours(instant, zone):
    for partitioning in (daily(zone), weekly(zone), monthly(zone)):
        ordinal = partitioning.at(instant)
        start, end = partitioning.span(ordinal)

        assert start <= instant < end
        assert start.tzinfo is UTC
        assert partitioning.at(end - timedelta(seconds=1)) == ordinal
        assert partitioning.span(ordinal + 1)[0] == end


@given(st.lists(members, min_size=1, max_size=8, unique_by=str.casefold))
def test_a_member_its_ordinal_and_its_folder(given_members):
    partitioning = Static(given_members)

    for position, member in enumerate(given_members):
        assert partitioning.ordinal(member) == position
        assert partitioning.name(position) == partitioning.value(position) == member
        assert member_of(path_segment("member", member)) == member


# --------------------------------------------------------------------------------------------------- the clocks


@pytest.mark.parametrize(("zone", "short", "_lacks", "long", "_twice"), CHANGES)
def test_days_of_23_24_and_25_hours(zone, short, _lacks, long, _twice):
    hours, whole_days = hourly(zone), daily(zone)

    for key, count in ((short, 23), (long, 25), ("2013-07-01", 24)):
        day = whole_days.ordinal(key)
        parts = hours.parts(whole_days, day)

        assert len(parts) == count
        assert {hours.whole(o, whole_days) for o in parts} == {day}
        assert (hours.span(parts[0])[0], hours.span(parts[-1])[1]) == whole_days.span(day)
        assert hours.window(key, key, NOW) == PartitionSet.of_range(parts)
        assert names(hours, parts) == [hours.name(o) for o in sorted(map(hours.ordinal, names(hours, parts)))]


@pytest.mark.parametrize(("zone", "short", "lacks", "long", "twice"), CHANGES)
def test_hours_that_clocks_skip_or_repeat(zone, short, lacks, long, twice):
    hours = hourly(zone)

    assert hours.ordinal(f"{long}T{twice}_2") == hours.ordinal(f"{long}T{twice}") + 1
    with pytest.raises(PartitionError, match="skip"):
        hours.ordinal(f"{short}T{lacks}")
    with pytest.raises(PartitionError, match="skip"):
        hours.ordinal(f"{short}T{lacks}_2")
    with pytest.raises(PartitionError, match="only once"):
        hours.ordinal(f"{short}T{twice}_2" if lacks != twice else f"{short}T05_2")
    with pytest.raises(PartitionError, match="only once"):
        hours.ordinal(f"{long}T05_2")


def test_utc_never_repeats_an_hour():
    with pytest.raises(PartitionError, match="only once"):
        Hourly("2013").ordinal("2013-11-03T01_2")


@pytest.mark.parametrize("day", ["2012-02-29", "2000-02-29", "2013-12-31", "2012-12-31", "1900-02-28"])
def test_days_at_the_edges_of_years(day):
    partitioning = daily("UTC")
    following = date.fromisoformat(day) + timedelta(days=1)

    assert partitioning.name(partitioning.ordinal(day) + 1) == following.isoformat()


def test_1900_had_no_29_february():
    with pytest.raises(PartitionError, match="1900-02-29"):
        daily("UTC").ordinal("1900-02-29")


def test_days_of_a_month():
    months, whole_days = monthly("UTC"), daily("UTC")

    parts = whole_days.parts(months, months.ordinal("2012-02"))
    assert names(whole_days, [parts[0], parts[-1]]) == ["2012-02-01", "2012-02-29"]
    assert {months.name(whole_days.whole(o, months)) for o in parts} == {"2012-02"}


@given(settled_instants, zones)
def test_an_hour_lies_in_its_day_and_its_month(instant, zone):
    hours, whole_days, months = hourly(zone), daily(zone), monthly(zone)
    hour, day, month = hours.at(instant), whole_days.at(instant), months.at(instant)

    assert hours.whole(hour, whole_days) == day
    assert hour in hours.parts(whole_days, day)
    assert whole_days.whole(day, months) == hours.whole(hour, months) == month
    assert hour in hours.parts(months, month)


def test_a_day_that_never_was():
    apia, hours = Daily("2011-12-28", "2012-01-02", tz="Pacific/Apia"), Hourly("2011-12", "2012-01", tz="Pacific/Apia")
    never = apia.ordinal("2011-12-29") + 1

    assert names(apia, apia.universe(NOW)) == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]
    assert apia.ranges_text(apia.universe(NOW)) == ["2011-12-28…2011-12-29 (2)", "2011-12-31…2012-01-02 (3)"]
    assert apia.span(never)[0] == apia.span(never)[1]
    assert not hours.parts(apia, never)
    assert hours.name(hours.ordinal("2011-12-29T23") + 1) == "2011-12-31T00"
    for refused in (apia.ordinal, lambda key: apia.window(key, None, NOW), lambda key: hours.window(key, key, NOW)):
        with pytest.raises(PartitionError, match=r"2011-12-30.*does not exist in Pacific/Apia"):
            refused("2011-12-30")


@pytest.mark.parametrize(
    ("zone", "never"),
    [("Pacific/Kwajalein", "1993-08-21"), ("Pacific/Kiritimati", "1994-12-31"), ("Pacific/Fakaofo", "2011-12-30")],
)
def test_other_days_that_never_were(zone, never):
    partitioning = daily(zone)

    assert names(partitioning, PartitionSet.of_range(range(73_414)) - partitioning.universe(NOW)) == [never]


def test_a_day_begins_when_its_first_hour_does():
    sao_paulo = Daily("2018", tz="America/Sao_Paulo")  # clocks went from 24:00 to 01:00
    toronto = Daily("1919", tz="America/Toronto")  # and here from 23:30 to 00:30

    assert sao_paulo.span(sao_paulo.ordinal("2018-11-04"))[0] == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert toronto.span(toronto.ordinal("1919-03-31"))[0] == datetime(1919, 3, 31, 4, 30, tzinfo=UTC)


def test_a_day_that_has_begun_does_not_end_when_clocks_go_back_across_midnight():
    johns = Daily("2010", "2010", tz="America/St_Johns")  # from 00:01 to 23:01 on the evening before
    day = johns.ordinal("2010-11-07")
    start, _ = johns.span(day)

    assert start == datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    assert johns.at(start + timedelta(minutes=30)) == day
    hours = Hourly("2010", "2010", tz="America/St_Johns")
    assert names(hours, hours.parts(johns, day))[:3] == ["2010-11-07T00", "2010-11-07T00_2", "2010-11-07T01"]


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("Australia/Lord_Howe", "2013-01-01", "2013-12-31"),
        ("Asia/Pyongyang", "2015", "2015"),
        ("Asia/Kolkata", "1900", None),
    ],
)
def test_zones_that_change_by_a_part_of_an_hour_are_not_hourly(zone, start, end):
    with pytest.raises(PartitionError, match="part of an hour") as refused:
        Hourly(start, end, tz=zone)

    assert "UTC" in refused.value.remedy
    assert Daily(start, end, tz=zone).universe(NOW)


def test_zones_at_half_past_are_hourly_while_they_stay_so():
    kolkata = Hourly("2013-01-01", "2013-01-02", tz="Asia/Kolkata")

    assert kolkata.span(kolkata.ordinal("2013-01-01T00"))[0] == datetime(2012, 12, 31, 18, 30, tzinfo=UTC)
    assert len(kolkata.universe(NOW)) == 48
    assert Hourly("2016", tz="Asia/Pyongyang", end="2016").phase_seconds == 1800
    with pytest.raises(PartitionError, match="part of an hour"):
        Hourly("2019", tz="Asia/Pyongyang").ordinal("2016-01-01T00")


# ------------------------------------------------------------------------------------------------------ bad keys

BAD_KEYS = [
    "", " ", ".", "..", "../../etc/passwd", "2013-01-01/..", "2013/01/01", "2013-01-01\0", "2013-01-01\n",
    " 2013-01-01", "2013-1-1", "2013-1", "13-01-01", "2013-13", "2013-02-30", "2013-00-10", "20130101", "2013-W01-1",
    "+2013-01", "\u0662\u0660\u0661\u0663-\u0660\u0661-\u0660\u0661", "2013-01-0\uff11", "2013-0\uff11",
    "2013\u201101\u201101", "2013-01-01T7", "2013-01-01T24", "2013-01-01 07", "2013-01-01t07", "2013-01-01T07:00",
    "2013-01-01T07Z", "2013-01-01T07_1", "2013-01-01T07_2_2", "2013-01-01T07_", "2013-01-01T0\uff17", "20130101T0715",
    "2013-W01-1T07", "x" * 10_000, "9" * 10_000, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("make", [Daily, Hourly, Monthly])
@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: ascii(key[:20]))
def test_a_bad_key_is_refused_in_one_short_sentence(make, key):
    with pytest.raises(PartitionError) as refused:
        make("2013", "2013").ordinal(key)

    assert refused.value.message.endswith(make.example)
    assert len(refused.value.message) < 160
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("make", [Daily, Hourly, Monthly])
@pytest.mark.parametrize("key", [None, 5, b"2013-01-01", 20130101, ["2013-01-01"], datetime(2013, 1, 1)])
def test_what_is_no_text_is_no_key(make, key):
    with pytest.raises(PartitionError, match="is not a key"):
        make("2013", "2013").ordinal(key)
    if key is not None:
        with pytest.raises(PartitionError, match="is not a key"):
            make("2013", key)


@pytest.mark.parametrize("make", [Daily, Hourly, Monthly])
@given(key=st.text(max_size=20))
def test_any_text_is_a_key_or_is_refused(make, key):
    partitioning = make("2013", "2013")
    try:
        ordinal = partitioning.ordinal(key)
    except PartitionError:
        return
    assert partitioning.name(ordinal) == key


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (Daily, "1899-12-31"),
        (Daily, "9999-12-31"),
        (Monthly, "1899-12"),
        (Hourly, "1899-12-31T23"),
        (Monthly, "3000-01"),
    ],
)
def test_years_that_are_not_counted(make, key):
    for asked in (lambda: make("2013", "2013").ordinal(key), lambda: make("2013", key)):
        with pytest.raises(PartitionError, match="1900 to 2999"):
            asked()


@pytest.mark.parametrize("zone", ["Nope/Zone", "../../etc/passwd", "America", "", "x\0", "a" * 10_000, None, 5])
@pytest.mark.parametrize("make", [Daily, Hourly, Monthly])
def test_a_zone_that_nobody_knows(make, zone):
    with pytest.raises(PartitionError, match="is not a time zone") as refused:
        make("2013", tz=zone)
    assert "Europe/Berlin" in refused.value.remedy


@pytest.mark.parametrize("key", ["", "a b", "a/b", "1st", "é", "a" * 51, "..", None])
def test_a_key_name_is_a_plain_word(key):
    with pytest.raises(PartitionError, match="cannot name a partition key"):
        Daily("2013", key=key)
    with pytest.raises(PartitionError, match="cannot name a partition key"):
        Static(["acme"], key=key)


# -------------------------------------------------------------------------------------------- universe and window


def test_a_declared_range_is_whole_even_in_the_future():
    assert names(Daily("2030-01-01", "2030-01-03"), Daily("2030-01-01", "2030-01-03").universe(NOW)) == [
        "2030-01-01",
        "2030-01-02",
        "2030-01-03",
    ]


@pytest.mark.parametrize(
    ("partitioning", "last"),
    [
        (Daily("2025-05-01"), "2025-05-31"),
        (Daily("2025-05-01", tz="Pacific/Kiritimati"), "2025-06-01"),
        (Hourly("2025-05-01"), "2025-06-01T11"),
        (Hourly("2025-05-01", tz="Asia/Kolkata"), "2025-06-01T16"),
        (Monthly("2025-01"), "2025-05"),
    ],
)
def test_an_open_range_ends_with_what_is_over(partitioning, last):
    universe = partitioning.universe(NOW)

    assert partitioning.name(universe.last) == last
    assert universe == partitioning.window(None, None, NOW)
    assert partitioning.end is None


def test_an_open_range_may_not_have_begun():
    future = Daily("2030-01-01")

    assert future.universe(NOW) == future.window(None, None, NOW) == EMPTY
    with pytest.raises(PartitionError, match="not there yet"):
        future.window("2030-01-01", None, NOW)


def test_now_has_a_time_zone():
    with pytest.raises(ValueError, match="no time zone"):
        Daily("2013").universe(datetime(2025, 6, 1))
    with pytest.raises(ValueError, match="no time zone"):
        Hourly("2013").universe(datetime(2025, 6, 1))


@pytest.mark.parametrize(
    ("partitioning", "start", "end", "first", "last"),
    [
        (Daily("2013", "2014"), "2013-03-01", "2013-03-02", "2013-03-01", "2013-03-02"),
        (Daily("2013", "2014"), "2013-10", "2013-10", "2013-10-01", "2013-10-31"),
        (Daily("2013", "2014"), "2013-10", "2014", "2013-10-01", "2014-12-31"),
        (Daily("2013", "2014"), None, "2013-01", "2013-01-01", "2013-01-31"),
        (Daily("2013-03-05", "2014"), "2013", "2013", "2013-03-05", "2013-12-31"),
        (Monthly("2013", "2014"), "2013", "2014-02", "2013-01", "2014-02"),
        (Hourly("2013", "2014"), "2013-10-05", "2013-10-05", "2013-10-05T00", "2013-10-05T23"),
        (Hourly("2013", "2014"), "2013-10-05T22", "2013-11", "2013-10-05T22", "2013-11-30T23"),
        (Hourly("2013", "2014", tz="Europe/Berlin"), "2013", "2013", "2013-01-01T00", "2013-12-31T23"),
        (Hourly("2013-01-01T05", "2014"), "2013-01", None, "2013-01-01T05", "2014-12-31T23"),
    ],
)
def test_a_window_includes_its_end_and_knows_months_and_years(partitioning, start, end, first, last):
    found = partitioning.window(start, end, NOW)

    assert (partitioning.name(found.first), partitioning.name(found.last)) == (first, last)
    assert len(list(found.ranges())) == 1


@pytest.mark.parametrize(("start", "end"), [("2013-03-02", "2013-03-01"), ("2013-05", "2013-03"), ("2014", "2013")])
def test_a_window_runs_forward(start, end):
    with pytest.raises(PartitionError, match="ends before it starts"):
        Daily("2013", "2014").window(start, end, NOW)
    with pytest.raises(PartitionError, match="ends before it starts"):
        Daily(start, end)


@pytest.mark.parametrize(
    ("start", "end"), [("2012-12-31", None), (None, "2015-01-01"), ("2012", "2012"), ("2015-06", None)]
)
def test_a_key_outside_the_range_is_told_the_range(start, end):
    with pytest.raises(PartitionError, match=f"{start or end}.*2013-01-01…2014-12-31"):
        Daily("2013", "2014").window(start, end, NOW)


def test_a_range_is_said_in_keys_dates_months_or_years():
    assert Daily(date(2013, 1, 1), date(2013, 12, 31)) == Daily("2013", "2013-12") == Daily("2013-01-01", "2013-12-31")
    assert (Hourly("2013", "2013").start, Hourly("2013", "2013").end) == ("2013-01-01T00", "2013-12-31T23")


def test_a_partitioning_is_a_value():
    year = Daily("2013", "2013")

    assert hash(year) == hash(Daily("2013", "2013"))
    assert len({year, Daily("2013", "2014"), Daily("2013", "2013", tz="Europe/Berlin"), Monthly("2013", "2013")}) == 4
    with pytest.raises(AttributeError):
        year.start = "2012-01-01"  # type: ignore[misc]


def test_a_hundred_thousand_days():
    for zone in ("UTC", "Pacific/Apia"):
        assert len(Daily("1900-01-01", "2173-10-15", tz=zone).universe(NOW)) == 100_000 - (zone != "UTC")


# -------------------------------------------------------------------------------------- identity, order and nesting


def test_identity_names_what_must_not_change():
    assert Daily("2013").identity() == {"kind": "daily", "key": "dt", "tz": "UTC"}
    assert Daily("2013").identity() == Daily("2014", "2015").identity()
    assert Monthly("2013", key="m").identity() == {"kind": "monthly", "key": "m", "tz": "UTC"}
    assert Hourly("2013", tz="Asia/Kolkata").identity()["phase_seconds"] == 1800
    assert Static(["acme"]).identity() == Static(["beta"]).identity() == {"kind": "static", "key": "member"}
    assert json.loads(json.dumps(Hourly("2013").identity())) == Hourly("2013").identity()


@given(instants)
def test_rank_is_about_the_second_of_the_beginning(instant):
    for partitioning in (daily("UTC"), monthly("UTC"), Hourly("1900", "2100")):
        ordinal = partitioning.at(instant)
        assert partitioning.rank(ordinal) == partitioning.span(ordinal)[0].timestamp()


def test_only_finer_ones_of_the_same_zone_nest():
    nests = [
        (a, b)
        for zone in ("UTC", "Europe/Berlin")
        for a in (hourly(zone), daily(zone), monthly(zone))
        for b in (hourly("UTC"), daily("UTC"), monthly("UTC"), Static(["acme"]))
        if a.is_finer_than(b)
    ]

    assert [(str(a), str(b)) for a, b in nests] == [
        ("hours of UTC", "days of UTC"),
        ("hours of UTC", "months of UTC"),
        ("days of UTC", "months of UTC"),
    ]


@pytest.mark.parametrize(
    ("finer", "coarser"),
    [
        (monthly("UTC"), daily("UTC")),
        (daily("UTC"), hourly("UTC")),
        (hourly("UTC"), daily("Europe/Berlin")),
        (daily("UTC"), Static(["acme"])),
        (Static(["acme"]), daily("UTC")),
        (Static(["acme"]), Static(["eu"], key="region")),
    ],
)
def test_what_does_not_nest_is_refused(finer, coarser):
    with pytest.raises(PartitionError, match="do not lie within"):
        finer.parts(coarser, 0)
    with pytest.raises(PartitionError, match="do not lie within"):
        finer.whole(0, coarser)


@pytest.mark.parametrize("make", [lambda: daily("UTC"), lambda: hourly("Europe/Berlin"), lambda: Static(["a", "b"])])
def test_an_equal_partitioning_is_the_same(make):
    assert make().parts(make(), 1) == range(1, 2)
    assert make().whole(1, make()) == 1


# -------------------------------------------------------------------------------------------------------- as text


def test_ranges_as_people_say_them():
    year = Daily("2013", "2013")

    def text(*keys, over=None):
        return year.ranges_text(PartitionSet.of(map(year.ordinal, keys)), over)

    assert text() == []
    assert text("2013-01-05") == ["2013-01-05"]
    assert text("2013-01-05", "2013-01-06") == ["2013-01-05…2013-01-06 (2)"]
    assert year.ranges_text(year.window(None, "2013-03-08", NOW)) == ["2013-01-01…2013-03-08 (67)"]
    assert text("2013-01-05", "2013-01-07") == ["2013-01-05", "2013-01-07"]


def test_ranges_run_across_days_that_nobody_expects():
    year = Daily("2013", "2013")
    games = PartitionSet.of(map(year.ordinal, ["2013-01-01", "2013-01-03", "2013-01-06", "2013-01-08", "2013-01-09"]))
    lost = PartitionSet.of([year.ordinal("2013-01-06")])

    assert year.ranges_text(games, over=games) == ["2013-01-01…2013-01-09 (5)"]
    assert year.ranges_text(games - lost, over=games) == ["2013-01-01…2013-01-03 (2)", "2013-01-08…2013-01-09 (2)"]
    assert year.ranges_text(games) == ["2013-01-01", "2013-01-03", "2013-01-06", "2013-01-08…2013-01-09 (2)"]
    assert year.ranges_text(games, over=EMPTY) == ["2013-01-01…2013-01-09 (5)"]


@given(st.sets(st.integers(41_000, 41_060)), st.sets(st.integers(41_000, 41_060)))
def test_ranges_never_run_across_what_is_expected(chosen, over):
    year = Daily("2012", "2013")
    texts = year.ranges_text(PartitionSet.of(chosen), PartitionSet.of(over))

    joined = 0
    for left, right in pairwise(sorted(chosen)):
        joined += not any(left < gap < right for gap in over)
    assert len(texts) == len(chosen) - joined


# ---------------------------------------------------------------------------------------------------------- static


def test_members_are_bound_to_the_ids_of_the_ledger():
    tenants = Static(["beta", "acme"], key="tenant")
    bound = tenants.bind({"acme": 4, "gone": 2, "beta": 7})

    assert names(bound, bound.universe(NOW)) == ["acme", "beta"]
    assert bound.ranges_text(PartitionSet.of([2, 4])) == ["gone", "acme"]
    assert (bound.ordinal("acme"), bound.ordinal("gone"), bound.rank(7)) == (4, 2, 7)
    assert bound == tenants.bind({"gone": 2, "beta": 7, "acme": 4}) != tenants
    assert bound.is_time is False
    assert bound.calendar is None
    for ids in ({"acme": 4}, {"acme": 4, "beta": 4}, {"acme": 0, "beta": -1}):
        with pytest.raises(ValueError, match="id of its own"):
            tenants.bind(ids)


def test_a_window_of_members_follows_their_declaration():
    tenants = Static(["c", "a", "b"]).bind({"a": 0, "b": 1, "c": 2})

    assert names(tenants, tenants.window("c", "a", NOW)) == ["a", "c"]
    assert tenants.window("a", "a", NOW) == PartitionSet.of([0])
    assert tenants.window(None, None, NOW) == tenants.universe(NOW)
    with pytest.raises(PartitionError, match="ends before it starts"):
        tenants.window("b", "c", NOW)
    with pytest.raises(PartitionError, match="'d' is not one of the 3 members"):
        tenants.window("d", None, NOW)


@pytest.mark.parametrize("key", ["beta", "ACME", "", "..", "x" * 10_000, ["acme"], None])
def test_an_unknown_member_is_refused(key):
    with pytest.raises(PartitionError, match="not one of the 1 members"):
        Static(["acme"]).ordinal(key)


def test_an_unknown_id_is_refused():
    with pytest.raises(PartitionError, match="id 9"):
        Static(["acme"]).name(9)


def test_members_are_no_times():
    with pytest.raises(PartitionError, match="no time"):
        Static(["acme"]).span(0)
    with pytest.raises(PartitionError, match="no time"):
        Static(["acme"]).at(NOW)


@pytest.mark.parametrize(
    "refused",
    [[], "acme", [""], ["."], [".."], ["a\nb"], ["a\0"], ["\x7f"], ["\ud800"], ["a" * 201], ["é" * 200], [5], [None],
     ["acme", "acme"], ["acme", "ACME"], ["straße", "STRASSE"]],
    ids=lambda members: ascii(members)[:20],
)  # fmt: skip
def test_members_that_are_refused(refused):
    with pytest.raises(PartitionError) as error:
        Static(refused)
    assert len(error.value.message) < 300


@pytest.mark.parametrize("member", ["a" * 200, "a/b", "...", "%2E", "a=b", "Zürich", "日本", " ", "~"])
def test_members_that_are_fine(member):
    segment = path_segment("member", Static([member]).name(0))

    assert member_of(segment) == member
    assert segment.isascii()
    assert not set(segment) & set('/\\ :*?"<>|')
    assert len(segment) <= 255


def test_a_segment_of_a_path():
    assert path_segment("dt", "2013-01-01") == "dt=2013-01-01"
    assert path_segment("hour", "2013-11-03T01_2") == "hour=2013-11-03T01_2"
    assert path_segment("tenant", "../a b") == "tenant=..%2Fa%20b"
    assert path_segment("tenant", "..") == "tenant=%2E%2E"


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "dt",
        "dt=",
        "=a",
        "dt=a/b",
        "dt=a b",
        "dt=%61",
        "dt=%2f",
        "dt=%ff",
        "dt=%ED%A0%80",
        "dt=..",
        "dt=\ud800",
        "a b=c",
    ],
)
def test_what_is_no_segment(segment):
    with pytest.raises(PartitionError, match="not a partition's folder"):
        member_of(segment)
