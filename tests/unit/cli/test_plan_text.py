import shlex

import pytest

from recoup.cli.plan_text import estimate, plan_json, plan_lines, run_words
from recoup.cli.text import View, width_of
from recoup.plan.request import Only, Order, Request
from recoup.plan.snapshot import NodeState
from tests.unit.cli.conftest import DAYS, JANUARY

PIPE = View()


def without(*numbers):
    return DAYS - type(DAYS).of(JANUARY.ordinal(f"2024-01-{number:02}") for number in numbers)


def test_one_line_for_each_group_with_its_reason(desk):
    desk.there = without(17)
    assert list(plan_lines(desk.planned(), PIPE, 2)) == [
        "orders  2024-01-01…2024-01-16 (16), 2024-01-18…2024-01-31 (14)  missing",
        "orders  2024-01-17                                              blocked: raw has no such partition",
        "totals  2024-01-01…2024-01-16 (16), 2024-01-18…2024-01-31 (14)  missing",
        "totals  2024-01-17                                              blocked: orders is not there",
        "trend   2024-01-01…2024-01-17 (17), 2024-01-25…2024-01-31 (7)   missing",
        f"trend   2024-01-18…2024-01-24 (7)  {' ' * 29}blocked: totals: 6 of 7 there, 7 needed; missing 2024-01-17",
        "",
        "sample: 84 to run · 9 blocked · 0 done · no estimate yet",
    ]


def test_a_range_runs_across_days_that_are_not_expected(desk):
    weekdays = without(6, 7, 13, 14, 20, 21, 27, 28)
    desk.states = {name: NodeState(expected=weekdays) for name in ("orders", "totals", "trend")}
    first = next(iter(plan_lines(desk.planned(steps=("orders",)), PIPE, 1)))
    assert first == "orders  2024-01-01…2024-01-31 (23)  missing"


def test_on_a_terminal_many_reasons_are_a_few_and_a_count(desk):
    desk.there = without(*range(1, 32, 3))
    lines = list(plan_lines(desk.planned(), View(width=80), 2))
    assert lines[-3] == "      blocked, for 19 more reasons of this sort"
    assert "2024-01-02…2024-01-03 (2) and 9 more, 20 in all" in lines[0]
    assert all(width_of(line) <= 80 for line in lines)
    assert len([line for line in lines if line.startswith("trend")]) == 5  # one that runs, three reasons, the rest
    assert len(list(plan_lines(desk.planned(), PIPE, 2))) > 20


def test_nothing_to_do_is_one_line(desk):
    done = NodeState(expected=DAYS, published=DAYS, same_code=DAYS)
    desk.states = dict.fromkeys(("orders", "totals", "trend"), done)
    assert list(plan_lines(desk.planned(), PIPE, 2)) == ["sample: 0 to run · 93 done"]


def test_the_estimate_counts_how_many_run_at_once(desk):
    desk.states = {name: NodeState(expected=DAYS, mean_seconds=2.0) for name in ("orders", "totals", "trend")}
    assert estimate(desk.planned(), 4) == "about 46 s, 4 at once"
    assert estimate(desk.planned(partitions=("2024-01-01",), steps=("orders",)), 4) == "about 2.0 s, 1 at once"


@pytest.mark.parametrize(
    "request_",
    [
        Request("sample"),
        Request("sample", start="2024-01-01", end="2024-01-05", only=(Only.STALE,), include_upstream=True),
        Request("sample", partitions=("2024-01-01", "2024-01-03"), steps=("a", "b"), order=Order.NEWEST),
        Request("sample", exclude=("2024-01-02",), as_of_mode="partition-end"),
    ],
)
def test_the_next_command_says_the_same_request(request_):
    from recoup.cli.dispatch import build

    words = shlex.split(run_words(request_, "sample", "plan"))
    _, bound, _ = build().parse_args(words[1:], exit_on_error=False, print_error=False)
    again = bound.arguments.get("scope")
    made = again.request("sample", bound.arguments.get("partitions", ())) if again else Request("sample")
    if not again:
        made = Request("sample", partitions=bound.arguments.get("partitions", ()))
    assert made == request_


def test_for_programs_a_saved_plan_with_totals(desk):
    body = plan_json(desk.planned())
    assert (body["pipeline"], body["actions"], body["blocked"], body["done"]) == ("sample", 93, 0, 0)
    assert [list(pair) for pair in body["groups"][0]["ranges"]] == [["2024-01-01", "2024-01-31"]]
