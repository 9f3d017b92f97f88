"""Which partitions of which datasets an event is about, as its data carry them: ranges of ordinals by node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recoup.ledger.facts import NodeId
from recoup.model.partition import EMPTY, PartitionSet

Cells = Mapping[NodeId, PartitionSet]


def written(cells: Iterable[tuple[NodeId, PartitionSet]]) -> dict[str, list[list[int]]]:
    """Fit for JSON; the same node may come more than once."""
    together: dict[NodeId, PartitionSet] = {}
    for node, ordinals in cells:
        together[node] = together.get(node, EMPTY) | ordinals
    return {str(node): [[r.start, r.stop] for r in ordinals.ranges()] for node, ordinals in together.items()}


def read(data: Mapping[str, Any]) -> dict[NodeId, PartitionSet]:
    """Those of an event's data; empty where it names none."""
    found: dict[NodeId, PartitionSet] = {}
    for node, ranges in data.get("cells", {}).items():
        ordinals = EMPTY
        for start, stop in ranges:
            ordinals |= PartitionSet.of_range(range(start, stop))
        found[NodeId(int(node))] = ordinals
    return found


def united(one: Cells, other: Cells) -> dict[NodeId, PartitionSet]:
    """All of both."""
    return {node: one.get(node, EMPTY) | other.get(node, EMPTY) for node in [*one, *(n for n in other if n not in one)]}


def meet(one: Cells, other: Cells) -> bool:
    """Whether they share anything."""
    return any(ordinals & other[node] for node, ordinals in one.items() if node in other)
