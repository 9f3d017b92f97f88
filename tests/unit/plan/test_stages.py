"""What was asked for, cut into stages; and what is no stage."""

import pytest

import recoup as rc
from recoup.model.errors import UsageError
from recoup.plan.failure_limit import FailureLimit
from recoup.plan.planner import make_plan
from recoup.plan.request import Order, Request
from recoup.plan.stages import cut
from tests.unit.plan.worlds import World, pipeline

DAYS = rc.Daily("2013-01-01", "2013-03-31")


def raw(days=DAYS, **facts):
    made = pipeline(days)
    made.step(name="raw")(lambda ctx: None)
    return World.of(made).know("raw", **facts)


def stages(world, *words, **wish):
    plan = world.plan(stages=words, **wish)
    anchor = world.graph.anchor
    return [
        (stage.name, " ".join(anchor.ranges_text(stage.partitions))) for stage in cut(plan, world.graph, world.snapshot)
    ]


def test_numbers_windows_and_the_rest():
    assert stages(raw(), "1", "7", "2013-02", "2013-03-01..2013-03-07", "all") == [
        ("1", "2013-01-01"),
        ("7", "2013-01-02…2013-01-08 (7)"),
        ("2013-02", "2013-02-01…2013-02-28 (28)"),
        ("2013-03-01..2013-03-07", "2013-03-01…2013-03-07 (7)"),
        ("all", "2013-01-09…2013-01-31 (23) 2013-03-08…2013-03-31 (24)"),
    ]


def test_a_number_counts_what_is_to_do_and_follows_the_order():
    world = raw(published="2013-01-01…2013-01-10", failed={"logic": "2013-01-12"})
    assert stages(world, "2") == [("2", "2013-01-11…2013-01-12 (2)")]
    assert stages(world, "2", "3", order=Order.NEWEST) == [
        ("2", "2013-03-30…2013-03-31 (2)"),
        ("3", "2013-03-27…2013-03-29 (3)"),
    ]
    assert stages(world, "500") == [("500", "2013-01-11…2013-03-31 (80)")]


def test_a_window_holds_what_is_published_too_so_that_all_of_it_is_verified():
    world = raw(published="2013-01-01…2013-01-10")
    assert stages(world, "2013-01") == [("2013-01", "2013-01-01…2013-01-31 (31)")]


def test_a_later_window_may_be_earlier_in_time_or_hold_an_earlier_one_whole():
    assert stages(raw(), "2013-02-01..2013-02-07", "2013-01", "2013") == [
        ("2013-02-01..2013-02-07", "2013-02-01…2013-02-07 (7)"),
        ("2013-01", "2013-01-01…2013-01-31 (31)"),
        ("2013", "2013-02-08…2013-03-31 (52)"),
    ]


def test_what_is_left_out_is_in_no_stage():
    assert stages(raw(), "2", "2013-01", exclude="2013-01-02 2013-01-09") == [
        ("2", "2013-01-01 2013-01-03"),
        ("2013-01", "2013-01-04…2013-01-08 (5) 2013-01-10…2013-01-31 (22)"),
    ]


def test_a_grid_is_cut_by_cells_the_oldest_first_by_a_day_or_by_a_cell():
    world = raw(rc.Grid(rc.Daily("2013-01-01", "2013-01-03", key="dt"), rc.Static(["a", "b"], key="tenant")))
    cells = [
        sorted(world.graph.anchor.name(ordinal) for ordinal in stage.partitions)
        for stage in cut(world.plan(stages=("2", "2013-01-02", "2013-01-03/b", "all")), world.graph, world.snapshot)
    ]
    assert cells == [
        ["2013-01-01/a", "2013-01-01/b"],
        ["2013-01-02/a", "2013-01-02/b"],
        ["2013-01-03/b"],
        ["2013-01-03/a"],
    ]


@pytest.mark.parametrize(
    ("words", "wish", "message"),
    [
        (["0"], {}, "is empty"),
        (["-3"], {}, "is empty"),
        ([""], {}, "is not a key"),
        (["2013-13"], {}, r"stage 1 \('2013-13'\)"),
        (["all", "1"], {}, r"stage 2 \('1'\) is empty: nothing is left"),
        (["7", "1"], {}, r"stage 2 \('1'\) is smaller than the one before it"),
        (["2013-02-07..2013-02-01"], {}, "ends before it starts"),
        (["2013-02", "2013-02-03"], {}, "goes backwards"),
        (["2013-01", "2013-01-20..2013-02-03"], {}, r"overlaps stage 1 \(2013-01\) in 2013-01-20…2013-01-31"),
        (["40", "2013-02"], {}, r"overlaps stage 1 \(40\) in 2013-02-01…2013-02-09"),
        (["2013-02"], {"start": "2013-02-03"}, "reaches outside of what is asked for: 2013-02-01…2013-02-02"),
        (["2012-12"], {}, "outside the range"),
        (["2013-01-05"], {"exclude": "2013-01-05"}, "is empty"),
    ],
)
def test_what_is_no_stage(words, wish, message):
    with pytest.raises(UsageError, match=message) as told:
        stages(raw(), *words, **wish)
    assert told.value.remedy


def test_a_stage_is_planned_alone_and_a_month_of_which_it_holds_a_part_is_not_missed():
    made = pipeline(DAYS)
    raw = made.step(name="raw")(lambda ctx: None)
    made.step(name="month", partitions=rc.Monthly("2013-01", "2013-03"))(lambda ctx, days=rc.within(raw): None)
    world = World.of(made)
    week = DAYS.window("2013-01-01", "2013-01-07", world.snapshot.now)

    def told(within):
        plan = make_plan(Request(world.graph.pipeline), world.graph, world.snapshot, within)
        return [(world.graph.nodes[g.node].name, g.verb.value, len(g.ordinals)) for g in plan.groups]

    assert told(None) == [("raw", "run", 90), ("month", "run", 3)]
    assert told(week) == [("raw", "run", 7)]


# ------------------------------------------------------------------------------------------------ until so much failed


@pytest.mark.parametrize(("text", "of_30"), [("5", 5), (" 1 ", 1), ("10%", 3), ("1 %", 1), ("12.5%", 4), ("100%", 30)])
def test_how_many_may_fail(text, of_30):
    assert FailureLimit.parse(text).of(30) == of_30


@pytest.mark.parametrize("text", ["0", "-1", "0%", "101%", "x", "", "5%%", "1.5"])
def test_what_is_no_limit(text):
    with pytest.raises(UsageError, match="--stop-after"):
        Request("p", stop_after=text)


def test_a_pause_between_stages_needs_stages():
    with pytest.raises(UsageError, match="--pause-between"):
        Request("p", pause_between_seconds=3.0)


def test_how_carefully_it_goes_does_not_make_it_another_request():
    plain = Request("p", stages=("1", "all"))
    assert plain.digest == Request("p", stages=("1", "all"), stop_after="5", pause_between_seconds=9.0).digest
    assert plain.digest != Request("p").digest
