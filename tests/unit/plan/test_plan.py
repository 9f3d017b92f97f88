"""A saved plan holds ranges, comes back as it was, and is refused when what it rests on has moved."""

import json

import pytest

import recoup as rc
from recoup.model.errors import ExitCode, PlanMovedError, UsageError
from recoup.plan.plan import PLAN_VERSION, Plan, Verb, read_plan
from tests.unit.plan.worlds import World, keys, pipeline

DAYS = rc.Daily("2013-01-01", "2013-01-31")
WINDOW = {"start": "2013-01-10", "end": "2013-01-12"}


def world():
    """A feed → clean → week, which looks back seven days, into a table; and `other` beside them."""
    feed = rc.Source("feed", DAYS, probe=bool)
    made = pipeline(DAYS)
    clean = made.step(name="clean")(lambda ctx, feed=feed: None)
    sink = rc.DuckDB("d.duckdb", table="t")
    made.step(name="week", sink=sink)(lambda ctx, before=rc.lookback(clean, days=7, complete=0.5): None)
    made.step(name="other")(lambda ctx: None)
    return World.of(made).know("feed", published="2013-01-01…2013-01-31")


def saved(made, **wish):
    return json.loads(json.dumps(made.plan(**wish).to_json(made.graph)))


# ------------------------------------------------------------------------------------------------ what is saved


def test_a_saved_plan_holds_ranges_with_both_ends():
    made = world().know("clean", published="2013-01-12", failed={"logic": "2013-01-10"})

    assert saved(made, steps="clean", **WINDOW) == {
        "plan_version": PLAN_VERSION,
        "request": {
            "pipeline": "p",
            "start": "2013-01-10",
            "end": "2013-01-12",
            "partitions": [],
            "only": ["missing", "failed"],
            "steps": ["clean"],
            "exclude": [],
            "include_upstream": False,
            "order": "oldest",
            "as_of_mode": "now",
            "stages": [],
            "stop_after": None,
            "pause_between_seconds": 0.0,
        },
        "fingerprint": made.fingerprint(steps="clean", **WINDOW),
        "done": 1,
        "estimated_seconds": None,
        "groups": [
            {
                "step": "clean",
                "verb": "run",
                "reason": "failed(logic)",
                "count": 1,
                "ranges": [["2013-01-10", "2013-01-10"]],
            },
            {
                "step": "clean",
                "verb": "run",
                "reason": "missing",
                "count": 1,
                "ranges": [["2013-01-11", "2013-01-11"]],
            },
        ],
    }


def test_there_and_back_with_blocks_and_holes():
    made = world().know("feed", published="2013-01-01…2013-01-05 2013-01-09").know("clean", published="2013-01-02")
    plan = made.plan()

    assert plan.blocked > 0
    assert read_plan(json.dumps(plan.to_json(made.graph)), made.graph) == plan
    assert plan.of(made.graph.node("clean").index) == keys(DAYS, "2013-01-01 2013-01-03…2013-01-05 2013-01-09")
    assert len(plan.of(made.graph.node("clean").index, Verb.BLOCK)) == 25


# ------------------------------------------------------------------------------------------------ what moves it


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("clean", {"published": "2013-01-11"}),
        ("clean", {"published": "2013-01-03"}),  # in the lookback of the tenth
        ("clean", {"failed": {"logic": "2013-01-10"}}),
        ("clean", {"failed": {"network": "2013-01-04"}}),
        ("clean", {"expected": "2013-01-01…2013-01-10 2013-01-12…2013-01-31"}),
        ("clean", {"code_version": "v2"}),
        ("clean", {"published": "2013-01-11", "same_code": ""}),
        ("clean", {"published": "2013-01-11", "stale": "2013-01-11"}),
        ("feed", {"published": "2013-01-01…2013-01-11 2013-01-13…2013-01-31"}),
        ("week", {"published": "2013-01-12"}),
        ("week@d.t", {"stale": "2013-01-12"}),
        ("other", {"published": "2013-01-10"}),
    ],
)
def test_what_moves_in_its_window_or_its_lookbacks(name, facts):
    made = world()
    plan = made.plan(**WINDOW)
    made.know(name, **facts)

    with pytest.raises(PlanMovedError, match="no longer matches the ledger") as raised:
        plan.refuse_if_moved(made.fingerprint(**WINDOW))
    assert raised.value.exit_code is ExitCode.REFUSED
    assert "recoup plan -o" in raised.value.remedy


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("clean", {"published": "2013-01-02"}),  # eight days before
        ("clean", {"published": "2013-01-13"}),
        ("clean", {"failed": {"logic": "2013-01-13", "network": "2013-01-02"}}),  # of a kind that was not there
        ("clean", {"expected": "2013-01-03…2013-01-31"}),
        ("clean", {"stale": "2013-01-31", "published": "2013-01-31", "same_code": ""}),
        ("clean", {"running": "2013-01-10", "blocked": "2013-01-11", "mean_seconds": 5.0}),
        ("feed", {"published": "2013-01-10…2013-01-12"}),
        ("week", {"published": "2013-01-09 2013-01-13"}),
        ("week@d.t", {"published": "2013-01-13"}),
        ("other", {"published": "2013-01-13"}),
    ],
)
def test_what_moves_elsewhere_does_not_matter(name, facts):
    made = world()
    plan = made.plan(**WINDOW)
    made.know(name, **facts)

    plan.refuse_if_moved(made.fingerprint(**WINDOW))


