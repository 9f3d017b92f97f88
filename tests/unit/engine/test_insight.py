from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recoup as rc
from recoup.engine.insight import Insight, Reason, Window, insight
from recoup.model.graph import Graph
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.touching import touching
from recoup.plan.snapshot import NodeState, Snapshot

NOW = datetime(2024, 6, 1, tzinfo=UTC)
JANUARY = rc.Daily("2024-01-01", "2024-01-31", key="dt")
DAYS = JANUARY.universe(NOW)


def days(*numbers):
    return PartitionSet.of(JANUARY.ordinal(f"2024-01-{number:02}") for number in numbers)


def chain(sink=None):
    pipeline = rc.Pipeline("flights", partitions=JANUARY)

    @pipeline.step
    def raw(ctx): ...

    @pipeline.step(sink=sink)
    def clean(ctx, raw): ...

    return Graph.of(pipeline)


def look(graph, *, window=None, steps=(), reasons=None, **states) -> Insight:
    """An insight into a graph; steps that are not named are published whole."""
    whole = {
        node.name.partition("@")[0]: NodeState(expected=DAYS, published=DAYS, same_code=DAYS) for node in graph.nodes
    }
    found = tuple(states.get(node.name, whole[node.name.partition("@")[0]]) for node in graph.nodes)
    asked = Window(window) if window is not None else None
    return insight(graph, Snapshot(found, NOW), window=asked, steps=steps, reasons=reasons)


def state(published=EMPTY, **more):
    return NodeState(**({"expected": DAYS, "published": published, "same_code": published} | more))


@pytest.mark.runbook("B-i1")
def test_a_date_is_complete_only_when_all_of_its_steps_are():
    found = look(chain(), clean=state(DAYS - days(15)))
    assert (len(found.dates), len(found.completed), found.remaining) == (31, 30, 1)
    assert not found.complete
    assert found.dates - found.completed == days(15)


def test_of_what_is_not_expected_any_more_a_member_that_left_is_told_apart_from_days_that_did():
    cells = rc.Grid(JANUARY, rc.Static(["acme", "globex"], key="tenant"))
    acme, globex = (cells.product(DAYS, PartitionSet.of([row])) for row in (0, 1))
    pipeline = rc.Pipeline("usage", partitions=cells)

    @pipeline.step
    def raw(ctx): ...

    first = cells.product(days(1), PartitionSet.of([0]))
    raw_now = NodeState(expected=acme - first, published=acme | globex, same_code=acme | globex)
    found = insight(Graph.of(pipeline), Snapshot((raw_now,), NOW)).steps[0]
    assert found.unexpected == first | globex
    assert found.departed == globex


def test_a_block_ends_when_what_it_lacked_is_there():
    blocked = state(DAYS - days(1, 2, 3), blocked=days(1, 2, 3))
    why = {1: [Reason("raw is not there", days(1, 2)), Reason("not tried: 8 attempts in a row failed alike", days(3))]}
    still = look(chain(), reasons=why, raw=state(DAYS - days(1)), clean=blocked).steps[1]
    assert (still.blocked, still.missing) == (days(1, 3), days(2))
    assert [(reason.text[:9], reason.partitions) for reason in still.reasons] == [
        ("raw is no", days(1)),
        ("not tried", days(3)),
    ]


def test_a_block_for_want_of_a_lookback_stays_though_the_day_itself_is_there():
    pipeline = rc.Pipeline("flights", partitions=JANUARY)

    @pipeline.step
    def raw(ctx): ...

    @pipeline.step
    def trend(ctx, raw, week=rc.lookback(raw, days=7, complete=0.8)): ...

    why = {1: [Reason("raw: 5 of 7 there, 6 needed; missing 2024-01-07…2024-01-08 (2)", days(9, 16))]}
    now = state(DAYS - days(9, 16), blocked=days(9, 16))
    found = look(Graph.of(pipeline), reasons=why, raw=state(DAYS - days(7, 8)), trend=now)
    assert (found.steps[1].blocked, found.steps[1].missing) == (days(9), days(16))


def test_a_block_ends_when_the_gap_behind_it_is_waived_or_no_longer_so():
    pipeline = rc.Pipeline("flights", partitions=JANUARY)

    @pipeline.step
    def raw(ctx): ...

    @pipeline.step
    def mean(ctx, raw=rc.trailing(raw, days=2)): ...

    @pipeline.step
    def clean(ctx, raw): ...

    lacking = state(DAYS - days(9), expected=DAYS - days(9), waived=days(9))
    mean_now = state(DAYS - days(9, 10), blocked=days(9, 10))
    clean_now = state(DAYS - days(8, 9), blocked=days(8, 9))
    short = "raw: 1 of 2 there, 2 needed; missing 2024-01-09"
    late = f"{short} (what is there was made later than run_as_of)"
    why = {
        1: [Reason(short, days(10)), Reason(late, days(9))],
        2: [Reason("raw is waived", days(8, 9))],
    }
    found = look(Graph.of(pipeline), reasons=why, raw=lacking, mean=mean_now, clean=clean_now)
    assert (found.steps[1].missing, found.steps[1].blocked) == (days(10), days(9))
    assert (found.steps[2].missing, found.steps[2].blocked) == (days(8), days(9))


def test_the_share_is_never_rounded_up():
    found = look(chain(), clean=state(DAYS - days(1)))
    assert found.pct_complete == 96.77
    assert look(chain()).pct_complete == 100.0
    assert look(chain()).complete


