"""From declarations to nodes in an order that works; a cycle, a gap or a name twice is refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recoup as rc
from recoup.model.errors import ExitCode, PipelineError
from recoup.model.graph import Graph, NodeKind
from recoup.model.relation import Edge, Same, Span, Within

DAYS = rc.Daily("2013-01-01", "2013-12-31", key="dt")


def pipeline(**steps):
    """A pipeline of steps that each read what their text names."""
    made = rc.Pipeline("p", partitions=DAYS)
    for name, reads in steps.items():
        made.step(name=name)(eval(f"lambda {', '.join(['ctx', *reads.split()])}: None"))
    return made


def names(graph):
    return [node.name for node in graph.nodes]


def test_parents_come_before_children_and_else_as_declared():
    assert names(Graph.of(pipeline(c="b", z="", b="a", a="", y="z"))) == ["a", "b", "c", "z", "y"]


@given(st.permutations("abcdefgh"), st.data())
def test_any_order_of_declaration_works(order, data):
    reads = {
        name: " ".join(data.draw(st.lists(st.sampled_from("abcdefgh"[:position]), unique=True))) if position else ""
        for position, name in enumerate("abcdefgh")
    }
    graph = Graph.of(pipeline(**{name: reads[name] for name in order}))

    assert sorted(names(graph)) == list("abcdefgh")
    for node in graph.nodes:
        assert graph.nodes[node.index] is node
        assert {graph.nodes[edge.parent].name for edge in node.edges} == set(reads[node.name].split())
        assert all(edge.parent < node.index for edge in node.edges)


def test_edges_and_readers_are_one_thing_seen_from_both_ends():
    flights = rc.Pipeline("flights", partitions=DAYS)
    weather = rc.Source("weather", rc.Hourly("2013-01-01", "2013-12-31"), probe=lambda key: True)
    hours = rc.within(weather, complete=0.75)

    @flights.step
    def clean(ctx): ...

    @flights.step
    def joined(
        ctx,
        clean,
        history=rc.lookback(clean, days=7, complete=0.8),
        weather=hours,
    ): ...

    graph = Graph.of(flights)
    assert [(n.name, n.kind) for n in graph.nodes] == [
        ("weather", NodeKind.SOURCE),
        ("clean", NodeKind.STEP),
        ("joined", NodeKind.STEP),
    ]
    to_clean, to_history = Edge("clean", 1, Same()), Edge("history", 1, Span(7), 0.8)
    to_weather = Edge("weather", 0, Within(), 0.75)
    assert graph.node("joined").edges == (to_clean, to_history, to_weather)
    assert graph.readers == (((2, to_weather),), ((2, to_clean), (2, to_history)), ())
    assert graph.anchor is DAYS
    assert graph.nodes[0].source is weather


def test_a_sink_is_a_node_of_its_own():
    flights = rc.Pipeline("flights", partitions=DAYS)
    sink = rc.DuckDB("delays.duckdb", table="delays", key=["dt", "carrier"])

    @flights.step(sink=sink)
    def delays(ctx): ...

    step, delivery = Graph.of(flights).nodes
    assert (delivery.kind, delivery.name, delivery.sink) == (NodeKind.DELIVERY, "delays@delays.delays", sink)
    assert delivery.edges == (Edge("", step.index, Same()),)
    assert delivery.partitions is step.partitions


def test_a_static_partitioning_is_bound_everywhere():
    members = rc.Static(["b", "a"])
    tenants = rc.Pipeline("tenants", partitions=members)
    tenants.step(name="one")(lambda ctx: None)
    graph = Graph.of(tenants).with_members(lambda _: {"a": 7, "b": 3})

    assert graph.anchor.ordinal("a") == 7
    assert graph.nodes[0].partitions.ordinal("b") == 3
    assert graph.node("one") is graph.nodes[0]


# ------------------------------------------------------------------------------------------------ what is refused


def refused(made):
    with pytest.raises(PipelineError) as raised:
        Graph.of(made)
    assert raised.value.remedy
    assert raised.value.exit_code is ExitCode.USAGE
    return raised.value.message


def test_a_cycle():
    assert refused(pipeline(a="", b="a d", c="b", d="c")) == "pipeline 'p' has a cycle: b → d → c → b"
    assert refused(pipeline(a="a")) == "pipeline 'p' has a cycle: a → a"


def test_an_input_that_nobody_makes():
    assert refused(pipeline(a="", b="a wether")) == "step 'b' reads 'wether', which nobody makes"


def test_a_step_of_another_pipeline():
    other = rc.Pipeline("other", partitions=DAYS)
    theirs = other.step(name="theirs")(lambda ctx: None)
    mine = rc.Pipeline("mine", partitions=DAYS)

    @mine.step
    def reads(ctx, history=rc.lookback(theirs, days=1)): ...

    graph = Graph.of(mine)
    assert [(node.name, node.kind.value, node.is_made) for node in graph.nodes] == [
        ("theirs", "dataset", False),
        ("reads", "step", True),
    ]


def test_another_pipelines_step_of_the_same_name():
    other = rc.Pipeline("other", partitions=DAYS)
    theirs = other.step(name="raw")(lambda ctx: None)
    mine = rc.Pipeline("mine", partitions=DAYS)
    mine.step(name="raw")(lambda ctx: None)
    mine.step(name="reads")(lambda ctx, x=theirs: None)

    assert refused(mine) == "pipeline 'mine': 'raw' is both a step and read from another pipeline"


def test_a_pipeline_without_steps():
    assert refused(pipeline()) == "pipeline 'p' has no steps"


def test_names_that_meet():
    one, two = (rc.Source("feed", DAYS, probe=lambda key: True) for _ in range(2))
    made = rc.Pipeline("p", partitions=DAYS)
    made.step(name="a")(lambda ctx, feed=one: None)
    made.step(name="b")(lambda ctx, feed=two: None)
    assert refused(made) == "pipeline 'p' has two sources named 'feed'"

    made = rc.Pipeline("p", partitions=DAYS)
    made.step(name="feed")(lambda ctx: None)
    made.step(name="b")(lambda ctx, x=one: None)
    assert refused(made) == "pipeline 'p': 'feed' is both a step and a source"


def test_one_source_may_be_read_twice():
    feed = rc.Source("feed", DAYS, probe=lambda key: True)
    made = rc.Pipeline("p", partitions=DAYS)
    made.step(name="a")(lambda ctx, feed=feed: None)
    made.step(name="b")(lambda ctx, again=feed: None)

    assert names(Graph.of(made)) == ["feed", "a", "b"]


def test_an_input_that_is_partitioned_differently_names_step_and_argument():
    made = rc.Pipeline("p", partitions=DAYS)
    made.step(name="hours", partitions=rc.Hourly("2013-01-01"))(lambda ctx: None)
    made.step(name="day")(lambda ctx, hours: None)

    assert refused(made) == "step 'day', argument 'hours': the two datasets are partitioned differently"


def test_a_sink_whose_key_lacks_the_partitions():
    made = rc.Pipeline("p", partitions=DAYS)
    made.step(name="a", sink=rc.DuckDB("a.duckdb", table="a", key=["carrier"]))(lambda ctx: None)

    assert "does not contain the partition's, 'dt'" in refused(made)


def test_two_steps_that_share_a_table():
    made = rc.Pipeline("p", partitions=DAYS)
    for name in ("a", "b"):
        made.step(name=name, sink=rc.DuckDB("a.duckdb", table="t"))(lambda ctx: None)

    assert refused(made) == "pipeline 'p': 'a' and 'b' deliver into one table"


@pytest.mark.parametrize("name", ["delay", "../clean", "x" * 10_000])
def test_a_step_that_is_not_there(name):
    with pytest.raises(PipelineError) as raised:
        Graph.of(pipeline(clean="", delays="clean")).node(name)
    assert raised.value.message.startswith("pipeline 'p' has no step ")
    assert len(raised.value.message) < 150
    assert raised.value.remedy == "its steps are clean, delays"
