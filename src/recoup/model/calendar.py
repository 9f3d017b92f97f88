"""Which partitions are expected: a schedule with holes, as a function, a list of keys or a file of keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Protocol

from recoup.model.errors import PartitionError
from recoup.model.keys import quoted
from recoup.model.partition import PartitionSet

_COMMENT: Final = re.compile(r"(^|\s)#.*")
_SOURCES: Final = "give a function, a list of keys, or Calendar.from_file(path)"

Expects = Callable[[Any], bool]
"""Asked with a date (days, months), an aware local datetime (hours) or a member."""


class PathLike(Protocol):
    """A path that is no text, such as pathlib's; what it names is never touched here."""

    def __fspath__(self) -> str: ...


class Keyed(Protocol):
    """What a calendar needs of a partitioning."""

    def ordinal(self, key: str) -> int: ...
    def name(self, ordinal: int) -> str: ...
    def value(self, ordinal: int) -> date | datetime | str: ...


@dataclass(frozen=True, init=False)
class Calendar:
    """The partitions that are expected; all others are holes, which nobody misses.

    >>> weekdays = Calendar(lambda day: day.weekday() < 5)
    """

    expects: Expects | None
    keys: tuple[str | date, ...] | None
    path: str | None

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
        calendar = cls(())
        calendar._fix(path=str(path))
        return calendar

    def mask(self, partitioning: Keyed, universe: PartitionSet) -> PartitionSet:
        """The expected ones of `universe`."""
        if self.path is not None:
            raise ValueError(f"the keys of this calendar are still in the file {self.path}: use parse_keys")
        if self.expects is None:
            return PartitionSet.of(partitioning.ordinal(_text(key)) for key in self.keys or ()) & universe
        return PartitionSet.of(o for o in universe if _is_expected(self.expects, partitioning, o))

    def _fix(
        self, expects: Expects | None = None, keys: tuple[str | date, ...] | None = None, path: str | None = None
    ) -> None:
        self.__dict__.update(expects=expects, keys=keys, path=path)  # frozen for everybody else


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
