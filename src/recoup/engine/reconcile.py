"""Before any planning: what a controller that vanished left open is settled, by asking the pointers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from recoup.engine.inflight import intent_of
from recoup.engine.remembered import remembered
from recoup.lake.fence import fence
from recoup.ledger import planes, watermarks
from recoup.ledger.facts import NodeId, Publication
from recoup.ledger.leases import ControllerLease, void_dead
from recoup.ledger.reader import intents
from recoup.ledger.staleness import ROLLBACK
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.graph import Graph, Node
from recoup.ports import ObjectStore


def reconcile(
    ledger: Ledger, lease: ControllerLease, store: ObjectStore, graph: Graph, node_ids: Sequence[NodeId]
) -> tuple[int, int, int]:
    """Void dead leases, then settle this pipeline's open intents.

    The answer is how many pointers had moved, how many had not, and how many attempts were voided: after any of these
    a plan that was made before is out of date. A pointer that did not move is fenced, so that its old writer cannot
    move it should it wake up.
    """
    with ledger.transaction() as tx:
        lease.hold(tx)
        left = void_dead(tx, ledger.path, lease.controller)
    settling = _Settling(ledger, store, graph, node_ids)
    mine = [publication for publication in left.intents if publication.node in settling.by_id]
    moved = [publication for publication in mine if settling.has_moved(publication)]
    if mine:
        with ledger.transaction() as tx:
            lease.hold(tx)
            still_open = {p.token for p in intents(tx)}  # another controller may have settled them while we looked
            settling.record(tx, [p for p in moved if p.token in still_open])
            tx.forget_intents([p.token for p in mine if p not in moved])
            watermarks.forget(tx, [p.token for p in mine])
    return len(moved), len(mine) - len(moved), left.attempts


@dataclass(frozen=True)
class _Settling:
    ledger: Ledger
    store: ObjectStore
    graph: Graph
    node_ids: Sequence[NodeId]

    @cached_property
    def by_id(self) -> dict[NodeId, Node]:
        """What this pipeline makes; what it reads of others is for them to settle."""
        nodes = zip(self.node_ids, self.graph.nodes, strict=True)
        return {node_id: node for node_id, node in nodes if node.is_made}

    def has_moved(self, publication: Publication) -> bool:
        """Whether its pointer shows it; from now on it never will, if not."""
        node = self.by_id[publication.node]
        partition, now = node.partitions.name(publication.ordinal), self.ledger.clock.now().timestamp()
        # The run's id is only needed to publish; to settle, the nonce is enough.
        return fence(
            self.store,
            intent_of(node, partition, None, publication, self.ledger.ledger_id, self.ledger.epoch, now),
            remembered(self.ledger, node.name, partition, publication.node, publication.ordinal),
        )

    def record(self, tx: Transaction, moved: Sequence[Publication]) -> None:
        """What the pointers show is true: the attempts succeeded, and nobody was left to write it down."""
        tx.publish([(p, self._readers(p)) for p in moved])
        watermarks.advance(tx, watermarks.foreseen(tx, [p.token for p in moved]))
        for p in moved:
            tx.execute("UPDATE attempts SET state = 'succeeded', rows = ? WHERE token = ?", (p.rows, p.token))
            tx.event("reconciled", token=p.token)
            if p.reason.startswith(ROLLBACK):
                tx.mark_stale(p.node, range(p.ordinal, p.ordinal + 1))
        tx.close_runs([p.run for p in moved if p.run is not None and self._is_complete(tx, p)])

    def _readers(self, publication: Publication) -> list[tuple[NodeId, range]]:
        touched = self.graph.touched_by(self.by_id[publication.node].index, publication.ordinal)
        return [(self.node_ids[reader], span) for reader, span in touched]

    def _is_complete(self, tx: Transaction, publication: Publication) -> bool:
        """Whether this was the last step of its run."""
        grain = self.by_id[publication.node].partitions.identity()
        return all(
            tx.plane_has(self.node_ids[node.index], planes.PUBLISHED, publication.ordinal)
            for node in self.graph.nodes
            if node.is_made and node.partitions.identity() == grain
        )
