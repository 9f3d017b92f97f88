"""What is expected, for who only looks: asked anew, or as the last plan found it where nobody answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from recoup.app.calendars import expected
from recoup.app.observing import is_listed
from recoup.app.outside import Outside
from recoup.ledger import planes as plane_names
from recoup.model.errors import UnreachableError
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning


@dataclass
class KnownCalendars:
    """What is expected is asked anew, since days go by between two plans; of each partitioning once."""

    now: datetime
    outside: Outside
    unread: list[str] = field(default_factory=list)
    _read: dict[Partitioning, PartitionSet | None] = field(default_factory=dict)

    def of(self, node: Node, facts: Mapping[str, PartitionSet]) -> PartitionSet:
        """What a node's calendar expects; of one that is out of reach, what it did when somebody planned last."""
        recorded = facts.get(plane_names.EXPECTED)
        if node.kind is NodeKind.SOURCE or is_listed(node.partitions):
            return recorded or EMPTY
        if node.partitions not in self._read:
            try:
                self._read[node.partitions] = expected(node.partitions, self.now, self.outside)
            except UnreachableError as error:
                if recorded is None:
                    raise
                self._read[node.partitions] = None
                self.unread.append(error.message)
        asked = self._read[node.partitions]
        return asked if asked is not None else recorded or EMPTY
