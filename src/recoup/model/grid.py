"""Date × members: a partition for each member of each date, such as `2023-11-15/acme`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final, Self

from recoup.model.calendar import Calendar
from recoup.model.errors import NotAKeyError, PartitionError
from recoup.model.keys import quoted
from recoup.model.member_names import ANY
from recoup.model.member_partitionings import Members
from recoup.model.partition import EMPTY, ROW_BITS, PartitionSet, column_of, row_of
from recoup.model.partitioning import MemberSet, Partitioning
from recoup.model.time_base import TimePartitioning

_NAMED_MEMBERS: Final = 3


@dataclass(frozen=True, init=False)
class Grid(Partitioning):
    """Each member has a row of its own, in which time counts as it does elsewhere.

    >>> cells = Grid(Daily("2023-01-01", "2023-12-31"), Static(["acme", "globex"], key="tenant"))
    """

    kind: ClassVar[str] = "grid"
    grain: ClassVar[str] = "cells"
    is_time: ClassVar[bool] = True
    has_order: ClassVar[bool] = True

    time: TimePartitioning
    members: Members
    key: str
    calendar: Calendar | None

    def __init__(self, time: Partitioning, members: Partitioning, *, calendar: Calendar | None = None) -> None:
        if not isinstance(time, TimePartitioning) or not isinstance(members, Members):
            message = f"a grid of {_side(time)} and {_side(members)} cannot be: one side is time, the other one members"
            remedy = "write rc.Grid(rc.Daily(…), rc.Static([…])); of two sets of members make one, `acme-eu`, `acme-us`"
            raise PartitionError(message, remedy)
        if time.key == members.key:
            message = f"both sides of the grid are called {quoted(time.key)}"
            raise PartitionError(message, "give one of them another key=")
        key = f"{time.key}/{members.key}"
        self.__dict__.update(time=time, members=members, key=key, calendar=calendar)  # frozen for everybody else
        self.check_members(members.members)

    def __str__(self) -> str:
        return f"{self.time} × {self.members}"

    @property
    def time_side(self) -> TimePartitioning:
        return self.time

    @property
    def member_side(self) -> Members:
        return self.members

    def with_members(self, ids_of: Callable[[MemberSet], Mapping[str, int]]) -> Self:
        made = self.with_sides(self.time, self.members.with_members(ids_of))
        made.check_members(made.members.members)
        return made

    def check_members(self, members: Iterable[str]) -> None:
        """Refuse a member that reads as one of the grid's times: nobody could tell which of both a window means."""
        for member in members:
            if self.time.reads(member):
                message = f"{quoted(member)} cannot be a member of {self.members.key}: beside {self.time.key} it reads"
                remedy = f"call it otherwise, such as {quoted('m' + member)}; `recoup members remove` takes it out"
                raise PartitionError(f"{message} as a time", remedy)

    def with_sides(self, time: TimePartitioning, members: Members) -> Self:
        """The same grid over other sides of the same kind."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, time=time, members=members)  # as above
        return made

    def cell(self, row: int, column: int) -> int:
        """The ordinal of a member's id and a time's ordinal."""
        return row << ROW_BITS | column

    def ordinal(self, key: str) -> int:
        time, separator, member = key.partition("/") if isinstance(key, str) else (key, "", "")
        if not separator:
            example = f"{self.time.example}/{self.members.members[0] if self.members.members else 'acme'}"
            raise NotAKeyError.of(quoted(key), f"one cell is written {example}")
        return self.cell(self.members.ordinal(member), self.time.ordinal(time))

    def name(self, ordinal: int) -> str:
        return f"{self.time.name(column_of(ordinal))}/{self.members.name(row_of(ordinal))}"

    def value(self, ordinal: int) -> tuple[date | datetime | str, str]:
        """The time's own value, and the member."""
        value = self.time.value(column_of(ordinal))
        assert not isinstance(value, tuple)
        return value, self.members.value(row_of(ordinal))

    def universe(self, now: datetime) -> PartitionSet:
        return self.product(self.time.universe(now), self.members.universe(now))

    def product(self, times: PartitionSet, members: PartitionSet) -> PartitionSet:
        """Each of these times for each of these members."""
        return times.in_rows(members)

    def sides(self, cells: PartitionSet) -> tuple[PartitionSet, PartitionSet]:
        """The times and the members that have any of these cells."""
        times, rows = EMPTY, cells.rows()
        for columns in rows.values():
            times |= columns
        return times, PartitionSet.of(rows)

    def window(self, start: str | None, end: str | None, now: datetime) -> PartitionSet:
        """From start to end, both included, by a cell, a time (`2023-11`), a member, or either side as `*`."""
        first, last, member = self._window_of(start, end)
        members = self.members.universe(now) if member is None else self.members.window(member, member, now)
        return self.product(self.time.window(first, last, now), members)

    def asked(self, start: str | None, end: str | None, now: datetime) -> tuple[Partitioning, PartitionSet]:
        """A time for all members, whether any has arrived or not; a member for all times; or cells."""
        first, last, member = self._window_of(start, end)
        if member is None:
            return self.time, self.time.window(first, last, now)
        if first is None and last is None:
            return self.members, self.members.window(member, member, now)
        return self, self.window(start, end, now)

    def span(self, ordinal: int) -> tuple[datetime, datetime]:
        return self.time.span(column_of(ordinal))

    def at(self, instant: datetime) -> int:
        """The column, for no member holds an instant alone."""
        return self.time.at(instant)

    def rank(self, ordinal: int) -> int:
        return self.time.rank(column_of(ordinal))

    def identity(self) -> dict[str, object]:
        """Kind, key, and the identity of both sides."""
        sides = {"time": self.time.identity(), "members": self.members.identity()}
        return {"kind": self.kind, "key": self.key, **sides}

    def is_finer_than(self, other: Partitioning) -> bool:
        """Than either side, and than a grid of the same members whose time is coarser."""
        if isinstance(other, Grid):
            return self.members.identity() == other.members.identity() and self.time.is_finer_than(other.time)
        return other.identity() in (self.time.identity(), self.members.identity())

    def parts(self, coarser: Partitioning, ordinal: int) -> range:
        if isinstance(coarser, Grid):
            row = row_of(ordinal) << ROW_BITS
            within = self.time.parts(coarser.time, column_of(ordinal))
            return range(row + within.start, row + within.stop)
        if coarser.identity() == self.time.identity():
            return range(ordinal, self.cell(self.members.next_id, 0), 1 << ROW_BITS)
        if coarser.identity() == self.members.identity():
            return range(self.cell(ordinal, 0), self.cell(ordinal + 1, 0))
        raise self._refuse_nesting(coarser)

    def whole(self, finer_ordinal: int, coarser: Partitioning) -> int:
        if isinstance(coarser, Grid):
            return self.cell(row_of(finer_ordinal), self.time.whole(column_of(finer_ordinal), coarser.time))
        if coarser.identity() == self.time.identity():
            return column_of(finer_ordinal)
        if coarser.identity() == self.members.identity():
            return row_of(finer_ordinal)
        raise self._refuse_nesting(coarser)

    def ranges_text(self, partitions: PartitionSet, over: PartitionSet | None = None) -> list[str]:
        """By time, as people say it, with the members that have just these: `2023-01-01…2023-01-31 (31) × acme`."""
        alike: dict[PartitionSet, list[int]] = {}
        for row, columns in sorted(partitions.rows().items()):
            alike.setdefault(columns, []).append(row)
        return [line for columns, rows in alike.items() for line in self._lines(columns, rows, over)]

    def _lines(self, columns: PartitionSet, rows: list[int], over: PartitionSet | None) -> Iterator[str]:
        expected = None if over is None else over.rows().get(rows[0], EMPTY)
        names = [self.members.name(row) for row in rows[:_NAMED_MEMBERS]]
        who = ", ".join(names) if len(rows) <= _NAMED_MEMBERS else f"{len(rows)} members"
        return (f"{text} × {who}" for text in self.time.ranges_text(columns, expected))

    def _window_of(self, start: str | None, end: str | None) -> tuple[str | None, str | None, str | None]:
        first, first_member = self._sides_of(start)
        last, last_member = self._sides_of(end)
        if first_member is not None and last_member is not None and first_member != last_member:
            message = f"the window from {quoted(start)} to {quoted(end)} begins and ends with different members"
            raise PartitionError(message, "give a window of time, or name each cell")
        return first, last, first_member or last_member

    def _sides_of(self, key: str | None) -> tuple[str | None, str | None]:
        """The time and the member that a key names; None for a side that it leaves open."""
        if key is None:
            return None, None
        time, separator, member = key.partition("/")
        if separator:
            return (None if time == ANY else time), (None if member == ANY else member)
        return (None, key) if key in self.members else (key, None)


def _side(side: object) -> str:
    return f"{side.kind} {side.grain}" if isinstance(side, Partitioning) else quoted(side)
