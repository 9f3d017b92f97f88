"""Plans over grids, against the same decisions made cell by cell, by name, in plain Python."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

import recoup as rc
from recoup.engine import events
from recoup.engine.machine import Machine
from recoup.model.graph import Graph
from recoup.model.partition import PartitionSet
from recoup.plan.plan import Verb
from recoup.plan.planner import make_plan
from recoup.plan.request import Request, parse_only
from recoup.plan.snapshot import NodeState, Snapshot

NOW = datetime(2025, 6, 1, tzinfo=UTC)
LENGTH, NAMES, IDS = 4, ["acme", "globex", "initech"], {"acme": 3, "globex": 0, "initech": 1, "gone": 2}
DAYS = [(date(2023, 11, 1) + timedelta(days=n)).isoformat() for n in range(LENGTH)]
CELLS = [f"{day}/{name}" for day, name in product(DAYS, NAMES)]


def pipeline():
    days = rc.Daily(DAYS[0], DAYS[-1], key="dt")
    tenants = rc.Static(NAMES, key="tenant")
    made = rc.Pipeline("p", partitions=rc.Grid(days, tenants))

    @made.step(partitions=days)
    def feed(ctx): ...

    @made.step
    def sales(ctx, feed=rc.enclosing(feed)): ...

    @made.step
    def week(ctx, sales=rc.trailing(sales, days=2, complete=0.5)): ...

    @made.step(partitions=days)
    def total(ctx, sales=rc.within(sales, complete=0.6)): ...

    @made.step(partitions=tenants)
    def history(ctx, week=rc.within(week, complete=0.5)): ...

    @made.step
    def everything(ctx, total=rc.every(total, complete=0.5)): ...

    return made


GRAPH = Graph.of(pipeline()).with_members(lambda _: IDS)
KEYS = {"feed": DAYS, "sales": CELLS, "week": CELLS, "total": DAYS, "history": NAMES, "everything": CELLS}


def reads(step, key):
    """The parent, the keys that it reads of it, and the share of them that must be there."""
    day, _, name = key.partition("/")
    match step:
        case "feed":
            return None
        case "sales":
            return "feed", [day], 1.0
        case "week":
            place = DAYS.index(day)
            return "sales", [f"{d}/{name}" for d in DAYS[max(place - 1, 0) : place + 1]], 0.5
        case "total":
            return "sales", [f"{day}/{n}" for n in NAMES], 0.6
        case "history":
            return "week", [f"{d}/{key}" for d in DAYS], 0.5
        case _:
            return "total", DAYS, 0.5


def expect(published, asked):
    """What runs and what is blocked, by (step, key), parents first."""
    runs: set[tuple[str, str]] = set()
    blocked: set[tuple[str, str]] = set()
    for step, keys in KEYS.items():
        for key in keys:
            if (step, key) in published or not asked(step, key):
                continue
            given_by = reads(step, key)
            there = True
            if given_by:
                parent, needed, share = given_by
                have = sum((parent, k) in published | runs for k in needed)
                there = have >= math.ceil(round(share * len(needed), 6))
            (runs if there else blocked).add((step, key))
    return runs, blocked


def snapshot(published):
    states = []
    for node in GRAPH.nodes:
        mine = PartitionSet.of(node.partitions.ordinal(key) for step, key in published if step == node.name)
        states.append(NodeState(expected=node.partitions.universe(NOW), published=mine, same_code=mine))
    return Snapshot(tuple(states), NOW)


def told(plan, verb):
    return {
        (GRAPH.nodes[group.node].name, GRAPH.nodes[group.node].partitions.name(ordinal))
        for group in plan.groups
        if group.verb is verb
        for ordinal in group.ordinals
    }


everything = [(step, key) for step, keys in KEYS.items() for key in keys]
some = st.sets(st.sampled_from(everything))


@given(some)
def test_a_whole_grid(published):
    plan = make_plan(Request("p"), GRAPH, snapshot(published))
    runs, blocked = expect(published, lambda step, key: True)

    assert told(plan, Verb.RUN) == runs
    assert told(plan, Verb.BLOCK) == blocked


@given(some, st.sampled_from(DAYS), st.sampled_from(NAMES))
def test_a_day_a_member_and_a_cell(published, day, name):
    of_day = make_plan(Request("p", partitions=(day,)), GRAPH, snapshot(published))
    assert {key for step, key in told(of_day, Verb.RUN) if step == "sales"} == {
        f"{day}/{n}"
        for n in NAMES
        if ("sales", f"{day}/{n}") not in published
        and (("feed", day) in published or ("feed", day) in told(of_day, Verb.RUN))
    }
    of_member = make_plan(Request("p", partitions=(name,)), GRAPH, snapshot(published))
    assert {key for step, key in told(of_member, Verb.RUN) | told(of_member, Verb.BLOCK) if step == "sales"} == {
        f"{d}/{name}" for d in DAYS if ("sales", f"{d}/{name}") not in published
    }
    cell = f"{day}/{name}"
    of_cell = make_plan(Request("p", partitions=(cell,), steps=("sales",)), GRAPH, snapshot(published))
    assert told(of_cell, Verb.RUN) | told(of_cell, Verb.BLOCK) == {("sales", cell)} - published


def test_what_encloses_a_partition_must_be_there_whether_it_is_expected_or_not():
    days = rc.Daily("2024-01-01", "2024-01-09")
    made = rc.Pipeline("p", partitions=days)

    @made.step(partitions=rc.Weekly("2024-01-01", "2024-01-07"))
    def week(ctx): ...

    @made.step
    def day(ctx, week=rc.enclosing(week)): ...

    graph = Graph.of(made)
    states = [NodeState(expected=node.partitions.universe(NOW)) for node in graph.nodes]
    plan = make_plan(Request("p"), graph, Snapshot(tuple(states), NOW))
    assert [(g.verb, g.reason, days.ranges_text(g.ordinals)) for g in plan.groups if g.node == 1] == [
        (Verb.RUN, "missing", ["2024-01-01…2024-01-07 (7)"]),
        (Verb.BLOCK, "week is not there", ["2024-01-08…2024-01-09 (2)"]),
    ]

    waived = NodeState(waived=graph.nodes[0].partitions.universe(NOW))
    plan = make_plan(Request("p"), graph, Snapshot((waived, states[1]), NOW))
    assert [(g.verb, g.reason) for g in plan.groups] == [
        (Verb.BLOCK, "week is waived"),
        (Verb.BLOCK, "week is not there"),
    ]


def test_without_a_window_a_step_is_asked_for_whole():
    made = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-09"))

    @made.step(partitions=rc.Weekly("2024-01-01", "2024-01-31"))
    def week(ctx): ...

    graph = Graph.of(made)
    state = NodeState(expected=graph.nodes[0].partitions.universe(NOW))
    whole = make_plan(Request("p"), graph, Snapshot((state,), NOW))
    assert whole.actions == 5
    some_days = make_plan(Request("p", start="2024-01-01", end="2024-01-09"), graph, Snapshot((state,), NOW))
    assert some_days.actions == 2


@given(some)
def test_a_saved_plan_is_the_same_when_it_is_read(published):
    plan = make_plan(Request("p", only=parse_only("missing,failed,stale")), GRAPH, snapshot(published))
    again = type(plan).from_json(plan.to_json(GRAPH), GRAPH)

    assert (again.groups, again.fingerprint) == (plan.groups, plan.fingerprint)


@given(some, st.sets(st.sampled_from(everything)), st.randoms(use_true_random=False))
def test_the_machine_starts_what_is_ready_and_comes_to_its_end(published, bad, chance):
    known = snapshot(published)
    plan = make_plan(Request("p"), GRAPH, known)
    machine = Machine(GRAPH, plan, known, {})
    there, ended = set(published), set()
    while not machine.done:
        starts = machine.take(chance.randint(1, 5), 0.0)
        assert starts or machine.running
        for start in starts:
            node = GRAPH.nodes[start.node]
            step, key = node.name, node.partitions.name(start.ordinal)
            given_by = reads(step, key)
            if given_by:
                parent, needed, share = given_by
                settled = [k for k in needed if (parent, k) not in told(plan, Verb.RUN) or (parent, k) in ended]
                assert settled == list(needed)
                assert sum((parent, k) in there for k in needed) >= math.ceil(round(share * len(needed), 6))
        for start in chance.sample(starts, len(starts)):
            node = GRAPH.nodes[start.node]
            name = (node.name, node.partitions.name(start.ordinal))
            ended.add(name)
            failure = rc.Failure(rc.FailureKind.LOGIC, "no")
            if name in bad:
                done = machine.handle(events.Failed(start.node, start.ordinal, failure, 0.0, 0.0))
            else:
                there.add(name)
                done = machine.handle(events.Succeeded(start.node, start.ordinal))
            for block in done:
                if isinstance(block, events.Block):
                    at = GRAPH.nodes[block.node]
                    ended.add((at.name, at.partitions.name(block.ordinal)))
    assert ended == told(plan, Verb.RUN)
