"""Which partitions are run or blocked, and why: one small pipeline at a time."""

import pytest

import recoup as rc
from recoup.model.errors import PartitionError, PipelineError, UsageError
from recoup.plan.plan import Verb
from recoup.plan.request import Order, Place
from tests.unit.plan.worlds import NOW, World, keys, pipeline

DAYS = rc.Daily("2013-01-01", "2013-01-31")
ALL = "2013-01-01…2013-01-31 (31)"


def chain():
    """raw → clean → delays, and delays into a table."""
    made = pipeline(DAYS)
    made.step(name="raw")(lambda ctx: None)
    made.step(name="clean")(lambda ctx, raw: None)
    made.step(name="delays", sink=rc.DuckDB("d.duckdb", table="t"))(lambda ctx, clean: None)
    return World.of(made)


def weekly(complete=1.0, days=DAYS, source=None):
    """clean → week, which looks back seven days; with a source below."""
    made = pipeline(days)
    clean = made.step(name="clean")(lambda ctx, feed=source: None)
    made.step(name="week")(lambda ctx, before=rc.lookback(clean, days=7, complete=complete): None)
    return World.of(made)


# ------------------------------------------------------------------------------------------------ why


def test_what_was_never_made_is_missing_and_tables_follow():
    assert chain().told() == [
        ("raw", "run", "missing", ALL),
        ("clean", "run", "missing", ALL),
        ("delays", "run", "missing", ALL),
        ("delays@d.t", "run", "follows delays", ALL),
    ]


def test_when_all_is_done_there_is_nothing_to_do():
    plan = chain().all_published().plan()

    assert (plan.groups, plan.actions, plan.blocked, plan.done) == ((), 0, 0, 4 * 31)


def test_what_failed_is_grouped_by_kind_and_is_not_missing():
    world = chain().all_published()
    world.know(
        "raw",
        published="2013-01-01…2013-01-20",
        failed={"network": "2013-01-21 2013-01-23", "logic": "2013-01-22"},
    )
    assert world.told(steps="raw") == [
        ("raw", "run", "failed(logic)", "2013-01-22"),
        ("raw", "run", "failed(network)", "2013-01-21 2013-01-23"),
        ("raw", "run", "missing", "2013-01-24…2013-01-31 (8)"),
    ]
    assert world.plan(steps="raw").done == 20


def test_a_restatement_that_failed_is_failed_though_the_old_data_is_there():
    world = chain().all_published().know("raw", failed={"logic": "2013-01-05"}, stale="2013-01-05")

    assert world.told(steps="raw") == [("raw", "run", "failed(logic)", "2013-01-05")]
    assert world.told(steps="raw", only="stale") == [("raw", "run", "stale(input)", "2013-01-05")]


def test_stale_is_always_asked_for():
    world = chain().all_published()
    world.know("clean", same_code="2013-01-01…2013-01-20", stale="2013-01-05 2013-01-25")

    assert world.told() == []
    assert world.told(only="stale", steps="clean") == [
        ("clean", "run", "stale(code)", "2013-01-21…2013-01-31 (11)"),
        ("clean", "run", "stale(input)", "2013-01-05"),
    ]


def test_what_reads_something_that_runs_again_is_stale_too():
    world = chain().all_published().know("clean", same_code="2013-01-01…2013-01-30")

    assert world.told(only="stale") == [
        ("clean", "run", "stale(code)", "2013-01-31"),
        ("delays", "run", "stale(input): clean runs again", "2013-01-31"),
        ("delays@d.t", "run", "follows delays", "2013-01-31"),
    ]


def test_a_lookback_over_something_that_runs_again():
    world = weekly().all_published().know("clean", same_code="2013-01-01…2013-01-09 2013-01-11…2013-01-31")

    assert world.told(only="stale") == [
        ("clean", "run", "stale(code)", "2013-01-10"),
        ("week", "run", "stale(input): clean runs again", "2013-01-11…2013-01-17 (7)"),
    ]


