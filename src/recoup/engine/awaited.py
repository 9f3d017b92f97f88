"""What a plan reads and another controller makes, now or soon: waited for, and neither made again nor missed."""

from __future__ import annotations

from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import children
from recoup.plan.plan import Plan
from recoup.plan.snapshot import Snapshot


def awaited(graph: Graph, plan: Plan, snapshot: Snapshot) -> list[PartitionSet]:
    """By node: what is made elsewhere, is not there yet, and is read by an action of the plan."""
    planned = [plan.of(node.index) for node in graph.nodes]
    return [
        PartitionSet.of(
            ordinal
            for ordinal in _coming(node, snapshot) - planned[node.index]
            if _is_read(graph, planned, node, ordinal)
        )
        for node in graph.nodes
    ]


def _coming(node: Node, snapshot: Snapshot) -> PartitionSet:
    state = snapshot.states[node.index]
    return (state.running | state.coming) - state.published if node.kind is NodeKind.STEP else EMPTY


def _is_read(graph: Graph, planned: list[PartitionSet], node: Node, ordinal: int) -> bool:
    return any(
        planned[reader].within(children(edge.relation, graph.nodes[reader].partitions, node.partitions, ordinal))
        for reader, edge in graph.readers[node.index]
    )