@pytest.mark.parametrize("facts", [{"published": "2013-01-10"}, {"code_version": "v2"}, {"expected": ""}])
def test_a_step_that_was_not_asked_for_does_not_matter(facts):
    made = world()
    plan = made.plan(steps="week", **WINDOW)

    plan.refuse_if_moved(made.know("other", **facts).fingerprint(steps="week", **WINDOW))


def test_a_fact_that_moves_from_one_set_to_another_is_seen():
    """Sets of one length, one after the other: their ends must be told apart."""
    days = [DAYS.name(DAYS.ordinal("2013-01-10") + n) for n in range(3)]
    seen = set()
    for published in days:
        for stale in days:
            seen.add(world().know("clean", published=published, stale=stale, same_code="").fingerprint(**WINDOW))
    assert len(seen) == 9


def test_the_request_itself_decides_what_is_looked_at():
    made = world()
    plan = made.plan(**WINDOW)
    made.know("clean", published="2013-01-14")

    plan.refuse_if_moved(made.fingerprint(**WINDOW))
    assert made.fingerprint(**WINDOW) != made.fingerprint(start="2013-01-10", end="2013-01-14")


# ------------------------------------------------------------------------------------------------ what is no plan


def broken(change):
    made = world()
    data = saved(made, **WINDOW)
    change(data)
    return json.dumps(data), made.graph


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        '"plan"',
        "[" * 100_000,
        "{}",
        '{"plan_version": 1}',
        '{"plan_version": 1, "groups": 5}',
    ],
)
def test_a_file_that_is_no_plan(text):
    with pytest.raises(UsageError) as raised:
        read_plan(text, world().graph)
    assert raised.value.exit_code is ExitCode.USAGE
    assert "recoup plan -o" in raised.value.remedy


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("request"),
        lambda data: data.pop("fingerprint"),
        lambda data: data["request"].update(order="sideways"),
        lambda data: data["request"].update(only=["everything"]),
        lambda data: data["request"].update(colour="red"),
        lambda data: data["request"].pop("pipeline"),
        lambda data: data["groups"][0].update(verb="delete"),
        lambda data: data["groups"][0].update(step="gone"),
        lambda data: data["groups"][0].update(ranges=[["2013-01-10"]]),
        lambda data: data["groups"][0].update(ranges=[["2013-01-10", "../x"]]),
        lambda data: data["groups"][0].update(ranges=5),
        lambda data: data.update(plan_version=2),
    ],
)
def test_a_plan_that_somebody_has_changed(change):
    text, graph = broken(change)
    with pytest.raises(UsageError) as raised:
        read_plan(text, graph)
    assert raised.value.remedy
    assert "\n" not in raised.value.message


def test_a_newer_version_says_so():
    text, graph = broken(lambda data: data.update(plan_version=7))
    with pytest.raises(UsageError, match="the saved plan has version 7; this recoup reads version 1"):
        read_plan(text, graph)


def test_numbers_of_a_plan():
    made = world().know("feed", published="2013-01-10…2013-01-11")
    plan = made.plan(steps="clean", **WINDOW)

    assert (plan.actions, plan.blocked, plan.done) == (2, 1, 0)
    assert isinstance(plan, Plan)