@pytest.mark.parametrize(
    ("only", "reasons"),
    [
        ("missing", ["missing"]),
        ("failed", ["failed(logic)"]),
        ("stale", ["stale(code)", "stale(input)"]),
        ("missing,failed", ["failed(logic)", "missing"]),
        ("missing,stale", ["missing", "stale(code)", "stale(input)"]),
        ("failed,stale", ["failed(logic)", "stale(code)", "stale(input)"]),
        ("missing,failed,stale", ["failed(logic)", "missing", "stale(code)", "stale(input)"]),
    ],
)
def test_only(only, reasons):
    world = chain().know(
        "raw",
        published="2013-01-01…2013-01-20",
        failed={"logic": "2013-01-25"},
        same_code="2013-01-01…2013-01-15",
        stale="2013-01-01",
    )
    assert [reason for _, _, reason, _ in world.told(only=only, steps="raw")] == reasons


def test_a_partition_has_one_reason():
    """Failed, published, of older code and stale: it runs once."""
    world = (
        chain()
        .all_published()
        .know("raw", failed={"a": "2013-01-05", "b": "2013-01-05"}, stale="2013-01-05", same_code="")
    )
    told = world.told(only="missing,failed,stale", steps="raw", partitions="2013-01-05")
    assert told == [("raw", "run", "failed(a)", "2013-01-05")]


# ------------------------------------------------------------------------------------------------ deliveries


def test_what_the_table_does_not_hold_is_undelivered_whatever_was_asked():
    world = chain().all_published().know("delays@d.t", published="2013-01-01…2013-01-30")

    for only in ("missing", "failed", "stale"):
        assert world.told(only=only) == [("delays@d.t", "run", "undelivered", "2013-01-31")]


def test_a_table_that_holds_another_run_or_is_another_table_is_undelivered():
    world = chain().all_published()
    world.know("delays@d.t", same_code="2013-01-01…2013-01-29 2013-01-31", stale="2013-01-31")

    assert world.told() == [("delays@d.t", "run", "undelivered", "2013-01-30…2013-01-31 (2)")]


def test_what_was_taken_back_is_taken_out_of_the_table():
    world = chain().all_published().know("delays", published="2013-01-01…2013-01-30")
    world.know("delays@d.t", stale="2013-01-31")

    assert world.told(only="stale") == [("delays@d.t", "run", "undelivered", "2013-01-31")]


def test_what_never_was_is_not_delivered():
    assert chain().told(steps="delays@d.t") == []


# ------------------------------------------------------------------------------------------------ steps, windows, order


def test_a_step_comes_with_its_deliveries():
    world = chain().all_published("delays", "delays@d.t")

    assert world.told(steps="delays") == [
        ("delays", "run", "missing", ALL),
        ("delays@d.t", "run", "follows delays", ALL),
    ]
    assert world.told(steps="delays@d.t") == []


def test_a_step_without_what_it_reads_is_blocked():
    assert chain().told(steps="clean") == [("clean", "block", "raw is not there", ALL)]
    world = chain().know("raw", published="2013-01-01…2013-01-10 2013-01-12…2013-01-31")
    assert world.told(steps="clean") == [
        ("clean", "run", "missing", "2013-01-01…2013-01-10 (10) 2013-01-12…2013-01-31 (20)"),
        ("clean", "block", "raw is not there", "2013-01-11"),
    ]


def test_what_reads_something_blocked_is_blocked():
    world = chain().know("raw", published="2013-01-01…2013-01-30")
    told = world.told(steps="clean delays")

    assert ("clean", "block", "raw is not there", "2013-01-31") in told
    assert ("delays", "block", "clean is not there", "2013-01-31") in told
    assert ("delays@d.t", "run", "follows delays", "2013-01-01…2013-01-30 (30)") in told


@pytest.mark.parametrize(
    ("wish", "ranges"),
    [
        ({}, ALL),
        ({"start": "2013-01-30"}, "2013-01-30…2013-01-31 (2)"),
        ({"end": "2013-01-02"}, "2013-01-01…2013-01-02 (2)"),
        ({"start": "2013-01-05", "end": "2013-01-05"}, "2013-01-05"),
        ({"start": "2013-01", "end": "2013-01"}, ALL),
        ({"partitions": "2013-01-05 2013-01-02 2013-01-05"}, "2013-01-02 2013-01-05"),
        ({"partitions": "2013-01"}, ALL),
        ({"exclude": "2013-01-05"}, "2013-01-01…2013-01-04 (4) 2013-01-06…2013-01-31 (26)"),
        ({"start": "2013-01-05", "end": "2013-01-06", "exclude": "2013-01-05"}, "2013-01-06"),
        ({"partitions": "2013-01-05 2013-01-06", "exclude": "2013-01-06"}, "2013-01-05"),
    ],
)
def test_windows(wish, ranges):
    assert chain().told(steps="raw", **wish) == [("raw", "run", "missing", ranges)]


