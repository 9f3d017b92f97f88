"""Blocks whose reason holds no longer: what was not there when somebody tried is there now, or not missed any more.

The ledger keeps a block until its partition is tried again; who looks before that must not be told what is untrue.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recoup.model.graph import Graph, Node
from recoup.model.partition import EMPTY, Counts, PartitionSet
from recoup.model.relation import Edge, parents
from recoup.plan.edges import readers_of
from recoup.plan.shortfall import is_shortfall, waived_shortfall
from recoup.plan.snapshot import Snapshot


@dataclass
class Lifted:
    """Looks at blocks in the light of what is there now."""

    graph: Graph
    snapshot: Snapshot
    _counts: dict[int, tuple[Counts, Counts]] = field(default_factory=dict)

    def of(self, node: Node, reason: str, blocked: PartitionSet) -> PartitionSet:
        """Of those that were blocked for a reason the ones for which it is untrue now."""
        about = [edge for edge in node.edges if is_shortfall(reason, self.graph.nodes[edge.parent])]
        for edge in node.edges:
            parent = self.graph.nodes[edge.parent]
            if edge.is_single and reason == waived_shortfall(parent):
                waived = self.snapshot.states[parent.index].waived
                return blocked - readers_of(edge, node, parent, waived, EMPTY, self.snapshot.now)
        served = blocked if about else EMPTY
        for edge in about:  # a step may read the same dataset twice: its own day, and those before
            served &= self._served(edge, node, self.graph.nodes[edge.parent], served)
        return served

    def _served(self, edge: Edge, node: Node, parent: Node, ordinals: PartitionSet) -> PartitionSet:
        """Those for which enough of this input is there; planning counts in the same way."""
        published = self.snapshot.states[parent.index].published
        if not published:
            return EMPTY  # of nothing, no share is enough: there would not even be columns
        if edge.is_single:
            return ordinals & readers_of(edge, node, parent, published, EMPTY, self.snapshot.now)
        wanted, there = self._counts_of(parent)
        spans = ((o, parents(edge.relation, node.partitions, parent.partitions, o)) for o in ordinals)
        return PartitionSet.of(o for o, span in spans if there.count(span) >= edge.needed(wanted.count(span)))

    def _counts_of(self, parent: Node) -> tuple[Counts, Counts]:
        """What of it is expected, and what of that is there; a lookback has a reason for each partition."""
        if parent.index not in self._counts:
            state = self.snapshot.states[parent.index]
            self._counts[parent.index] = state.expected.counts(), (state.published & state.expected).counts()
        return self._counts[parent.index]
