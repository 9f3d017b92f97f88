"""Sources that stay away: what reads them waits, each run begins with one probe, and a good one ends the outage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from recoup.ledger.facts import NodeId
from recoup.ledger.outages import Outage, begin_outage, end_outages
from recoup.ledger.transaction import Transaction
from recoup.model.failure import Failure
from recoup.model.graph import Graph, NodeKind


@dataclass
class Outages:
    """Those of one plan; a step that reads no source is what stays away itself."""

    graph: Graph
    node_ids: Sequence[NodeId]
    down: dict[NodeId, Outage] = field(default_factory=dict)

    def known(self) -> Mapping[int, Failure]:
        """How the other side failed the last time, by the steps that it concerns."""
        steps = [node.index for node in self.graph.nodes if node.kind is NodeKind.STEP]
        met = {step: next((self.down[n] for n in self._behind(step) if n in self.down), None) for step in steps}
        return {step: Failure(outage.kind, outage.message) for step, outage in met.items() if outage is not None}

    def begin(self, tx: Transaction, step: int, failure: Failure) -> None:
        """Its tries and its probes are spent."""
        for node in self._behind(step):
            if node not in self.down:
                tx.event("outage began", data={"node": node, "kind": failure.kind, "message": failure.message})
            self.down[node] = begin_outage(tx, node, failure.kind, failure.message)

    def succeed(self, tx: Transaction, nodes: Iterable[NodeId]) -> None:
        """What these read has been read."""
        if not (there := {NodeId(node) for (node,) in tx.execute("SELECT node FROM outages")}):
            return
        steps = {self.node_ids[node.index]: node.index for node in self.graph.nodes if node.kind is NodeKind.STEP}
        over = {at for node in nodes if node in steps for at in self._behind(steps[node]) if at in there}
        end_outages(tx, over)
        for node in over:
            self.down.pop(node, None)
            tx.event("outage over", data={"node": node})

    def _behind(self, step: int) -> list[NodeId]:
        """Its one source; of several nobody knows which, so then it is the step."""
        edges = self.graph.nodes[step].edges
        sources = [self.node_ids[e.parent] for e in edges if self.graph.nodes[e.parent].kind is NodeKind.SOURCE]
        return sources if len(sources) == 1 else [self.node_ids[step]]