def test_the_order_does_not_change_what_is_decided():
    oldest, newest = chain().plan(), chain().plan(order=Order.NEWEST)

    assert oldest.groups == newest.groups
    assert newest.request.order is Order.NEWEST


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"steps": "dealys"}, "has no step 'dealys'"),
        ({"steps": "feed"}, "'feed' is a source"),
        ({"start": "2013-01-05", "end": "2013-01-04"}, "ends before it starts"),
        ({"start": "2012-12-31"}, "'2012-12-31' is outside the range"),
        ({"end": "2013-02-01"}, "'2013-02-01' is outside the range"),
        ({"partitions": "2013-02-01"}, "'2013-02-01' is outside the range"),
        ({"partitions": "2013-01-05 ../x"}, "'../x' is not a key"),
        ({"exclude": "2013-02-30"}, "'2013-02-30' is not a key"),
    ],
)
def test_what_cannot_be_asked(wish, message):
    world = weekly(source=rc.Source("feed", DAYS, probe=bool))
    with pytest.raises((PipelineError, PartitionError, UsageError), match=message):
        world.plan(**wish)


def test_a_window_and_explicit_partitions():
    with pytest.raises(UsageError, match="both a window and explicit partitions") as raised:
        chain().plan(start="2013-01-05", partitions="2013-01-06")
    assert raised.value.remedy


# ------------------------------------------------------------------------------------------------ calendars


def weekdays():
    """clean is expected on weekdays, the feed every day."""
    days = rc.Daily("2013-01-01", "2013-01-31", calendar=rc.Calendar(lambda day: day.weekday() < 5))
    world = weekly(days=days)
    for name in ("clean", "week"):
        world.know(name, expected=rc.Calendar(lambda day: day.weekday() < 5).mask(days, days.universe(NOW)))
    return world


def test_holes_are_not_expected_and_do_not_split_a_range():
    assert weekdays().told(steps="clean") == [("clean", "run", "missing", "2013-01-01…2013-01-31 (23)")]


def test_a_lookback_counts_the_expected_ones_only():
    world = weekdays().know("clean", published="2013-01-01…2013-01-04 2013-01-07…2013-01-11")

    told = world.told(steps="week")
    assert told[0] == ("week", "run", "missing", "2013-01-01…2013-01-14 (10)")
    # The seven days before Tuesday, the 15th, hold five weekdays; Monday, the 14th, is missing.
    assert told[1] == ("week", "block", "clean: 4 of 5 there, 5 needed; missing 2013-01-14", "2013-01-15")


def test_what_left_the_calendar_counts_nowhere():
    world = weekly(complete=0.5).know("clean", published="2013-01-01…2013-01-31")
    world.know("clean", expected="2013-01-08…2013-01-14", published="2013-01-01…2013-01-08")

    assert world.told(steps="clean") == [("clean", "run", "missing", "2013-01-09…2013-01-14 (6)")]
    told = world.told(steps="week", partitions="2013-01-12")
    assert told == [("week", "block", "clean: 1 of 4 there, 2 needed; missing 2013-01-09…2013-01-11 (3)", "2013-01-12")]


def test_a_partition_that_is_not_on_the_calendar():
    with pytest.raises(PartitionError, match="partition 2013-01-05 is not expected: the calendar leaves it out") as r:
        weekdays().plan(partitions="2013-01-04 2013-01-05")
    assert r.value.remedy
    assert weekdays().told(start="2013-01-05", end="2013-01-06") == [], "a window may well lie in a hole"


