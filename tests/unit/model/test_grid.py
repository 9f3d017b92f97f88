"""Grids and weeks, and members that arrive: each against a few lines of plain Python."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import recoup as rc
from recoup.model.errors import PartitionError
from recoup.model.partition import PartitionSet
from recoup.model.relation import Enclosing, Every, Newest, Same, Span, Within, check_relation, children, parents
from recoup.model.touching import touching
from tests.unit.model.test_partitioning import ZONES

NOW = datetime(2025, 6, 1, tzinfo=UTC)
DAYS = rc.Daily("2023-11-01", "2023-12-15", key="dt")
HOURS = rc.Hourly("2023-11-01", "2023-12-15", key="hour")
MONTHS = rc.Monthly("2023-11", "2023-12")
NAMES = ["acme", "globex", "in/out"]
IDS = {"gone": 0, "globex": 1, "acme": 2, "in/out": 7}
TENANTS = rc.Static(NAMES, key="tenant").bind(IDS)
GRID = rc.Grid(DAYS, TENANTS)
HOURLY_GRID = rc.Grid(HOURS, TENANTS)

day_numbers = st.integers(0, 44)
cells = st.sets(st.tuples(day_numbers, st.sampled_from(NAMES)), max_size=40)


def day(number):
    return (date(2023, 11, 1) + timedelta(days=number)).isoformat()


def keys(chosen):
    return {f"{day(number)}/{name}" for number, name in chosen}


def of(chosen):
    return PartitionSet.of(GRID.ordinal(key) for key in keys(chosen))


def named(partitioning, ordinals):
    return {partitioning.name(ordinal) for ordinal in ordinals}


# ---------------------------------------------------------------------------------------------------------- cells


@given(day_numbers, st.sampled_from(NAMES))
def test_a_cell_and_its_ordinal(number, name):
    ordinal = GRID.ordinal(f"{day(number)}/{name}")

    assert GRID.name(ordinal) == f"{day(number)}/{name}"
    assert GRID.value(ordinal) == (date.fromisoformat(day(number)), name)
    assert GRID.span(ordinal) == DAYS.span(DAYS.ordinal(day(number)))
    assert GRID.rank(ordinal) == DAYS.rank(DAYS.ordinal(day(number)))


def test_the_universe_is_every_member_on_every_day():
    assert named(GRID, GRID.universe(NOW)) == keys(product(range(45), NAMES))


@given(cells, cells)
def test_sets_of_cells_are_sets(a, b):
    assert named(GRID, of(a) | of(b)) == keys(a | b)
    assert named(GRID, of(a) & of(b)) == keys(a & b)
    assert named(GRID, of(a) - of(b)) == keys(a - b)
    assert len(of(a)) == len(a)


@pytest.mark.parametrize(
    ("start", "end", "days", "members"),
    [
        ("2023-11-03", "2023-11-05", range(2, 5), NAMES),
        ("2023-12", None, range(30, 45), NAMES),
        ("acme", "acme", range(45), ["acme"]),
        ("*/acme", "*/acme", range(45), ["acme"]),
        ("2023-11-03/*", "2023-11-03/*", range(2, 3), NAMES),
        ("2023-11/in/out", "2023-11/in/out", range(30), ["in/out"]),
        ("2023-11-03/globex", "2023-11-03/globex", range(2, 3), ["globex"]),
        ("2023-11-03/globex", "2023-11-09", range(2, 9), ["globex"]),
    ],
)
def test_windows_by_either_side(start, end, days, members):
    assert named(GRID, GRID.window(start, end, NOW)) == keys(product(days, members))


@pytest.mark.parametrize(
    "key", ["2023-11-03", "acme", "acme/2023-11-03", "2023-11-03/", "/acme", "", "2023-11-03/nobody"]
)
def test_what_is_no_cell(key):
    with pytest.raises(PartitionError):
        GRID.ordinal(key)


def test_a_window_has_one_member_or_all():
    with pytest.raises(PartitionError, match="different members"):
        GRID.window("2023-11-03/acme", "2023-11-04/globex", NOW)


def test_ranges_gather_the_members_that_have_the_same_days():
    chosen = {(n, m) for n, m in product(range(5), ["acme", "globex"])} | {(9, "in/out")}
    assert GRID.ranges_text(of(chosen)) == [
        "2023-11-01…2023-11-05 (5) × globex, acme",
        "2023-11-10 × in/out",
    ]


# ---------------------------------------------------------------------------------------------------------- relations


def reads(relation, child, parent, key):
    return named(
        parent, PartitionSet.of_range(parents(relation, child, parent, child.ordinal(key))) & parent.universe(NOW)
    )


def test_what_a_cell_reads():
    cell = "2023-11-03/acme"
    assert reads(Same(), GRID, GRID, cell) == {cell}
    assert reads(Span(2), GRID, GRID, cell) == {"2023-11-01/acme", "2023-11-02/acme"}
    assert reads(Within(), GRID, HOURLY_GRID, cell) == {f"2023-11-03T{hour:02}/acme" for hour in range(24)}
    assert reads(Enclosing(), HOURLY_GRID, GRID, "2023-11-03T07/acme") == {cell}
    assert reads(Enclosing(), GRID, DAYS, cell) == {"2023-11-03"}
    assert reads(Enclosing(), GRID, TENANTS, cell) == {"acme"}


def test_what_reads_cells():
    assert reads(Within(), DAYS, GRID, "2023-11-03") == {f"2023-11-03/{name}" for name in NAMES}
    assert reads(Within(), TENANTS, GRID, "acme") == keys(product(range(45), ["acme"]))
    assert reads(Every(), GRID, GRID, "2023-11-03/acme") == keys(product(range(45), ["acme"]))


def local_hours(zone, first, last):
    """The keys of all hours of these local days, from nothing but the zone: an hour that comes again is `_2`."""
    found: dict[str, None] = {}
    at = datetime.combine(first, time(), UTC) - timedelta(days=2)
    at -= timedelta(minutes=at.astimezone(ZoneInfo(zone)).minute)  # where local hours begin at half past
    while at < datetime.combine(last, time(), UTC) + timedelta(days=3):
        local = at.astimezone(ZoneInfo(zone))
        key = f"{local:%Y-%m-%dT%H}"
        if first <= local.date() <= last:
            found[f"{key}_2" if key in found else key] = None
        at += timedelta(hours=1)
    return found


@given(st.sampled_from(ZONES), st.dates(date(1950, 2, 1), date(2100, 11, 30)), st.sampled_from(NAMES))
@example("Pacific/Apia", date(2011, 12, 29), "acme")
@example("America/New_York", date(2013, 11, 3), "in/out")
@example("Australia/Sydney", date(2013, 10, 6), "globex")
@example("America/Sao_Paulo", date(2018, 11, 3), "acme")
@example("America/Sao_Paulo", date(2018, 2, 17), "acme")
@example("Africa/Cairo", date(2014, 5, 15), "acme")
def test_a_grid_of_hours_in_any_zone(zone, first, name):
    last = first + timedelta(days=2)
    assume(zone != "Pacific/Apia" or date(2011, 12, 30) not in (first, last))
    hourly = rc.Grid(rc.Hourly(first.isoformat(), last.isoformat(), key="hour", tz=zone), TENANTS)
    daily = rc.Grid(rc.Daily(first.isoformat(), last.isoformat(), key="dt", tz=zone), TENANTS)
    hours = local_hours(zone, first, last)
    now = datetime(2101, 1, 1, tzinfo=UTC)

    assert named(hourly, hourly.universe(now)) == {f"{hour}/{member}" for hour in hours for member in NAMES}
    of_day = {f"{hour}/{name}" for hour in hours if hour.startswith(first.isoformat())}
    cell = daily.ordinal(f"{first}/{name}")
    assert named(hourly, parents(Within(), daily, hourly, cell)) == of_day
    for key in of_day:
        ordinal = hourly.ordinal(key)
        assert hourly.name(ordinal) == key
        assert children(Within(), daily, hourly, ordinal) == range(cell, cell + 1)
        assert parents(Enclosing(), hourly, daily, ordinal) == range(cell, cell + 1)


PAIRS = [
    (Same(), GRID, GRID),
    (Span(3), GRID, GRID),
    (Span(3, trailing=True), GRID, GRID),
    (Within(), GRID, HOURLY_GRID),
    (Within(), DAYS, GRID),
    (Within(), TENANTS, GRID),
    (Enclosing(), HOURLY_GRID, GRID),
    (Enclosing(), GRID, DAYS),
    (Enclosing(), GRID, TENANTS),
    (Enclosing(), HOURS, DAYS),
    (Enclosing(), DAYS, MONTHS),
    (Within(), rc.Weekly("2023-11-01", "2023-12-15"), DAYS),
    (Enclosing(), DAYS, rc.Weekly("2023-11-01", "2023-12-15")),
    (Every(), GRID, GRID),
    (Newest(), GRID, GRID),
]


@pytest.mark.parametrize(("relation", "child", "parent"), PAIRS, ids=lambda v: str(v)[:40])
def test_children_are_those_whose_parents_these_are(relation, child, parent):
    check_relation(relation, child, parent, "here")
    ours = [*child.universe(NOW)][::7]
    theirs = [*parent.universe(NOW)][::5]
    for read in theirs:
        readers = {ordinal for ordinal in ours if read in parents(relation, child, parent, ordinal)}
        assert {ordinal for ordinal in ours if ordinal in children(relation, child, parent, read)} == readers


@given(cells)
def test_touching_goes_by_time_and_by_member(chosen):
    hit = of(chosen)
    assert named(DAYS, touching(hit, GRID, DAYS, NOW) or ()) == {day(number) for number, _ in chosen}
    assert named(TENANTS, touching(hit, GRID, TENANTS, NOW) or ()) == {name for _, name in chosen}
    hours = touching(hit, GRID, HOURLY_GRID, NOW)
    assert hours is not None
    assert len(hours) == 24 * len(chosen)
    assert touching(hours, HOURLY_GRID, GRID, NOW) == hit


def test_touching_takes_a_side_whole_that_is_not_there():
    third = PartitionSet.of([DAYS.ordinal("2023-11-03")])
    assert named(GRID, touching(third, DAYS, GRID, NOW) or ()) == keys(product([2], NAMES))
    acme = PartitionSet.of([TENANTS.ordinal("acme")])
    assert named(GRID, touching(acme, TENANTS, GRID, NOW) or ()) == keys(product(range(45), ["acme"]))
    assert touching(acme, TENANTS, DAYS, NOW) is None


@pytest.mark.parametrize(
    ("relation", "child", "parent", "told"),
    [
        (Same(), GRID, DAYS, "partitioned differently"),
        (Within(), MONTHS, GRID, "needs partitions finer"),
        (Within(), DAYS, HOURLY_GRID, "needs partitions finer"),
        (Enclosing(), DAYS, GRID, "needs partitions coarser"),
        (Newest(), DAYS, GRID, "none of a grid's cells is the newest"),
        (Newest(), DAYS, TENANTS, "no order in time"),
        (Within(), MONTHS, rc.Weekly("2023-11-01"), "needs partitions finer"),
    ],
)
def test_what_does_not_fit_is_refused(relation, child, parent, told):
    with pytest.raises(rc.RecoupError, match=told):
        check_relation(relation, child, parent, "here")


# ---------------------------------------------------------------------------------------------------------- bad ones


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (rc.Dynamic(key="a"), rc.Dynamic(key="b"), "one side is time, the other one members"),
        (TENANTS, rc.Static(["x"], key="region"), "one side is time"),
        (DAYS, HOURS, "one side is time"),
        (TENANTS, DAYS, "one side is time"),
        (DAYS, rc.Static(["x"], key="dt"), "both sides of the grid are called 'dt'"),
    ],
)
def test_grids_that_cannot_be(one, other, told):
    with pytest.raises(PartitionError, match=told):
        rc.Grid(one, other)


@pytest.mark.parametrize("member", ["../x", "", "x" * 10_000, "a/../b", "a\\..\\b", ".", "a\0b"])
def test_members_that_cannot_be(member):
    with pytest.raises(PartitionError, match="cannot be a member") as raised:
        rc.Static(["acme", member])
    assert raised.value.remedy == "give it another name"


def test_members_that_differ_in_case_only():
    with pytest.raises(PartitionError, match=r"'acme' and 'Acme' differ only in case"):
        rc.Static(["acme", "Acme"])


# ---------------------------------------------------------------------------------------------------------- dynamic


def test_members_arrive_and_keep_their_ids():
    tenants = rc.Dynamic(key="tenant")
    assert len(tenants.universe(NOW)) == 0
    with pytest.raises(PartitionError, match="none has arrived yet"):
        tenants.ordinal("acme")

    first = tenants.with_members(lambda _: {"acme": 0})
    later = rc.Grid(DAYS, tenants).with_members(lambda _: {"acme": 0, "globex": 1})
    assert first.ordinal("acme") == 0
    assert later.ordinal("2023-11-01/globex") >> 24 == 1
    assert len(later.universe(NOW)) == 90


def test_a_listing_decides_who_is_expected():
    tenants = rc.Dynamic(key="tenant", listing=lambda: ["globex"]).naming(["globex"])
    bound = tenants.with_members(lambda _: {"acme": 0, "globex": 1})
    assert named(bound, bound.universe(NOW)) == {"globex"}
    assert bound.name(0) == "acme"


# ---------------------------------------------------------------------------------------------------------- weeks


@given(st.sampled_from(ZONES), st.dates(date(1900, 1, 1), date(2999, 12, 20)))
def test_a_week_is_that_of_the_iso_calendar(zone, any_day):
    weeks = rc.Weekly("1900-01-01", "2999-12-20", tz=zone)
    ordinal = weeks.of_day(any_day)
    year, week, _ = any_day.isocalendar()

    assert weeks.name(ordinal) == f"{year}-W{week:02}"
    assert weeks.ordinal(weeks.name(ordinal)) == ordinal
    assert weeks.value(ordinal) == date.fromisocalendar(year, week, 1)
    assert weeks.days_of(ordinal)[0] <= any_day <= weeks.days_of(ordinal)[1]


@given(st.sampled_from(ZONES), st.datetimes(datetime(1900, 1, 3), datetime(2100, 12, 30), timezones=st.just(UTC)))
def test_an_instant_lies_in_the_week_of_its_local_day(zone, instant):
    weeks = rc.Weekly("1900-01-01", "2100-12-31", tz=zone)
    year, week, _ = instant.astimezone(ZoneInfo(zone)).isocalendar()
    assert weeks.name(weeks.at(instant)) == f"{year}-W{week:02}"


def test_a_day_a_month_or_a_year_stands_for_its_weeks():
    weeks = rc.Weekly("2013-01-01", "2013-12-31")
    assert (weeks.start, weeks.end) == ("2013-W01", "2014-W01")
    assert named(weeks, weeks.window("2013-10-05", "2013-10-07", NOW)) == {"2013-W40", "2013-W41"}
    assert len(weeks.window("2013", "2013", NOW)) == 53


@pytest.mark.parametrize("key", ["2013-W54", "2013-W1", "2013W01", "2013-W00", "2013-01-01-W01", "W01", "2013-W01-1"])
def test_what_is_no_week(key):
    with pytest.raises(PartitionError, match="is not a key: one week is written 2013-W01"):
        rc.Weekly("2013-01-01").ordinal(key)


def test_a_star_is_nobody():
    with pytest.raises(PartitionError, match="'\\*' cannot be a member: it stands for all members"):
        rc.Static(["acme", "*"])


@pytest.mark.parametrize("member", ["2023-11-03", "2023-11", "2023"])
def test_a_member_of_a_grid_does_not_read_as_one_of_its_times(member):
    days = rc.Daily("2023-11-01", "2023-11-07", key="dt")
    with pytest.raises(PartitionError, match=f"'{member}' cannot be a member of tenant: beside dt") as raised:
        rc.Grid(days, rc.Static(["acme", member], key="tenant"))
    assert raised.value.remedy
    cells = rc.Grid(days, rc.Dynamic(key="tenant"))
    with pytest.raises(PartitionError, match="reads as a time"):
        cells.with_members(lambda _side: {"acme": 0, member: 1})


def test_members_that_only_look_like_times_are_members():
    names = ["2001", "1001", "2022-11-03", "2023-W46", "20231103", "7"]
    static = rc.Static(names, key="tenant")
    assert rc.Grid(rc.Daily("2023-11-01", "2023-11-07", key="dt"), static).members.members == tuple(names)
    assert rc.Static(["2023", "2024"], key="season").members == ("2023", "2024")
