"""Which failures are one, and what each of them keeps from being made."""

import recoup as rc
from recoup.engine.causes import Current, behind, causes
from recoup.engine.insight import Reason, insight
from recoup.model.failure import Failure, FailureKind
from tests.unit.plan.worlds import World, keys, pipeline

DAYS = rc.Daily("2024-01-01", "2024-01-10")


def world():
    """raw → clean → week (clean of the two days before), and raw → table."""
    made = pipeline(DAYS)
    made.step(name="raw", sink=rc.DuckDB("d.duckdb", table="t"))(lambda ctx: None)
    clean = made.step(name="clean")(lambda ctx, raw: None)
    made.step(name="week")(lambda ctx, before=rc.lookback(clean, days=2): None)
    return World.of(made)


def index(known, name):
    return known.graph.by_name[name].index


def days(text):
    return keys(DAYS, " ".join(f"2024-01-{word}" for word in text.split()))


def shown(known, places):
    return {known.graph.nodes[node].name: DAYS.ranges_text(ordinals) for node, ordinals in places.items()}


def failed(known, name, day, fingerprint, at, kind="network"):
    failure = Failure(FailureKind(kind), f"at {at}", fingerprint=fingerprint)
    return Current(index(known, name), DAYS.ordinal(f"2024-01-{day}"), failure, at, "run")


def found(known, current=(), reasons=None):
    named = {index(known, name): told for name, told in (reasons or {}).items()}
    return causes(insight(known.graph, known.snapshot, reasons=named), known.graph, current)


def test_failures_with_one_fingerprint_are_one_cause_the_newest_first():
    known = world()
    current = [failed(known, "raw", "02", "a", 10.0), failed(known, "raw", "05", "b", 30.0)]
    current += [failed(known, "clean", "03", "a", 20.0)]
    newer, older = found(known, current)

    assert (newer.group, older.group) == ("b", "a")
    assert shown(known, older.where) == {"raw": ["2024-01-02"], "clean": ["2024-01-03"]}
    assert (older.since, older.newest.at, older.newest.failure.message, older.count) == (10.0, 20.0, "at 20.0", 2)


def test_what_is_blocked_stands_with_the_failure_behind_it():
    known = world()
    known.know("raw", failed={"network": "2024-01-03"}, published="2024-01-01…2024-01-02 2024-01-04…2024-01-10")
    known.know("clean", blocked="2024-01-03 2024-01-08")
    known.know("week", blocked="2024-01-04…2024-01-05 2024-01-09")
    [cause, other] = found(
        known,
        [failed(known, "raw", "03", "a", 10.0)],
        {"clean": [Reason("raw has no such partition", days("08"), 5.0)]},
    )

    assert shown(known, cause.blocks) == {
        "clean": ["2024-01-03"],
        "raw@d.t": ["2024-01-03"],
        "week": ["2024-01-04…2024-01-05 (2)"],
    }
    # Nothing that failed is behind the other one: it is a cause itself.
    assert (other.newest.failure.kind, other.newest.failure.message) == ("blocked", "raw has no such partition")
    assert (shown(known, other.where), shown(known, other.blocks)) == (
        {"clean": ["2024-01-08"]},
        {"week": ["2024-01-09"]},
    )


def test_blocks_that_say_the_same_of_different_days_are_one_cause():
    known = world()
    known.know("clean", blocked="2024-01-03 2024-01-04")
    reasons = [Reason(f"there lacks 2024-01-{day}", days(day), float(day)) for day in ("03", "04")]
    [cause] = found(known, reasons={"clean": reasons})

    assert (cause.count, cause.since, cause.newest.at) == (2, 3.0, 4.0)


def test_what_blocks_several_steps_is_one_cause_of_all_of_them():
    made = pipeline(DAYS)
    there = rc.Source("there", DAYS, probe=lambda key: True)
    for name in ("points", "rebounds"):
        made.step(name=name)(lambda ctx, there=there: None)
    known = World.of(made)
    for name in ("points", "rebounds"):
        known.know(name, blocked="2024-01-03")
    same = [Reason("there has no such partition", days("03"), 1.0)]
    [cause] = found(known, reasons={"points": same, "rebounds": same})
    assert shown(known, cause.where) == {"points": ["2024-01-03"], "rebounds": ["2024-01-03"]}


def test_what_is_behind_ends_where_nothing_is_blocked():
    known = world()
    nodes = {name: index(known, name) for name in ("raw", "clean", "week")}
    blocked = {nodes["week"]: days("04 05")}
    assert behind(known.graph, {nodes["raw"]: days("03")}, blocked) == {}
    assert behind(known.graph, {nodes["clean"]: days("03")}, blocked) == {nodes["week"]: days("04 05")}
