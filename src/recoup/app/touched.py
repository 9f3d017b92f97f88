"""What of a pipeline is touched by what another one has published: exactly that is asked for, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from recoup.app.datasets import Dataset
from recoup.app.prepare import Prepared
from recoup.ledger.facts import NodeId
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import Edge, Enclosing, Newest, Same, Within
from recoup.model.touching import touching
from recoup.plan.edges import readers_of
from recoup.plan.plan import Verb
from recoup.plan.planner import make_plan
from recoup.plan.request import Only, Request

ANYTHING: Final = (Only.MISSING, Only.FAILED, Only.STALE)


@dataclass(frozen=True, slots=True)
class Reach:
    """Partitions of a pipeline's own partitioning, by how they are touched.

    `due`: the same date, or one that reads it as its own; if it cannot run, somebody must hear of it. `ready`: coarser
    ones such as its month, which are meant once they can run. `later`: all that read any of it, a lookback's later
    dates too, which are meant when they were made or tried before; else they wait for what is published for them.
    """

    due: PartitionSet
    ready: PartitionSet
    later: PartitionSet

    def __or__(self, other: Reach) -> Reach:
        """Both together."""
        return Reach(self.due | other.due, self.ready | other.ready, self.later | other.later)


@dataclass(frozen=True, slots=True)
class Touched:
    """What to ask for, and which coarser partitions wait until all that they read is there; None: nothing."""

    request: Request | None
    waits: tuple[str, ...] = ()


def touched(prepared: Prepared, published: Mapping[NodeId, PartitionSet], made: Mapping[NodeId, Dataset]) -> Touched:
    """The request for what of it is missing, failed or stale.

    `made` are the datasets of those that have published: who reads none of them follows date by date.
    """
    graph, snapshot = prepared.graph, prepared.snapshot
    reach, there = _reach(prepared, published, made), _expected(prepared)
    request = _request(prepared, (reach.due | reach.ready | reach.later) & there)
    if request is None:
        return Touched(None)
    plan = make_plan(request, graph, snapshot)
    run, blocked = (_anchored(prepared, {n.index: plan.of(n.index, verb) for n in graph.nodes}) for verb in Verb)
    meant = reach.due & (run | blocked) | (reach.ready | reach.later & _tried(prepared)) & run - blocked
    waits = reach.ready & blocked & there
    return Touched(_request(prepared, meant & there), tuple(graph.anchor.ranges_text(waits)))


def _reach(prepared: Prepared, published: Mapping[NodeId, PartitionSet], made: Mapping[NodeId, Dataset]) -> Reach:
    """Along the inputs, and date by date where both have the same partitions or nothing is read."""
    if not any(n.kind is NodeKind.DATASET and prepared.node_ids[n.index] in made for n in prepared.graph.nodes):
        return Reach(_by_time(prepared, published, made), EMPTY, EMPTY)
    identity = prepared.graph.anchor.identity()
    alike = {node: one for node, one in made.items() if one.partitions.identity() == identity}
    return _by_reading(prepared, published) | Reach(_by_time(prepared, published, alike), EMPTY, EMPTY)


def _by_reading(prepared: Prepared, published: Mapping[NodeId, PartitionSet]) -> Reach:
    """From step to step; what is read itself counts as due."""
    found: dict[int, Reach] = {}
    for node in prepared.graph.nodes:
        given = published.get(prepared.node_ids[node.index], EMPTY) if node.kind is NodeKind.DATASET else EMPTY
        found[node.index] = Reach(given, EMPTY, given)
        for edge in node.edges:
            found[node.index] |= _read(prepared, node, edge, found[edge.parent])
    made = {node.index: found[node.index] for node in prepared.graph.nodes if node.is_made}
    return Reach(
        due=_anchored(prepared, {index: reach.due for index, reach in made.items()}),
        ready=_anchored(prepared, {index: reach.ready for index, reach in made.items()}),
        later=_anchored(prepared, {index: reach.later for index, reach in made.items()}),
    )


def _read(prepared: Prepared, node: Node, edge: Edge, above: Reach) -> Reach:
    """What of a step reads what was touched above it."""
    parent, own = prepared.graph.nodes[edge.parent], prepared.snapshot.states[node.index].published

    def readers(ordinals: PartitionSet) -> PartitionSet:
        if not ordinals or isinstance(edge.relation, Newest):
            return own if ordinals else EMPTY
        return readers_of(edge, node, parent, ordinals, own, prepared.snapshot.now)

    later = readers(above.later)
    match edge.relation:
        case Same() | Enclosing():
            return Reach(readers(above.due), readers(above.ready), later)
        case Within():
            return Reach(EMPTY, readers(above.due | above.ready), later)
        case _:
            return Reach(EMPTY, EMPTY, later)


def _tried(prepared: Prepared) -> PartitionSet:
    """What was made, or tried in vain."""
    states = {node.index: prepared.snapshot.states[node.index] for node in prepared.graph.nodes if node.is_made}
    return _anchored(prepared, {i: own.published | own.any_failed | own.blocked for i, own in states.items()})


def _by_time(
    prepared: Prepared, published: Mapping[NodeId, PartitionSet], made: Mapping[NodeId, Dataset]
) -> PartitionSet:
    """The same dates; where the two have no time and no member in common, everything."""
    anchor, now, found = prepared.graph.anchor, prepared.snapshot.now, EMPTY
    for node, ordinals in published.items():
        if node in made:
            same = touching(ordinals, made[node].partitions, anchor, now)
            found |= anchor.universe(now) if same is None else same
    return found


def _anchored(prepared: Prepared, ordinals: Mapping[int, PartitionSet]) -> PartitionSet:
    """In the pipeline's own partitioning; what has nothing in common with it counts for all of it."""
    graph, now, found = prepared.graph, prepared.snapshot.now, EMPTY
    for index, own in ordinals.items():
        if own:
            same = touching(own, graph.nodes[index].partitions, graph.anchor, now)
            found |= graph.anchor.universe(now) if same is None else same
    return found


def _expected(prepared: Prepared) -> PartitionSet:
    """What can be asked for by its key."""
    own = _of_grain(prepared.graph)
    if not own:
        return prepared.graph.anchor.universe(prepared.snapshot.now)
    found = EMPTY
    for node in own:
        found |= prepared.snapshot.states[node.index].expected
    return found


def _of_grain(graph: Graph) -> list[Node]:
    identity = graph.anchor.identity()
    return [node for node in graph.nodes if node.is_made and node.partitions.identity() == identity]


def _request(prepared: Prepared, ordinals: PartitionSet) -> Request | None:
    """Partitions by their keys, or a window where it holds nothing else."""
    first, last = ordinals.first, ordinals.last
    if first is None or last is None:
        return None
    anchor, request = prepared.graph.anchor, Request(prepared.pipeline.name, only=ANYTHING)
    if anchor.is_time and first != last and _expected(prepared).within(range(first, last + 1)) == ordinals:
        return replace(request, start=anchor.name(first), end=anchor.name(last))
    return replace(request, partitions=tuple(anchor.name(ordinal) for ordinal in ordinals))