def test_nothing_expected_is_complete():
    found = look(chain(), window=EMPTY)
    assert (len(found.dates), found.pct_complete, found.complete) == (0, 100.0, True)


def test_every_partition_that_is_not_complete_stands_in_one_place():
    clean = look(
        chain(),
        raw=state(DAYS - days(6, 8, 30)),
        clean=state(
            days(1, 2, 3, 4),
            running=days(4, 5),
            failed={"logic": days(3, 6), "network": days(7)},
            blocked=days(6, 8),
        ),
        reasons={1: [Reason("raw is not there", days(6, 8, 30))]},
    ).steps[1]
    assert clean.complete == days(1, 2, 4)
    assert clean.running == days(4, 5)
    assert clean.failed == {"logic": days(3, 6), "network": days(7)}
    assert clean.blocked == days(8)
    assert clean.reasons == (Reason("raw is not there", days(8)),)
    assert clean.missing == DAYS - days(1, 2, 3, 4, 5, 6, 7, 8)


@pytest.mark.runbook("B-69")
def test_what_failed_and_later_succeeded_is_not_failed():
    """The ledger takes the failed bit away with the success, so a published one that is failed failed again later."""
    found = look(chain(), clean=state(DAYS, failed={"logic": days(9)}))
    assert found.steps[1].any_failed == days(9)
    assert found.dates - found.completed == days(9)


def test_stale_is_complete_and_says_why():
    clean = look(chain(), clean=state(DAYS, stale=days(2), same_code=DAYS - days(3))).steps[1]
    assert (clean.stale_input, clean.stale_code, clean.complete) == (days(2), days(3), DAYS)


@pytest.mark.runbook("B-68")
def test_what_is_not_expected_counts_nowhere():
    weekdays = DAYS - days(6, 7, 13, 14, 20, 21, 27, 28)
    states = {name: NodeState(expected=weekdays, published=DAYS, same_code=DAYS) for name in ("raw", "clean")}
    found = look(chain(), **states)
    assert len(found.dates) == 23
    assert found.complete
    assert found.steps[0].unexpected == DAYS - weekdays


def test_a_window_cuts_everything():
    found = look(chain(), window=days(10, 11, 12), clean=state(days(1, 10), failed={"logic": days(2, 11)}))
    clean = found.steps[1]
    assert (found.dates, found.completed) == (days(10, 11, 12), days(10))
    assert (clean.expected, clean.failed, clean.missing) == (days(10, 11, 12), {"logic": days(11)}, days(12))


def test_chosen_steps_alone():
    found = look(chain(), steps=("raw",), clean=state())
    assert [step.node.name for step in found.steps] == ["raw"]
    assert found.complete


def test_a_table_is_complete_when_it_holds_what_is_current():
    graph = chain(rc.DuckDB("t.duckdb", table="t"))
    name = graph.nodes[-1].name
    found = look(
        graph,
        clean=state(DAYS - days(1, 2), failed={"logic": days(1)}),
        **{name: state(DAYS - days(3), stale=days(4), same_code=DAYS - days(5))},
    )
    table = found.steps[-1]
    assert table.blocked == days(1)
    assert [(reason.text, reason.partitions) for reason in table.reasons] == [("clean is not there", days(1))]
    assert table.missing == days(2, 3, 4, 5)
    assert table.complete == DAYS - days(1, 2, 3, 4, 5)


def test_hours_that_lack_make_their_day_incomplete():
    pipeline = rc.Pipeline("hours", partitions=JANUARY)
    hourly = rc.Hourly("2024-01-01", "2024-01-31", key="hour")

    @pipeline.step(partitions=hourly)
    def weather(ctx): ...

    @pipeline.step
    def day(ctx, hours=rc.within(weather, complete=0.5)): ...

    graph, hours = Graph.of(pipeline), hourly.universe(NOW)
    lacking = PartitionSet.of((hourly.ordinal("2024-01-03T05"), hourly.ordinal("2024-01-04T00")))
    states = (NodeState(expected=hours, published=hours - lacking, same_code=hours), state(DAYS))
    found = insight(graph, Snapshot(states, NOW))
    assert found.dates - found.completed == days(3, 4)
    in_window = insight(graph, Snapshot(states, NOW), window=Window(days(4, 5)))
    assert (in_window.dates, in_window.completed) == (days(4, 5), days(5))
    assert len(in_window.steps[0].expected) == 48


def test_touching_is_by_time_alone():
    months = rc.Monthly("2023-01", "2024-12")
    found = touching(days(31), JANUARY, months, NOW)
    assert found is not None
    assert months.ranges_text(found) == ["2024-01"]
    assert touching(days(1), JANUARY, rc.Static(["acme"]), NOW) is None


sets = st.sets(st.integers(1, 31)).map(lambda numbers: days(*numbers))


@given(published=sets, failed=sets, blocked=sets, running=sets, window=st.none() | sets)
def test_the_parts_make_up_the_whole(published, failed, blocked, running, window):
    given_state = state(published, failed={"logic": failed}, blocked=blocked, running=running)
    found = look(chain(), window=window, clean=given_state)
    step = found.steps[1]
    apart = [step.complete, step.running - step.complete, step.any_failed, step.blocked, step.missing]
    assert sum(map(len, apart)) == len(step.expected)
    everything = EMPTY
    for part in apart:
        everything |= part
    assert everything == step.expected
    assert found.remaining == len(step.expected - step.complete)
