"""The pipeline as the planner and the engine walk it: nodes in an order that works, edges by index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from recoup.model.errors import PipelineError
from recoup.model.grid import Grid
from recoup.model.partitioning import MemberSet, Partitioning
from recoup.model.pipeline import Dataset, Input, Pipeline, SinkSpec, Source, Step
from recoup.model.relation import Edge, Newest, Same, check_relation, children


class NodeKind(Enum):
    """Who makes the dataset: a step's function, somebody else, another pipeline, or a sink's projection."""

    STEP = "step"
    SOURCE = "source"
    DATASET = "dataset"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Node:
    """One dataset of the graph; `index` is its place in topological order."""

    index: int
    kind: NodeKind
    name: str
    partitions: Partitioning
    edges: tuple[Edge, ...] = ()
    step: Step[..., Any] | None = None
    source: Source | None = None
    sink: SinkSpec | None = None

    @property
    def is_made(self) -> bool:
        """Whether this pipeline makes it."""
        return self.kind in (NodeKind.STEP, NodeKind.DELIVERY)


@dataclass(frozen=True, slots=True)
class Graph:
    """All nodes, parents before children, and who reads whom; `anchor` is the pipeline's own partitioning."""

    pipeline: str
    anchor: Partitioning
    nodes: tuple[Node, ...]
    readers: tuple[tuple[tuple[int, Edge], ...], ...]
    by_name: Mapping[str, Node] = field(repr=False)

    @classmethod
    def of(cls, pipeline: Pipeline) -> Graph:
        """Order the pipeline's steps; refuse a cycle and an input that nobody makes.

        A step with a sink gets a delivery node of its own: delivering is planned, tried again and recorded like
        any other work.
        """
        if not pipeline.steps:
            message = f"pipeline {pipeline.name!r} has no steps"
            raise PipelineError(message, "declare one with @pipeline.step")
        given = _given(pipeline)
        nodes: list[Node] = []
        index: dict[str, int] = {}

        def add(kind: NodeKind, name: str, partitions: Partitioning, **more: Any) -> None:  # noqa: ANN401 - Node's own fields
            index[name] = len(nodes)
            nodes.append(Node(len(nodes), kind, name, partitions, **more))

        for name, other in given.items():
            if isinstance(other, Source):
                add(NodeKind.SOURCE, name, other.partitions, source=other)
            else:
                add(NodeKind.DATASET, name, other.partitions)
        for step in _ordered(pipeline, given):
            edges = tuple(_edge(step, argument, given, nodes, index) for argument, given in step.inputs.items())
            add(NodeKind.STEP, step.name, step.partitions, edges=edges, step=step)
            if step.sink is not None:
                step.sink.check(step.partitions.key)
                edge = Edge("", index[step.name], Same())
                name = f"{step.name}@{step.sink.name}"
                add(NodeKind.DELIVERY, name, step.partitions, edges=(edge,), step=step, sink=step.sink)
        _refuse_shared_tables(pipeline.name, nodes)
        readers: list[list[tuple[int, Edge]]] = [[] for _ in nodes]
        for node in nodes:
            for edge in node.edges:
                readers[edge.parent].append((node.index, edge))
        return cls(
            pipeline.name, pipeline.partitions, tuple(nodes), tuple(map(tuple, readers)), {n.name: n for n in nodes}
        )

    def with_partitions(self, other: Callable[[Partitioning], Partitioning]) -> Graph:
        """The same graph over other partitionings; nodes that share one go on sharing it."""
        made = {id(partitions): other(partitions) for partitions in [self.anchor, *(n.partitions for n in self.nodes)]}
        nodes = tuple(replace(node, partitions=made[id(node.partitions)]) for node in self.nodes)
        return replace(self, anchor=made[id(self.anchor)], nodes=nodes, by_name={n.name: n for n in nodes})

    def with_members(self, ids_of: Callable[[MemberSet], Mapping[str, int]]) -> Graph:
        """The same graph, in which members have the ids that the ledger gives them."""
        return self.with_partitions(lambda partitions: partitions.with_members(ids_of))

    def check_members(self, key: str, members: Iterable[str]) -> None:
        """Refuse members of a key that its grids cannot have."""
        for partitions in dict.fromkeys([self.anchor, *(node.partitions for node in self.nodes)]):
            if isinstance(partitions, Grid) and partitions.members.key == key:
                partitions.check_members(members)

    def touched_by(self, node: int, ordinal: int) -> Iterator[tuple[int, range]]:
        """Whose partitions become stale when this one changes; who read the newest is for the ledger to say."""
        parent = self.nodes[node].partitions
        for reader, edge in self.readers[node]:
            if not isinstance(edge.relation, Newest):
                yield reader, children(edge.relation, self.nodes[reader].partitions, parent, ordinal)

    def spans_over(self, node: int, ordinals: range) -> Iterator[tuple[int, range]]:
        """Whose spans hold any of this run of neighbours: they read other ones when its calendar changes."""
        parent = self.nodes[node].partitions
        for reader, edge in self.readers[node]:
            if edge.reads_expected and not isinstance(edge.relation, Newest):
                child = self.nodes[reader].partitions
                first, last = (
                    children(edge.relation, child, parent, ordinal) for ordinal in (ordinals[0], ordinals[-1])
                )
                yield reader, range(first.start, last.stop)

    def node(self, name: str) -> Node:
        """The node of that name, or a sentence that lists what there is."""
        if name not in self.by_name:
            known = ", ".join(n.name for n in self.nodes if n.is_made)
            message = f"pipeline {self.pipeline!r} has no step {name[:80]!r}"
            raise PipelineError(message, f"its steps are {known}")
        return self.by_name[name]


