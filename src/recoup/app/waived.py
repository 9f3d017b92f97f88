"""Which gaps of a node were accepted; a table follows its step in that too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recoup.ledger.facts import NodeId
from recoup.ledger.planes import WAIVED
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet


def waived_of(
    node: Node, node_ids: Sequence[NodeId], planes: Mapping[NodeId, Mapping[str, PartitionSet]]
) -> PartitionSet:
    """The partitions of this node that count as complete although nothing is there."""
    owner = node.edges[0].parent if node.kind is NodeKind.DELIVERY else node.index
    return planes.get(node_ids[owner], {}).get(WAIVED, EMPTY)
