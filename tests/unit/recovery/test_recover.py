"""What is done about a failure, and in which order; these failures and these plans, exactly these actions."""

import pytest

import recoup as rc
from recoup.model.failure import FAILS_AGAIN, RETRYABLE, Failure, FailureKind
from recoup.model.graph import Graph
from recoup.model.partition import PartitionSet
from recoup.recovery.recover import (
    Around,
    Known,
    Planned,
    Treatment,
    Way,
    Wound,
    halves,
    ordered,
    treatment,
)

SAID = frozenset({FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.CONFIG, FailureKind.DISK, FailureKind.QUOTA})


def way(kind, **known):
    return treatment(Failure(kind, "it failed"), Known(**known)).way


@pytest.mark.parametrize("kind", FailureKind)
def test_by_itself_a_kind_is_tried_again_as_its_class_says(kind):
    usual = {FailureKind.MEMORY: Way.RERUN, **dict.fromkeys(RETRYABLE, Way.RETRY)}
    assert way(kind) is usual.get(kind, Way.PERSON)


@pytest.mark.parametrize("kind", FailureKind)
def test_a_change_a_fill_a_reset_or_somebody_who_insists_lets_everything_pass(kind):
    for known in ({"changed": "its code"}, {"filled": True}, {"reset": True}, {"forced": True}):
        assert way(kind, **known) is not Way.PERSON
    assert way(FailureKind.MEMORY, forced=True) is Way.RERUN


def test_to_name_a_cause_says_that_it_is_mended_where_nobody_could_see_it():
    assert {kind for kind in FailureKind if way(kind, named=True) is Way.PERSON} == FAILS_AGAIN
    assert {kind for kind in SAID if way(kind, named=True) is not Way.RETRY} == set()


def test_what_a_rule_of_the_team_says_goes_before_the_kind():
    never = Failure(FailureKind.NETWORK, "the vendor's port", asked_class="C")
    assert treatment(never, Known()).way is Way.PERSON
    assert treatment(Failure(FailureKind.LOGIC, "flaky", asked_class="A"), Known()).way is Way.RETRY


# --- the order


def graph():
    shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-31", key="dt"))

    @shop.step(sink=rc.DuckDB("shop.duckdb", table="orders", key=["dt"]))
    def orders(ctx): ...

    @shop.step
    def week(ctx, orders=rc.lookback(orders, days=7)): ...

    @shop.step
    def report(ctx, week): ...

    return Graph.of(shop)


def days(*numbers):
    partitions = rc.Daily("2024-01-01", "2024-01-31", key="dt")
    return PartitionSet.of(partitions.ordinal(f"2024-01-{number:02}") for number in numbers)


def told(actions, nodes):
    name = rc.Daily("2024-01-01", "2024-01-31", key="dt").name
    return [(a.verb.value, nodes[a.node].name, " ".join(name(o)[-2:] for o in a.partitions), a.reason) for a in actions]


def test_parents_first_and_of_each_step_gaps_then_retries_then_what_was_blocked():
    shop = graph()
    orders, table, week, report = (node.index for node in shop.nodes)
    network, memory = Failure(FailureKind.NETWORK, "nobody answers"), Failure(FailureKind.MEMORY, "too much")
    wounds = [
        Wound(orders, days(5), "one", network, Treatment(Way.RETRY, "it may pass")),
        Wound(orders, days(6), "two", memory, Treatment(Way.RERUN, "a new run")),
        Wound(report, days(9), "one", network, Treatment(Way.RETRY, "it may pass")),
    ]
    planned = [
        Planned(report, days(9, 12)),
        Planned(week, days(12)),
        Planned(table, days(3, 4, 5, 6, 20)),
        Planned(orders, days(3, 4, 5, 6)),
    ]
    around = Around({orders: days(4, 5, 6), week: days(12), report: days(9, 12)}, {week: days(12), report: days(12)})
    assert told(ordered(shop, planned, wounds, around), shop.nodes) == [
        ("fill", "orders", "03", "week reads it"),
        ("fill", "orders", "04", "it is missing"),
        ("retry", "orders", "05", "it may pass"),
        ("rerun", "orders", "06", "a new run"),
        ("deliver", "orders@shop.orders", "03 04 05 06", "follows orders"),
        ("deliver", "orders@shop.orders", "20", "published, and not in the table"),
        ("make", "week", "12", "it was blocked, and what it lacked comes first"),
        ("retry", "report", "09", "it may pass"),
        ("make", "report", "12", "it was blocked, and what it lacked comes first"),
    ]


def test_nothing_planned_nothing_done():
    assert list(ordered(graph(), [], [], Around({}, {}))) == []


def test_a_window_in_two_halves():
    assert halves(days(1, 2, 5, 9, 10)) == (days(1, 2), days(5, 9, 10))
    assert halves(days(4)) is None
    assert halves(PartitionSet()) is None
