"""What every partitioning can do: keys to ordinals and back, the partitions that exist, and what lies in what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from recoup.model.errors import PartitionError
from recoup.model.partition import EMPTY, PartitionSet

if TYPE_CHECKING:
    from datetime import date, datetime

    from recoup.model.calendar import Calendar


class MemberSet(Protocol):
    """Members whose ids the ledger gives: by name, or None where only the ledger knows who has arrived."""

    @property
    def key(self) -> str: ...
    @property
    def listed(self) -> tuple[str, ...] | None: ...


class Partitioning(ABC):
    """How a dataset is cut into partitions; each has a key for people and an ordinal for sets."""

    kind: ClassVar[str]
    grain: ClassVar[str]
    """What its partitions are, in the plural: `days`, `hours`, `months`, `members`."""
    is_time: ClassVar[bool]
    has_order: ClassVar[bool]
    """Whether a higher ordinal is a later partition."""

    key: str
    calendar: Calendar | None

    @property
    def time_side(self) -> Partitioning | None:
        """How it is cut by time; None where it is not."""
        return None

    @property
    def member_side(self) -> Partitioning | None:
        """The set of members that it is cut by; None where it is not."""
        return None

    def with_members(self, ids_of: Callable[[MemberSet], Mapping[str, int]]) -> Self:  # noqa: ARG002 - it has none
        """The same with the ids that the ledger gives to members."""
        return self

    @abstractmethod
    def ordinal(self, key: str) -> int:
        """The ordinal of a key, declared or not; any text that is not exactly a key is a PartitionError."""

    @abstractmethod
    def name(self, ordinal: int) -> str:
        """The key of an ordinal."""

    @abstractmethod
    def value(self, ordinal: int) -> date | datetime | str | tuple[date | datetime | str, str]:
        """The partition as a Python value: a date, an aware local datetime, the member, or a tuple of a grid's two."""

    @abstractmethod
    def universe(self, now: datetime) -> PartitionSet:
        """Every partition that is declared and exists; without a declared end, those that are over by `now`."""

    @abstractmethod
    def window(self, start: str | None, end: str | None, now: datetime) -> PartitionSet:
        """The partitions from start to end, both included; None stands for the range's own end."""

    def asked(self, start: str | None, end: str | None, now: datetime) -> tuple[Partitioning, PartitionSet]:
        """The same, in the partitioning in which it was named: of a grid perhaps one side alone."""
        return self, self.window(start, end, now)

    @abstractmethod
    def span(self, ordinal: int) -> tuple[datetime, datetime]:
        """From its beginning to its end, half-open, in UTC; a PartitionError where `is_time` is false."""

    @abstractmethod
    def at(self, instant: datetime) -> int:
        """The ordinal, declared or not, that holds an aware instant; a PartitionError where `is_time` is false."""

    @abstractmethod
    def rank(self, ordinal: int) -> int:
        """Where it stands in the order of work across partitionings: about the second at which it begins."""

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """What must not change while a dataset has partitions, fit for JSON."""

    @abstractmethod
    def is_finer_than(self, other: Partitioning) -> bool:
        """Whether each partition of this one lies in exactly one of the other, coarser one, and `parts` can tell."""

    @abstractmethod
    def parts(self, coarser: Partitioning, ordinal: int) -> range:
        """The ordinals that lie in one coarser partition; some may never have existed, so cut with `universe`.

        A range with a step where they do not follow each other: a day's cells in a grid.
        """

    @abstractmethod
    def whole(self, finer_ordinal: int, coarser: Partitioning) -> int:
        """The coarser ordinal in which this one lies."""

    def ranges_text(self, partitions: PartitionSet, over: PartitionSet | None = None) -> list[str]:
        """As people say it: `2013-01-01…2013-03-08 (67)`.

        A range runs across a gap only when none of `over`, what is expected, lies in it; it counts members only.
        """
        return [self._range_text(first, last, count) for first, last, count in _joined(partitions, over)]

    def _range_text(self, first: int, last: int, count: int) -> str:
        return self.name(first) if count == 1 else f"{self.name(first)}…{self.name(last)} ({count:,})"

    def _refuse_nesting(self, coarser: Partitioning) -> PartitionError:
        remedy = "only finer partitions of the same time zone do, such as the hours of a day"
        return PartitionError(f"{self} do not lie within {coarser}", remedy)


def _joined(partitions: PartitionSet, over: PartitionSet | None) -> list[tuple[int, int, int]]:
    """First, last and count of each range, joined where a gap holds nothing that is expected."""
    # A run of missing ones never reaches past its gap, so its start alone tells in which gap it lies.
    missing = [run.start for run in ((over or EMPTY) - partitions).ranges()]
    joined: list[tuple[int, int, int]] = []
    for run in partitions.ranges():
        if over is not None and joined and _none_between(missing, joined[-1][1], run.start):
            first, _, count = joined.pop()
            joined.append((first, run[-1], count + len(run)))
        else:
            joined.append((run.start, run[-1], len(run)))
    return joined


def _none_between(ascending: list[int], low: int, high: int) -> bool:
    return bisect_left(ascending, low) == bisect_left(ascending, high)