def _given(pipeline: Pipeline) -> dict[str, Source | Dataset]:
    """What its steps read that somebody else makes."""
    found: dict[str, Source | Dataset] = {}
    for step in pipeline.steps.values():
        for name, given in step.given.items():
            if not _alike(found.setdefault(name, given), given):
                message = f"pipeline {pipeline.name!r} has two sources named {name!r}"
                raise PipelineError(message, "rename one of them")
    for name in found.keys() & pipeline.steps.keys():
        what = "a source" if isinstance(found[name], Source) else "read from another pipeline"
        message = f"pipeline {pipeline.name!r}: {name!r} is both a step and {what}"
        raise PipelineError(message, "rename one of them")
    return found


def _alike(one: Source | Dataset, other: Source | Dataset) -> bool:
    """Whether both say the same: another pipeline's step becomes a dataset at each place where it is read."""
    if isinstance(one, Dataset) and isinstance(other, Dataset):
        return one.partitions == other.partitions
    return one is other


def _refuse_shared_tables(pipeline: str, nodes: list[Node]) -> None:
    """Two steps that deliver into one table would take each other's rows away."""
    seen: dict[str, str] = {}
    for node in nodes:
        if node.kind is NodeKind.DELIVERY and node.sink is not None and node.step is not None:
            place = f"{node.sink.lane} {node.sink.name}"
            if place in seen:
                message = f"pipeline {pipeline!r}: {seen[place]!r} and {node.step.name!r} deliver into one table"
                raise PipelineError(message, "give each step a table of its own")
            seen[place] = node.step.name


def _ordered(pipeline: Pipeline, given: Mapping[str, Source | Dataset]) -> list[Step[..., Any]]:
    """Depth first in the order of declaration: stable, and parents come first."""
    done: dict[str, Step[..., Any]] = {}
    path: list[str] = []

    def visit(name: str, asked_by: str) -> None:
        if name in done or name in given:
            return
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            message = f"pipeline {pipeline.name!r} has a cycle: {circle}"
            raise PipelineError(message, "break it: a step cannot need its own output of the same partition")
        if name not in pipeline.steps:
            message = f"step {asked_by!r} reads {name!r}, which nobody makes"
            raise PipelineError(
                message,
                f"name a step of {pipeline.name!r}, an rc.Source, or an rc.Dataset of another pipeline",
            )
        path.append(name)
        for read in pipeline.steps[name].inputs.values():
            visit(read.dataset, name)
        path.pop()
        done[name] = pipeline.steps[name]

    for name in pipeline.steps:
        visit(name, name)
    return list(done.values())


def _edge(step: Step[..., Any], argument: str, given: Input, nodes: list[Node], index: Mapping[str, int]) -> Edge:
    parent = nodes[index[given.dataset]]
    check_relation(given.relation, step.partitions, parent.partitions, f"step {step.name!r}, argument {argument!r}")
    return Edge(argument, parent.index, given.relation, given.complete)
