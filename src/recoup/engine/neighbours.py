"""What other controllers of the same ledger have done with an action that is also in our plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recoup.engine import events
from recoup.engine.events import Start
from recoup.ledger import planes
from recoup.ledger.facts import NodeId
from recoup.ledger.transaction import Transaction
from recoup.model.failure import FailureKind, RetryClass
from recoup.model.graph import Graph

_FAILED_ELSEWHERE = """
SELECT json_extract(a.failure, '$.kind'), json_extract(a.failure, '$.retry_class'), a.number,
       c.ended_at IS NULL AND b.state = 'running'
FROM attempts a JOIN controllers c USING (controller) LEFT JOIN backfills b ON b.backfill = a.backfill
WHERE a.token = (SELECT max(token) FROM attempts WHERE node = ? AND ordinal = ?)
  AND a.failure IS NOT NULL AND a.state <> 'cancelled' AND a.controller <> ?
  AND a.ended_at >= (SELECT started_at FROM controllers WHERE controller = ?)
"""
_MADE = "SELECT state FROM attempts WHERE node = ? AND ordinal = ? ORDER BY token DESC LIMIT 1"


@dataclass(frozen=True)
class Neighbours:
    """The ledger's answers for one controller; `backfills` are those that it waits for."""

    controller: int
    graph: Graph
    node_ids: Sequence[NodeId]
    code_versions: Sequence[str]
    backfills: frozenset[int]

    def made(self, tx: Transaction, start: Start) -> bool:
        """Whether another controller has made it, as we would, since we began: then nothing is left to do."""
        node, ordinal = self.node_ids[start.node], start.ordinal
        code = planes.CODE + self.code_versions[start.node]
        if not self._is_current(tx, node, ordinal) or not tx.plane_has(node, code, ordinal):
            return False
        newer = (
            "SELECT 1 FROM publications p JOIN attempts a USING (token) JOIN controllers c ON c.controller = ?"
            " WHERE p.node = ? AND p.ordinal = ? AND p.state = 'current'"
            " AND a.controller <> c.controller AND p.published_at >= c.started_at"
        )
        return tx.execute(newer, (self.controller, node, ordinal)).fetchone() is not None

    def go_on(self, tx: Transaction) -> bool:
        """Whether one of the backfills that we wait for is still at work."""
        going = "SELECT backfill FROM backfills WHERE state IN ('running', 'paused')"
        return any(backfill in self.backfills for (backfill,) in tx.execute(going))

    def ended(self, tx: Transaction, node: int, ordinal: int) -> events.Event | None:
        """How it came out; None while whoever tried it last waits to try it again."""
        node_id = self.node_ids[node]
        if self._is_current(tx, node_id, ordinal) and tx.execute(_MADE, (node_id, ordinal)).fetchone() == (
            "succeeded",
        ):
            return events.Succeeded(node, ordinal)
        match self.failed(tx, node, ordinal):
            case None:
                return events.Released(node, ordinal)
            case True:
                return events.FailedElsewhere(node, ordinal)
            case False:
                return None

    def failed(self, tx: Transaction, node: int, ordinal: int) -> bool | None:
        """Whether the newest attempt is another controller's, failed since we began, and for good."""
        if not tx.plane_has(self.node_ids[node], planes.TRIED, ordinal):
            return None
        row = tx.execute(_FAILED_ELSEWHERE, (self.node_ids[node], ordinal, *2 * (self.controller,))).fetchone()
        if row is None:
            return None
        kind, retry_class, tries, goes_on = row
        step = self.graph.nodes[node].step
        tried_again = (
            retry_class == RetryClass.SAME_RUN and step is not None and tries < step.retry.attempts(FailureKind(kind))
        )
        return not (goes_on and tried_again)

    def _is_current(self, tx: Transaction, node: NodeId, ordinal: int) -> bool:
        """Published, and nothing that it was made from has changed."""
        return tx.plane_has(node, planes.PUBLISHED, ordinal) and not tx.plane_has(node, planes.STALE, ordinal)
