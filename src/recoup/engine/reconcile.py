"""Before any planning: what a controller that vanished left open is settled, by asking the pointers."""

from __future__ import annotations

from collections.abc import Sequence

from recoup.engine.inflight import intent_of
from recoup.lake.fence import fence
from recoup.ledger.facts import NodeId, Publication
from recoup.ledger.leases import ControllerLease, void_dead
from recoup.ledger.writer import Ledger
from recoup.model.graph import Graph, Node
from recoup.model.relation import children
from recoup.ports import ObjectStore


def reconcile(
    ledger: Ledger, lease: ControllerLease, store: ObjectStore, graph: Graph, node_ids: Sequence[NodeId]
) -> tuple[int, int]:
    """Void dead leases, then settle this pipeline's open intents; how many had moved, and how many had not.

    A pointer that did not move is fenced, so that its old writer cannot move it should it wake up.
    """
    with ledger.transaction() as tx:
        left = void_dead(tx, ledger.path, lease.controller)
    by_id = dict(zip(node_ids, graph.nodes, strict=True))
    mine = [(by_id[p.node], p) for p in left if p.node in by_id]
    moved = [(node, p) for node, p in mine if _settled_by_pointer(ledger, store, node, p)]
    with ledger.transaction() as tx:
        tx.publish([(p, _readers(graph, node_ids, node, p.ordinal)) for node, p in moved])
        for _, publication in moved:
            tx.execute("UPDATE attempts SET state = 'succeeded' WHERE token = ?", (publication.token,))
            tx.event("reconciled", token=publication.token)
        tx.forget_intents([p.token for _, p in mine if all(p is not done for _, done in moved)])
    return len(moved), len(mine) - len(moved)


def _settled_by_pointer(ledger: Ledger, store: ObjectStore, node: Node, publication: Publication) -> bool:
    partition = node.partitions.name(publication.ordinal)
    now = ledger.clock.now().timestamp()
    # The run's id is only needed to publish; to settle, the nonce is enough.
    return fence(store, intent_of(node, partition, None, publication, ledger.ledger_id, ledger.epoch, now))


def _readers(graph: Graph, node_ids: Sequence[NodeId], node: Node, ordinal: int) -> Sequence[tuple[NodeId, range]]:
    return [
        (node_ids[reader], children(edge.relation, graph.nodes[reader].partitions, node.partitions, ordinal))
        for reader, edge in graph.readers[node.index]
    ]