def test_one_step_on_a_calendar_beside_one_that_is_not():
    world = chain().know("clean", expected="2013-01-01…2013-01-10")

    assert [told[:2] + told[3:] for told in world.told(partitions="2013-01-20")] == [
        ("raw", "run", "2013-01-20"),
        ("delays", "block", "2013-01-20"),
    ]


# ------------------------------------------------------------------------------------------------ lookbacks


def test_a_lookback_is_cut_at_the_start_of_the_range_and_empty_is_complete():
    world = weekly().know("clean", published="2013-01-01 2013-01-02")

    assert world.told(steps="week", end="2013-01-04") == [
        ("week", "run", "missing", "2013-01-01…2013-01-03 (3)"),
        ("week", "block", "clean: 2 of 3 there, 3 needed; missing 2013-01-03", "2013-01-04"),
    ]


@pytest.mark.parametrize(("there", "verb"), [(5, "block"), (6, "run"), (7, "run")])
def test_the_share_just_below_and_at_the_number(there, verb):
    """80 % of seven days are 5.6."""
    world = weekly(complete=0.8).know("clean", published=f"2013-01-0{8 - there}…2013-01-07")

    [(_, decided, reason, _)] = world.told(steps="week", partitions="2013-01-08")
    assert decided == verb
    if verb == "block":
        assert reason == "clean: 5 of 7 there, 6 needed; missing 2013-01-01…2013-01-02 (2)"


def test_a_share_of_nothing_is_enough():
    assert weekly(complete=0).told(steps="week") == [("week", "run", "missing", ALL)]


def test_what_is_in_the_plan_counts_as_there():
    assert weekly().told() == [("clean", "run", "missing", ALL), ("week", "run", "missing", ALL)]


def test_partitions_that_lack_the_same_are_one_group_and_others_are_not():
    world = weekly().know("clean", published="2013-01-01…2013-01-19 2013-01-21…2013-01-31")
    blocks = [told for told in world.told(steps="week") if told[1] == "block"]

    assert blocks == [
        ("week", "block", "clean: 6 of 7 there, 7 needed; missing 2013-01-20", "2013-01-21…2013-01-27 (7)")
    ]


def test_many_ranges_are_named_in_part():
    world = weekly().know("clean", published="2013-01-02 2013-01-04 2013-01-06")
    [(_, _, reason, _)] = world.told(steps="week", partitions="2013-01-08")

    assert reason == "clean: 3 of 7 there, 7 needed; missing 2013-01-01, 2013-01-03, 2013-01-05, 2013-01-07"


def test_a_trailing_span_ends_with_the_partition_itself():
    made = pipeline(DAYS)
    clean = made.step(name="clean")(lambda ctx: None)
    made.step(name="week")(lambda ctx, until=rc.trailing(clean, days=7): None)
    world = World.of(made).know("clean", published="2013-01-01…2013-01-10")

    assert world.told(steps="week", start="2013-01-10", end="2013-01-11") == [
        ("week", "run", "missing", "2013-01-10"),
        ("week", "block", "clean: 6 of 7 there, 7 needed; missing 2013-01-11", "2013-01-11"),
    ]


# ------------------------------------------------------------------------------------------------ upstream


def test_upstream_reaches_outside_the_window_and_comes_first():
    world = weekly().know("clean", published="2013-01-05")

    assert world.told(steps="week", partitions="2013-01-10", include_upstream=True) == [
        ("clean", "run", "missing", "2013-01-03…2013-01-04 (2) 2013-01-06…2013-01-09 (4)"),
        ("week", "run", "missing", "2013-01-10"),
    ]


def test_upstream_of_the_first_days_that_are_counted():
    world = weekly(days=rc.Daily("1900-01-01", "1900-01-31"))
    before = world.fingerprint(steps="week", partitions="1900-01-03")

    assert world.told(steps="week", partitions="1900-01-03", include_upstream=True) == [
        ("clean", "run", "missing", "1900-01-01…1900-01-02 (2)"),
        ("week", "run", "missing", "1900-01-03"),
    ]
    assert world.know("clean", published="1900-01-01").fingerprint(steps="week", partitions="1900-01-03") != before


