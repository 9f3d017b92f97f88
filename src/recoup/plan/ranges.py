"""Partitions of one node as people and saved plans name them: ranges of keys, both ends included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recoup.model.graph import Node
from recoup.model.partition import EMPTY, PartitionSet


def ranges_of(node: Node, ordinals: PartitionSet) -> Iterator[tuple[str, str]]:
    """Exactly these, a range for each run of neighbours."""
    name = node.partitions.name
    return ((name(run.start), name(run.stop - 1)) for run in ordinals.ranges())


def ordinals_of(node: Node, ranges: Iterable[tuple[str, str]]) -> PartitionSet:
    """The inverse of `ranges_of`; PartitionError for a key that is none."""
    ordinals = EMPTY
    for first, last in ranges:
        run = range(node.partitions.ordinal(first), node.partitions.ordinal(last) + 1)
        ordinals |= PartitionSet.of_range(run)
    return ordinals
