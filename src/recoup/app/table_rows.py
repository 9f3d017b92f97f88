"""The rows of a table against those that its step has published: one question for all partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Node
from recoup.model.partition import CHUNK_BITS, PartitionSet
from recoup.ports import Sink

_SHOWN: Final = """
SELECT ordinal, rows FROM publications
WHERE node = ? AND ordinal >= ? AND ordinal < ? AND state = 'current' AND run IS NOT NULL
"""
TABLES: Final = f"{_SHOWN} AND rows > 0"
EMPTY_ONES: Final = f"{_SHOWN} AND rows = 0"


@dataclass
class Filled:
    """A table against what its step has published: partitions of which it has no rows, and those with too few."""

    gone: list[int] = field(default_factory=list)
    fewer: dict[int, tuple[int, int]] = field(default_factory=dict)
    """How many there are, and how many there should be."""
    other: dict[int, tuple[int, int]] = field(default_factory=dict)
    """More of them: somebody else's."""

    @classmethod
    def asked(
        cls, sink: Sink, node: Node, due: Mapping[int, int], *, only_whether: bool = False, wait: bool = True
    ) -> Filled:
        """By one question; RecoupError or ImportError where the table cannot be asked."""
        names = {ordinal: node.partitions.name(ordinal) for ordinal in due}
        key, keys = node.partitions.key, list(names.values())
        counts = sink.counts(key, keys, only_whether=only_whether, wait=wait) if keys else {}
        found = cls()
        for ordinal, rows in due.items():
            have = counts.get(names[ordinal], 0)
            if not have:
                found.gone.append(ordinal)
            elif have != rows and not only_whether:
                (found.fewer if have < rows else found.other)[ordinal] = have, rows
        return found


def rows_due(reader: LedgerReader, node: NodeId, wanted: PartitionSet, sql: str = TABLES) -> dict[int, int]:
    """What is published of these and how many rows it has; nothing of what is no table."""
    found: dict[int, int] = {}
    for span in spans(wanted):
        rows = reader.query(sql, (node, span.start, span.stop))
        found.update(row for row in rows if row[0] in wanted)
    return found


def spans(ordinals: PartitionSet) -> Iterator[range]:
    """Where they lie: a query for each, and never many rows at once."""
    for index, _ in ordinals.chunks():
        own = ordinals.within(range(index * CHUNK_BITS, (index + 1) * CHUNK_BITS))
        yield range(own.first or 0, (own.last or 0) + 1)