def test_upstream_of_upstream():
    assert chain().told(steps="delays", partitions="2013-01-10", include_upstream=True) == [
        ("raw", "run", "missing", "2013-01-10"),
        ("clean", "run", "missing", "2013-01-10"),
        ("delays", "run", "missing", "2013-01-10"),
        ("delays@d.t", "run", "follows delays", "2013-01-10"),
    ]


def test_upstream_is_made_whatever_was_asked_for():
    """To retry what failed for want of an input is the reason to ask for the input."""
    world = chain().know("delays", failed={"missing": "2013-01-10"}).know("clean", failed={"logic": "2013-01-10"})

    assert world.told(only="failed", steps="delays", include_upstream=True) == [
        ("raw", "run", "missing", "2013-01-10"),
        ("clean", "run", "failed(logic)", "2013-01-10"),
        ("delays", "run", "failed(missing)", "2013-01-10"),
        ("delays@d.t", "run", "follows delays", "2013-01-10"),
    ]
    world = chain().know("clean", failed={"logic": "2013-01-10"})
    told = world.told(only="missing", steps="delays", include_upstream=True, partitions="2013-01-10")
    assert told[1] == ("clean", "run", "failed(logic)", "2013-01-10")


def test_upstream_that_is_there_is_left_alone():
    world = chain().all_published().know("delays", published="").know("raw", same_code="", stale="2013-01-10")

    assert world.told(include_upstream=True, steps="delays")[0] == ("delays", "run", "missing", ALL)


def test_what_is_made_upstream_is_delivered_too():
    made = pipeline(DAYS)
    clean = made.step(name="clean", sink=rc.DuckDB("d.duckdb", table="c"))(lambda ctx: None)
    made.step(name="week")(lambda ctx, before=rc.lookback(clean, days=7): None)

    assert World.of(made).told(steps="week", partitions="2013-01-03", include_upstream=True) == [
        ("clean", "run", "missing", "2013-01-01…2013-01-02 (2)"),
        ("clean@d.c", "run", "follows clean", "2013-01-01…2013-01-02 (2)"),
        ("week", "run", "missing", "2013-01-03"),
    ]


def test_upstream_of_a_delivery_is_no_reason_to_make_anything():
    assert chain().told(steps="delays@d.t", include_upstream=True) == []


def test_what_is_excluded_is_not_fetched_again_as_upstream():
    told = weekly().told(steps="week", partitions="2013-01-04", include_upstream=True, exclude="2013-01-02")

    assert told == [
        ("clean", "run", "missing", "2013-01-01 2013-01-03"),
        ("week", "block", "clean: 2 of 3 there, 3 needed; missing 2013-01-02", "2013-01-04"),
    ]


def test_nobody_can_make_a_source():
    world = weekly(source=rc.Source("feed", DAYS, probe=bool)).know("feed", published="2013-01-01…2013-01-02")

    assert world.told(steps="week", partitions="2013-01-04", include_upstream=True) == [
        ("clean", "run", "missing", "2013-01-01…2013-01-02 (2)"),
        ("clean", "block", "feed has no such partition", "2013-01-03"),
        ("week", "block", "clean: 2 of 3 there, 3 needed; missing 2013-01-03", "2013-01-04"),
    ]


# ------------------------------------------------------------------------------------------------ grains


def grains(complete=1.0):
    """An hourly source → days → months."""
    made = rc.Pipeline("p", partitions=rc.Daily("2013-01-01", "2013-03-31", tz="America/New_York"))
    hours = rc.Hourly("2013-01-01", "2013-03-31", tz="America/New_York")
    weather = rc.Source("weather", hours, probe=bool)
    day = made.step(name="day")(lambda ctx, weather=rc.within(weather, complete=complete): None)
    months = rc.Monthly("2013-01", "2013-03", tz="America/New_York")
    made.step(name="month", partitions=months)(lambda ctx, day=rc.within(day): None)
    made.step(name="hour", partitions=hours)(lambda ctx: None)
    return World.of(made).know("weather", published="2013-01-01T00…2013-03-31T23")


