"""What a plan will look at in its sources: so that a plan for one day does not ask about four years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from recoup.model.graph import Graph, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.edges import read_by
from recoup.plan.request import Request
from recoup.plan.scope import Scope
from recoup.plan.snapshot import NodeState, Snapshot


def sources_within(
    request: Request, graph: Graph, expected: Sequence[PartitionSet], now: datetime
) -> Mapping[int, PartitionSet]:
    """The partitions of each source that the request may read, by the node's index, as which `expected` goes too."""
    scope = Scope(request, graph, Snapshot(tuple(NodeState(expected=mask) for mask in expected), now))
    wanted = [scope.of(node) if node.is_made else EMPTY for node in graph.nodes]
    for node in reversed(graph.nodes):
        for edge in node.edges:
            parent = graph.nodes[edge.parent]
            if request.include_upstream or not parent.is_made:
                read = read_by(edge, node, parent, wanted[node.index], expected[parent.index], now)
                wanted[parent.index] |= read & expected[parent.index]
    return {node.index: wanted[node.index] for node in graph.nodes if node.kind is NodeKind.SOURCE}
