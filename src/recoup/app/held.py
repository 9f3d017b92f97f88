"""What the ledger says of a node, as far as it still holds: plan and status must not see two different worlds."""

from __future__ import annotations

from collections.abc import Mapping

from recoup.app.outside import Outside
from recoup.app.plugins import sink_exists
from recoup.ledger import planes as plane_names
from recoup.model.errors import RecoupError
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet

Planes = Mapping[str, PartitionSet]


def held(graph: Graph, node: Node, planes: Planes, outside: Outside, mask: PartitionSet, *, ask: bool) -> Planes:
    """Its planes, of a source within its calendar; of a table that is gone, nothing, whatever the ledger remembers.

    With `ask` the database is asked, not only looked for.
    """
    if node.kind is NodeKind.DELIVERY and node.sink is not None:
        there = sink_exists(node.sink.to_json(), outside.root)
        return planes if there and not (ask and _was_dropped(graph, node, planes, outside)) else {}
    if node.kind is NodeKind.SOURCE and plane_names.PUBLISHED in planes:
        return {**planes, plane_names.PUBLISHED: planes[plane_names.PUBLISHED] & mask}
    return planes


def _was_dropped(graph: Graph, node: Node, planes: Planes, outside: Outside) -> bool:
    """Whether the table's own record holds nothing of the newest partition that was delivered.

    To deliver one that it does hold costs nothing. Where nobody can tell, because the database is in use or out of
    reach, the ledger's word stands.
    """
    newest = planes.get(plane_names.PUBLISHED, EMPTY).last
    if newest is None or node.sink is None:
        return False
    dataset = graph.nodes[node.edges[0].parent].name
    try:
        found = outside.sink(node.sink.to_json()).held(dataset, node.partitions.name(newest))
    except (RecoupError, ImportError):
        return False
    return found is None or found.run_id is None