def test_a_window_of_days_touches_hours_and_months():
    assert grains().told(start="2013-01-31", end="2013-02-01", steps="day hour") == [
        ("day", "run", "missing", "2013-01-31…2013-02-01 (2)"),
        ("hour", "run", "missing", "2013-01-31T00…2013-02-01T23 (48)"),
    ]
    [january, february] = grains().told(start="2013-01-31", end="2013-02-01", steps="month")
    assert (january[1], january[3]) == ("block", "2013-01")
    assert (february[1], february[3]) == ("block", "2013-02")
    assert january[2] == "day: 0 of 31 there, 31 needed; missing 2013-01-01…2013-01-31 (31)"


def test_a_day_of_23_hours():
    told = grains().told(partitions="2013-03-10", steps="hour")
    assert told == [("hour", "run", "missing", "2013-03-10T00…2013-03-10T23 (23)")]


def test_a_month_follows_its_days():
    assert grains().told(end="2013-02-28", steps="day month") == [
        ("day", "run", "missing", "2013-01-01…2013-02-28 (59)"),
        ("month", "run", "missing", "2013-01…2013-02 (2)"),
    ]
    world = grains().know("day", published="2013-01-01…2013-03-31").know("month", published="2013-01…2013-03")
    world.know("day", same_code="2013-01-01…2013-02-27 2013-03-01…2013-03-31")
    assert world.told(only="stale", steps="day month") == [
        ("day", "run", "stale(code)", "2013-02-28"),
        ("month", "run", "stale(input): day runs again", "2013-02"),
    ]


def test_upstream_of_a_month_is_all_of_its_days():
    told = grains().told(partitions="2013-02-10", steps="month", include_upstream=True)

    assert told == [("day", "run", "missing", "2013-02-01…2013-02-28 (28)"), ("month", "run", "missing", "2013-02")]


@pytest.mark.parametrize(("last", "verb"), [("17", "run"), ("16", "block")])
def test_hours_that_are_there_are_counted_not_rows(last, verb):
    """Three quarters of 24 hours are 18; of the 23 of the tenth of March 17.25, so 18 as well."""
    world = grains(complete=0.75).know("weather", published=f"2013-01-05T00…2013-01-05T{last}")

    [(_, decided, reason, _)] = world.told(partitions="2013-01-05", steps="day")
    assert decided == verb
    if verb == "block":
        assert reason == "weather: 17 of 24 there, 18 needed; missing 2013-01-05T17…2013-01-05T23 (7)"


def test_a_source_that_has_nothing_blocks_with_its_reason():
    world = grains(complete=0.75).know("weather", published="2013-01-01T00…2013-01-04T23")
    told = world.told(partitions="2013-01-05", steps="day month")

    reason = "weather: 0 of 24 there, 18 needed; missing 2013-01-05T00…2013-01-05T23 (24)"
    assert told[0] == ("day", "block", reason, "2013-01-05")


def test_what_is_excluded_takes_hours_with_it_but_no_month():
    told = grains().told(exclude="2013-01-31", start="2013-01-30", end="2013-01-31", steps="day hour month")

    assert [(name, ranges) for name, _, _, ranges in told] == [
        ("day", "2013-01-30"),
        ("month", "2013-01"),
        ("hour", "2013-01-30T00…2013-01-30T23 (24)"),
    ]


def test_an_anchor_that_no_step_has():
    made = rc.Pipeline("p", partitions=DAYS)
    made.step(name="month", partitions=rc.Monthly("2013-01", "2013-12"))(lambda ctx: None)
    world = World.of(made)

    assert world.told(partitions="2013-01-05") == [("month", "run", "missing", "2013-01")]


# ------------------------------------------------------------------------------------------------ members


def test_members_by_name():
    made = rc.Pipeline("p", partitions=rc.Static(["acme", "globex", "initech"]))
    made.step(name="raw")(lambda ctx: None)
    world = World.of(made)

    assert world.told() == [("raw", "run", "missing", "acme globex initech")]
    assert world.told(partitions="initech acme") == [("raw", "run", "missing", "acme initech")]
    assert world.told(exclude="globex") == [("raw", "run", "missing", "acme initech")]
    with pytest.raises(PartitionError, match="'acne' is not one of the 3 members"):
        world.plan(partitions="acne")


