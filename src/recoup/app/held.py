"""What the ledger says of a node, as far as it still holds: plan and status must not see two different worlds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recoup.app.plugins import sink_exists
from recoup.ledger import planes as plane_names
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import PartitionSet


def held(node: Node, planes: Mapping[str, PartitionSet], root: Path, mask: PartitionSet) -> Mapping[str, PartitionSet]:
    """Its planes, of a source within its calendar; of a table whose database is gone, nothing."""
    if node.kind is NodeKind.DELIVERY and node.sink is not None and not sink_exists(node.sink.to_json(), root):
        return {}
    if node.kind is NodeKind.SOURCE and plane_names.PUBLISHED in planes:
        return {**planes, plane_names.PUBLISHED: planes[plane_names.PUBLISHED] & mask}
    return planes
