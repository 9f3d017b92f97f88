"""Small pipelines with facts about them, said briefly; and random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

import recoup as rc
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.pipeline import Pipeline, Source, Step
from recoup.model.relation import Edge, Same, Span, Within
from recoup.plan.plan import Plan
from recoup.plan.planner import fingerprint, make_plan
from recoup.plan.request import Only, Request
from recoup.plan.snapshot import NodeState, Snapshot

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
CODE = "v1"
Told = tuple[str, str, str, str]


def nothing(*_arguments: Any) -> None:
    """A step that does nothing."""


@dataclass
class World:
    """A graph, and what is known about its nodes: at first, that every declared partition is expected."""

    graph: Graph
    states: dict[str, NodeState] = field(default_factory=dict)

    @classmethod
    def of(cls, pipeline: Pipeline) -> World:
        graph = Graph.of(pipeline)
        expected = {node.name: NodeState(node.partitions.universe(NOW), code_version=CODE) for node in graph.nodes}
        return cls(graph, expected)

    def partitions(self, name: str) -> Partitioning:
        return self.graph.by_name[name].partitions

    def know(self, name: str, **facts: Any) -> World:
        """Texts such as "2013-01-01…2013-01-05 2013-01-07" are partitions; what is published is of today's code."""
        known = {fact: self._read(name, value) for fact, value in facts.items()}
        if "published" in known and "same_code" not in known:
            known["same_code"] = known["published"]
        self.states[name] = replace(self.states[name], **known)
        return self

    def all_published(self, *but: str) -> World:
        for name, state in self.states.items():
            if name not in but:
                self.states[name] = replace(state, published=state.expected, same_code=state.expected)
        return self

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(tuple(self.states[node.name] for node in self.graph.nodes), NOW)

    def request(self, **wish: Any) -> Request:
        if "only" in wish:
            wish["only"] = tuple(Only(word) for word in wish["only"].split(","))
        wish |= {
            name: tuple(value.split()) for name, value in wish.items() if name in ("steps", "partitions", "exclude")
        }
        return Request(self.graph.pipeline, **wish)

    def plan(self, **wish: Any) -> Plan:
        return make_plan(self.request(**wish), self.graph, self.snapshot)

    def fingerprint(self, **wish: Any) -> str:
        return fingerprint(self.request(**wish), self.graph, self.snapshot)

    def told(self, **wish: Any) -> list[Told]:
        """Step, verb, reason and ranges of each group, as people read them."""
        return [self.tell(group) for group in self.plan(**wish).groups]

    def tell(self, group: Any) -> Told:
        node = self.graph.nodes[group.node]
        ranges = " ".join(node.partitions.ranges_text(group.ordinals, self.states[node.name].expected))
        return (node.name, group.verb.value, group.reason, ranges)

    def _read(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and value not in (CODE, "v2"):
            return keys(self.partitions(name), value)
        if isinstance(value, Mapping):
            return {kind: self._read(name, text) for kind, text in value.items()}
        return value


def keys(partitioning: Partitioning, text: str) -> PartitionSet:
    """The partitions that a text names: keys, and ranges with both ends."""
    found = EMPTY
    for word in text.split():
        first, _, last = word.partition("…")
        found |= PartitionSet.of_range(range(partitioning.ordinal(first), partitioning.ordinal(last or first) + 1))
    return found


def pipeline(partitions: Partitioning) -> Pipeline:
    return rc.Pipeline("p", partitions=partitions)


# ------------------------------------------------------------------------------------------------ random ones

FIRST_DAYS = rc.Daily("1900-01-01", "1900-02-09")  # ordinals from 0: lookbacks reach before all that is counted
FIRST_MONTHS = rc.Monthly("1900-01", "1900-02")
SIZES = {id(FIRST_DAYS): 40, id(FIRST_MONTHS): 2}


def bits(partitioning: Partitioning) -> st.SearchStrategy[PartitionSet]:
    """Any set of its partitions; a full, an empty and a nearly full one more often than by chance."""
    size = SIZES[id(partitioning)]
    whole = (1 << size) - 1
    some = st.integers(0, whole)
    few = st.lists(st.integers(0, size - 1), max_size=2).map(lambda ordinals: sum(1 << o for o in {*ordinals}))
    chosen = st.one_of(some, few, few.map(lambda bitmap: whole & ~bitmap), st.just(whole))
    return chosen.map(lambda bitmap: PartitionSet.of(o for o in range(size) if bitmap >> o & 1))


@st.composite
def graphs(draw: st.DrawFn, pools: Sequence[str] = (), retries: Iterable[rc.Retry] = (rc.Retry(),)) -> Graph:
    """Up to six datasets: sources, steps and deliveries of days, and months that read days."""
    nodes: list[Node] = []
    count = draw(st.integers(1, 5))
    days = Pipeline("p", partitions=FIRST_DAYS)
    policies = st.sampled_from(list(retries))
    for position in range(count):
        parents = [node for node in nodes if node.partitions is FIRST_DAYS and node.kind is not NodeKind.DELIVERY]
        name = "abcdefgh"[position]
        kind = draw(st.sampled_from(["source", "step", "step", "step", "months" if parents else "step"]))
        partitions = FIRST_MONTHS if kind == "months" else FIRST_DAYS
        if kind == "source":
            source = Source(name, partitions, probe=bool)
            nodes.append(Node(len(nodes), NodeKind.SOURCE, name, partitions, source=source))
            continue
        chosen = draw(st.lists(st.sampled_from(parents), max_size=3)) if parents else []
        edges = tuple(_edge(draw, f"{name}{number}", node, kind) for number, node in enumerate(chosen))
        step: Step[..., Any] = Step(
            nothing, name, partitions, {}, {}, retry=draw(policies), pool=draw(st.sampled_from([None, *pools]))
        )
        nodes.append(Node(len(nodes), NodeKind.STEP, name, partitions, edges, step))
        if draw(st.integers(0, 3)) == 0:
            to = (Edge("", len(nodes) - 1, Same()),)
            sink = rc.DuckDB("d.duckdb", table=name)
            nodes.append(Node(len(nodes), NodeKind.DELIVERY, f"{name}@d", partitions, to, step, sink=sink))
    readers: list[list[tuple[int, Edge]]] = [[] for _ in nodes]
    for node in nodes:
        for edge in node.edges:
            readers[edge.parent].append((node.index, edge))
    by_name = {node.name: node for node in nodes}
    return Graph(days.name, FIRST_DAYS, tuple(nodes), tuple(map(tuple, readers)), by_name)


def _edge(draw: st.DrawFn, argument: str, parent: Node, kind: str) -> Edge:
    complete = draw(st.sampled_from([1.0, 1.0, 0.8, 0.5, 0.0]))
    if kind == "months":
        return Edge(argument, parent.index, Within(), complete)
    relation = draw(st.one_of(st.just(Same()), st.builds(Span, st.integers(1, 9), st.booleans())))
    return Edge(argument, parent.index, relation, 1.0 if isinstance(relation, Same) else complete)


@st.composite
def snapshots(draw: st.DrawFn, graph: Graph) -> Snapshot:
    """Anything that a ledger may say."""
    states = []
    for node in graph.nodes:
        some = bits(node.partitions)
        published = draw(some)
        if node.kind is NodeKind.SOURCE:
            states.append(NodeState(expected=draw(some), published=published))
            continue
        network, logic = draw(some) & draw(some), draw(some) & draw(some)
        state = NodeState(
            expected=draw(some),
            published=published,
            stale=published & draw(some) & draw(some),
            same_code=published & draw(some),
            failed={"network": network, "logic": logic - network},
            code_version=CODE,
        )
        states.append(state)
    return Snapshot(tuple(states), NOW)


@st.composite
def requests(draw: st.DrawFn, graph: Graph) -> Request:
    """Anything that a person may ask."""
    day = st.integers(0, SIZES[id(FIRST_DAYS)] - 1)
    wish: dict[str, Any] = {}
    match draw(st.sampled_from(["all", "window", "window", "start", "partitions"])):
        case "window":
            first, last = sorted((draw(day), draw(day)))
            wish = {"start": FIRST_DAYS.name(first), "end": FIRST_DAYS.name(last)}
        case "start":
            wish = {"start": FIRST_DAYS.name(draw(day))}
        case "partitions":
            wish = {"partitions": tuple(FIRST_DAYS.name(draw(day)) for _ in range(3))}
        case _:
            pass
    made = [node.name for node in graph.nodes if node.kind is not NodeKind.SOURCE]
    if draw(st.booleans()) and made:
        wish["steps"] = tuple(draw(st.lists(st.sampled_from(made), min_size=1, max_size=2)))
    only = draw(st.lists(st.sampled_from(list(Only)), min_size=1, max_size=3, unique=True))
    wish["only"] = tuple(word for word in Only if word in only)
    wish["exclude"] = tuple(FIRST_DAYS.name(o) for o in draw(st.lists(day, max_size=2)))
    return Request("p", include_upstream=draw(st.integers(0, 1)) == 1, **wish)