def test_members_beside_days_are_all_of_them():
    made = rc.Pipeline("p", partitions=DAYS)
    made.step(name="day")(lambda ctx: None)
    made.step(name="tenant", partitions=rc.Static(["acme", "globex"]))(lambda ctx: None)
    made.step(name="region", partitions=rc.Static(["eu"], key="region"))(lambda ctx: None)
    world = World.of(made)

    assert world.told(start="2013-01-31") == [
        ("day", "run", "missing", "2013-01-31"),
        ("tenant", "run", "missing", "acme globex"),
        ("region", "run", "missing", "eu"),
    ]
    assert world.told(partitions="2013-01-31") == [("day", "run", "missing", "2013-01-31")]


def test_two_kinds_of_members():
    made = rc.Pipeline("p", partitions=rc.Static(["acme", "globex"]))
    made.step(name="tenant")(lambda ctx: None)
    made.step(name="region", partitions=rc.Static(["eu"], key="region"))(lambda ctx: None)

    assert World.of(made).told() == [("tenant", "run", "missing", "acme globex"), ("region", "run", "missing", "eu")]


# ------------------------------------------------------------------------------------------------ estimates, sizes


def test_an_estimate_by_the_history_of_each_step():
    world = chain().know("raw", mean_seconds=2.0).know("clean", mean_seconds=0.5)

    assert world.plan(steps="raw clean").estimated_seconds == pytest.approx(31 * 2.5)
    assert world.plan().estimated_seconds is None, "delays has no history"
    assert chain().all_published().plan().estimated_seconds == 0


def test_a_million_partition_steps_are_a_few_groups():
    days = rc.Hourly("2000-01-01", "2018-12-31")
    made = pipeline(days)
    before = None
    for number in range(6):
        step = made.step(name=f"s{number}")(lambda ctx, before=before: None)
        before = rc.trailing(step, hours=24, complete=0.5)
    world = World.of(made)
    first = days.ordinal("2000-01-01T00")
    for number in range(6):
        failed = keys(days, "2004-01-01T00…2004-02-28T23")
        published = days.universe(NOW) - failed - keys(days, "2018-12-31T00…2018-12-31T23")
        world.know(
            f"s{number}",
            published=published,
            failed={"network": failed},
            same_code=published.within(range(first + 1000, 10**9)),
        )
    plan = world.plan(only="missing,failed,stale")

    assert sum(len(world.states[f"s{n}"].expected) for n in range(6)) > 999_000
    assert len(plan.groups) <= 6 * 4
    assert plan.actions > 6 * (59 * 24 + 24 + 1000)
    assert {group.verb for group in plan.groups} == {Verb.RUN}
    assert len(str(plan.to_json(world.graph))) < 5_000


# ------------------------------------------------------------------------------------------------ places


def place(step, *days, again=""):
    return Place(step, tuple((f"2013-01-{day:02}", f"2013-01-{day:02}") for day in days), again)


def test_places_are_exactly_what_is_meant_and_a_steps_tables_go_with_it():
    world = chain().know("raw", failed={"logic": "2013-01-04"})
    places = (place("raw", 3, 4), place("delays", 3, 5))
    assert world.told(places=places) == [
        ("raw", "run", "failed(logic)", "2013-01-04"),
        ("raw", "run", "missing", "2013-01-03"),
        ("delays", "block", "clean is not there", "2013-01-03 2013-01-05"),
    ]
    upstream = world.told(places=places, include_upstream=True)
    assert ("delays@d.t", "run", "follows delays", "2013-01-03 2013-01-05") in upstream
    assert ("clean", "run", "missing", "2013-01-03 2013-01-05") in upstream
    assert world.plan(places=places).fingerprint != world.plan(places=places[:1]).fingerprint


def test_what_is_published_is_made_anew_where_a_place_says_why():
    world = chain().all_published()
    assert world.told(places=(place("clean", 3), place("delays@d.t", 4))) == []
    assert world.told(
        places=(place("clean", 3, again="its file is gone"), place("delays@d.t", 4, again="no rows"))
    ) == [
        ("clean", "run", "its file is gone", "2013-01-03"),
        ("delays@d.t", "run", "no rows", "2013-01-04"),
    ]


def test_a_place_of_a_step_that_is_not_there():
    with pytest.raises(PipelineError, match="has no step 'nix'"):
        chain().plan(places=(place("nix", 1),))
