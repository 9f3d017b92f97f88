"""Sets of partitions along an input: what these read, and who reads these."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from recoup.model.graph import Node
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import Edge, Enclosing, Every, Newest, Same, Span, Within
from recoup.model.touching import touching


def read_by(
    edge: Edge, child: Node, parent: Node, ordinals: PartitionSet, there: PartitionSet, now: datetime
) -> PartitionSet:
    """All parent partitions that these of the child may read; `there` are those that the parent has at all."""
    match edge.relation:
        case Same():
            return ordinals
        case Span(length, trailing):
            return _smear(ordinals, length).shift(-length + (1 if trailing else 0))
        case Within() | Enclosing():
            return touching(ordinals, child.partitions, parent.partitions, now) or EMPTY
        case Every() | Newest():
            return there if ordinals else EMPTY
        case _:
            assert_never(edge.relation)


def readers_of(
    edge: Edge, child: Node, parent: Node, ordinals: PartitionSet, published: PartitionSet, now: datetime
) -> PartitionSet:
    """All child partitions that read what of the parent is made again; `published` are those that the child shows."""
    match edge.relation:
        case Same():
            return ordinals
        case Span(length, trailing):
            return _smear(ordinals if trailing else ordinals.shift(1), length)
        case Within() | Enclosing():
            return touching(ordinals, parent.partitions, child.partitions, now) or EMPTY
        case Every():
            return published if ordinals else EMPTY
        case Newest():
            return EMPTY  # each keeps what it has read, until that is published again with another digest
        case _:
            assert_never(edge.relation)


def _smear(ordinals: PartitionSet, length: int) -> PartitionSet:
    """Each ordinal and the `length - 1` after it, by doubling."""
    done, reach = ordinals, 1
    while reach < length:
        step = min(reach, length - reach)
        done |= done.shift(step)
        reach += step
    return done
