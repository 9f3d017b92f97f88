"""What one backfill has published, so that exactly that can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.model.partition import EMPTY, PartitionSet

_PUBLISHED = (
    "SELECT p.token, p.node, p.ordinal FROM attempts a JOIN publications p ON p.token = a.token"
    " WHERE a.backfill = (SELECT backfill FROM backfills WHERE backfill_id = ?)"
    " AND p.state IN ('current', 'past', 'collected')"
)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The publications of a backfill by their tokens, and their partitions by node."""

    tokens: frozenset[int]
    ordinals: Mapping[NodeId, PartitionSet]

    def of(self, node: NodeId) -> PartitionSet:
        """What it published of one node."""
        return self.ordinals.get(node, EMPTY)


def published_by(reader: LedgerReader, backfill_id: str) -> Outputs:
    """All that it published, whether it is shown still or not."""
    rows = reader.query(_PUBLISHED, (backfill_id,))
    ordinals: dict[NodeId, list[int]] = {}
    for _, node, ordinal in rows:
        ordinals.setdefault(NodeId(node), []).append(ordinal)
    found = {node: PartitionSet.of(sorted(set(of_node))) for node, of_node in ordinals.items()}
    return Outputs(frozenset(row[0] for row in rows), found)
