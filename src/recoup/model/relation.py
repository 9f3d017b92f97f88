"""How a child partition maps to the parent partitions that it reads, and back again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recoup.model.errors import PipelineError
from recoup.model.partition import ROW_BITS, row_of

if TYPE_CHECKING:
    from recoup.model.partitioning import Partitioning

ALL: Final = range(1 << 62)
"""Every ordinal that there is."""


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
    """The finer partitions that lie in this one: the hours of a day, the days of a month, the tenants of a day."""


@dataclass(frozen=True, slots=True)
class Enclosing:
    """The coarser partition in which this one lies: the month of a day, the day or the tenant of a grid's cell."""


@dataclass(frozen=True, slots=True)
class Every:
    """All partitions; in two grids over the same members, all of this one's member."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest partition that is there when the attempt is claimed.

    A snapshot is one that was over at the run's `run_as_of`, by at most `max_age_seconds`.
    """

    snapshot: bool = False
    max_age_seconds: float | None = None


Relation = Same | Span | Within | Enclosing | Every | Newest


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of a node: whose partitions, which of them, and what share must be there."""

    argument: str
    parent: int
    relation: Relation
    complete: float = 1.0

    @property
    def is_whole(self) -> bool:
        """Whether it may read any of the parent's partitions, so that all of them must have settled before."""
        return isinstance(self.relation, Every | Newest)

    @property
    def reads_expected(self) -> bool:
        """Whether it reads what the calendar expects of a span; one partition is read whatever the calendar says."""
        return not isinstance(self.relation, Same | Enclosing)

    @property
    def is_single(self) -> bool:
        """Whether it reads exactly one partition, which must be there whether anybody expects it or not."""
        return isinstance(self.relation, Same | Enclosing)

    def needed(self, expected: int) -> int:
        """How many of the expected partitions must be there; an empty span is complete."""
        if isinstance(self.relation, Newest):
            return 1 if self.complete > 0 else 0
        return math.ceil(self.complete * expected - 1e-9)


def parents(relation: Relation, child: Partitioning, parent: Partitioning, ordinal: int) -> range:
    """The parent's ordinals that this child partition may read."""
    match relation:
        case Same():
            return range(ordinal, ordinal + 1)
        case Span(length, trailing):
            end = ordinal + 1 if trailing else ordinal
            return range(end - length, end)
        case Within():
            return parent.parts(child, ordinal)
        case Enclosing():
            whole = child.whole(ordinal, parent)
            return range(whole, whole + 1)
        case Every() | Newest():
            return _line(child, parent, ordinal)


def children(relation: Relation, child: Partitioning, parent: Partitioning, ordinal: int) -> range:
    """The child's ordinals that may read this parent partition: the inverse of `parents`."""
    match relation:
        case Same():
            return range(ordinal, ordinal + 1)
        case Span(length, trailing):
            start = ordinal if trailing else ordinal + 1
            return range(start, start + length)
        case Within():
            whole = parent.whole(ordinal, child)
            return range(whole, whole + 1)
        case Enclosing():
            return child.parts(parent, ordinal)
        case Every() | Newest():
            return _line(child, parent, ordinal)


def check_relation(relation: Relation, child: Partitioning, parent: Partitioning, where: str) -> None:
    """Refuse an input whose partitionings do not fit; `where` names step and argument."""
    same = child.identity() == parent.identity()
    message, remedy = "", ""
    match relation:
        case Within() if same or not parent.is_finer_than(child):
            message, remedy = "`within` needs partitions finer than the step's own", _PLAIN
        case Enclosing() if same or not child.is_finer_than(parent):
            message, remedy = "`enclosing` needs partitions coarser than the step's own", _PLAIN
        case Newest() if not parent.has_order or (relation.snapshot and not parent.is_time):
            message = "its partitions have no order in time, so none is the newest"
            remedy = "read the same partition, or all of them with rc.every(…)"
        case Newest() if _is_grid(parent) and not _same_members(child, parent):
            message = "none of a grid's cells is the newest"
            remedy = "give the step a grid over the same members: then it is the newest of its own member"
        case Same() | Span() if not same:
            message = "the two datasets are partitioned differently"
            remedy = "give both the same partitioning, or read finer partitions with rc.within(…), coarser ones with"
            remedy += " rc.enclosing(…), all of them with rc.every(…)"
        case Span() if not child.is_time:
            message, remedy = "a lookback needs partitions of time", "read the same partition instead"
        case _:
            return
    raise PipelineError(f"{where}: {message}", remedy)


_PLAIN: Final = "use the argument's plain name for the same partition"


def _line(child: Partitioning, parent: Partitioning, ordinal: int) -> range:
    """All ordinals; in two grids over the same members, those of one member."""
    if not _same_members(child, parent):
        return ALL
    row = row_of(ordinal)
    return range(row << ROW_BITS, row + 1 << ROW_BITS)


def _is_grid(partitioning: Partitioning) -> bool:
    return partitioning.time_side is not None and partitioning.member_side is not None


def _same_members(child: Partitioning, parent: Partitioning) -> bool:
    """Whether both are grids, over the same members."""
    if not (_is_grid(child) and _is_grid(parent) and child.member_side and parent.member_side):
        return False
    return child.member_side.identity() == parent.member_side.identity()
