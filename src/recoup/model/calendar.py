"""Which partitions are expected: a schedule with holes, as a function, as keys, or kept elsewhere and read anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Protocol

from recoup.model.errors import PartitionError
from recoup.model.keys import quoted
from recoup.model.partition import PartitionSet
from recoup.model.sql_text import check_connection, check_text

_COMMENT: Final = re.compile(r"(^|\s)#.*")
_SOURCES: Final = "give a function, a list of keys, or Calendar.from_file(path)"
_WHOLE: Final = frozenset({"first", "last"})

Expects = Callable[[Any], bool]
"""Asked with a date (days, weeks, months), an aware local datetime (hours), a member, or a tuple of a grid's two."""


class PathLike(Protocol):
    """A path that is no text, such as pathlib's; what it names is never touched here."""

    def __fspath__(self) -> str: ...


class Keyed(Protocol):
    """What a calendar needs of a partitioning."""

    def ordinal(self, key: str) -> int: ...
    def name(self, ordinal: int) -> str: ...
    def value(self, ordinal: int) -> date | datetime | str | tuple[date | datetime | str, str]: ...


@dataclass(frozen=True, slots=True)
class File:
    """One key a line; the path is relative to the project."""

    path: str


@dataclass(frozen=True, slots=True)
class Query:
    """One expected date, instant or key a row, from a database."""

    connection: str
    text: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """The days on which an exchange trades, by its market code."""

    name: str


@dataclass(frozen=True, slots=True)
class Holidays:
    """The days of a country that are no holidays, with or without its weekends."""

    country: str
    subdivision: str | None = None
    weekends: bool = True


Elsewhere = File | Query | Exchange | Holidays
"""Read anew before each plan, since it may have changed."""


@dataclass(frozen=True, init=False)
class Calendar:
    """The partitions that are expected; all others are holes, which nobody misses.

    >>> weekdays = Calendar(lambda day: day.weekday() < 5)
    """

    expects: Expects | None
    keys: tuple[str | date, ...] | None
    elsewhere: Elsewhere | None

    def __init__(self, source: Expects | Iterable[str | date]) -> None:
        if callable(source):
            self._fix(expects=source)
        elif isinstance(source, str | bytes) or not isinstance(source, Iterable):
            raise PartitionError(f"a calendar cannot be made of {quoted(source)}", _SOURCES)
        else:
            self._fix(keys=tuple(source))

    @classmethod
    def from_file(cls, path: str | PathLike) -> Calendar:
        """One key a line in a file that is read anew before each plan, with `parse_keys`."""
        return cls._kept(File(str(path)))

    @classmethod
    def from_sql(cls, connection: str, query: str) -> Calendar:
        """What a query answers: a date, an instant or a key in its only column; asked anew before each plan.

        The query may name `:first` and `:last`, the first and the last partition that is declared. One that answers
        nothing is refused: nothing would be expected, and nothing is always complete.

        >>> games = Calendar.from_sql("warehouse", "SELECT DISTINCT game_date FROM schedule WHERE game_status = 3")
        """
        check_connection("the calendar", connection)
        check_text("the calendar's query", query, _WHOLE)
        return cls._kept(Query(connection, query))

    @classmethod
    def exchange(cls, name: str) -> Calendar:
        """The trading days of an exchange by its market code, such as XNYS."""
        return cls._kept(Exchange(name))

    @classmethod
    def holidays(cls, country: str, *, subdivision: str | None = None, weekends: bool = True) -> Calendar:
        """The days that are no public holidays of a country such as DE, or of a part of it; its weekends if wanted."""
        return cls._kept(Holidays(country, subdivision, weekends))

    def mask(self, partitioning: Keyed, universe: PartitionSet) -> PartitionSet:
        """The expected ones of `universe`."""
        if self.elsewhere is not None:
            raise ValueError(f"this calendar has yet to be read: {self.elsewhere}")
        if self.expects is None:
            return PartitionSet.of(partitioning.ordinal(_text(key)) for key in self.keys or ()) & universe
        return PartitionSet.of(o for o in universe if _is_expected(self.expects, partitioning, o))

    @classmethod
    def _kept(cls, elsewhere: Elsewhere) -> Calendar:
        calendar = cls(())
        calendar._fix(elsewhere=elsewhere)
        return calendar

    def _fix(
        self,
        expects: Expects | None = None,
        keys: tuple[str | date, ...] | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.__dict__.update(expects=expects, keys=keys, elsewhere=elsewhere)  # frozen for everybody else


def parse_keys(text: str, partitioning: Keyed) -> PartitionSet:
    """One key a line; blank lines count for nothing, nor does `#` at a line's start or after a space."""
    return PartitionSet.of(
        _ordinal_in_line(number, key, partitioning)
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
        if (key := _COMMENT.sub("", line).strip())
    )


def _ordinal_in_line(number: int, key: str, partitioning: Keyed) -> int:
    try:
        return partitioning.ordinal(key)
    except PartitionError as error:
        raise PartitionError(f"line {number}: {error.message}", error.remedy) from None


def _is_expected(expects: Expects, partitioning: Keyed, ordinal: int) -> bool:
    try:
        answer: object = expects(partitioning.value(ordinal))
    except Exception as error:
        message = f"the calendar could not tell about {partitioning.name(ordinal)}: {type(error).__name__}"
        raise PartitionError(message, "mend the calendar's function, it is asked about every partition") from error
    # A function without a `return` would quietly expect nothing, and nothing is always complete.
    if answer is None:
        raise PartitionError(f"the calendar gave no answer about {partitioning.name(ordinal)}", "return True or False")
    return bool(answer)


def _text(key: str | date) -> str:
    return key.isoformat() if isinstance(key, date) else key
