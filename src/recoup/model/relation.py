"""How a child partition maps to the parent partitions that it reads, and back again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recoup.model.errors import PipelineError

if TYPE_CHECKING:
    from recoup.model.partitioning import Partitioning


@dataclass(frozen=True, slots=True)
class Same:
    """The parent's partition of the same key."""


@dataclass(frozen=True, slots=True)
class Span:
    """The `length` partitions before this one; with `trailing`, the span that ends with this one."""

    length: int
    trailing: bool = False


@dataclass(frozen=True, slots=True)
class Within:
    """The finer partitions that lie in this one: the hours of a day, the days of a month."""


Relation = Same | Span | Within


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of a node: whose partitions, which of them, and what share must be there."""

    argument: str
    parent: int
    relation: Relation
    complete: float = 1.0

    def needed(self, expected: int) -> int:
        """How many of the expected partitions must be there; an empty span is complete."""
        return math.ceil(self.complete * expected - 1e-9)


def parents(relation: Relation, child: Partitioning, parent: Partitioning, ordinal: int) -> range:
    """The parent's ordinals that this child partition reads."""
    match relation:
        case Same():
            return range(ordinal, ordinal + 1)
        case Span(length, trailing):
            end = ordinal + 1 if trailing else ordinal
            return range(end - length, end)
        case Within():
            return parent.parts(child, ordinal)


def children(relation: Relation, child: Partitioning, parent: Partitioning, ordinal: int) -> range:
    """The child's ordinals that read this parent partition: the inverse of `parents`."""
    match relation:
        case Same():
            return range(ordinal, ordinal + 1)
        case Span(length, trailing):
            start = ordinal if trailing else ordinal + 1
            return range(start, start + length)
        case Within():
            whole = parent.whole(ordinal, child)
            return range(whole, whole + 1)


def check_relation(relation: Relation, child: Partitioning, parent: Partitioning, where: str) -> None:
    """Refuse an input whose partitionings do not fit; `where` names step and argument."""
    same = child.identity() == parent.identity()
    if isinstance(relation, Within):
        if same or not parent.is_finer_than(child):
            message = f"{where}: `within` needs partitions finer than the step's own"
            raise PipelineError(message, "use the argument's plain name for the same partition")
    elif not same:
        message = f"{where}: the two datasets are partitioned differently"
        raise PipelineError(message, "give both the same partitioning, or read finer partitions with rc.within(…)")
    elif isinstance(relation, Span) and not child.is_time:
        message = f"{where}: a lookback needs partitions of time"
        raise PipelineError(message, "read the same partition instead")
