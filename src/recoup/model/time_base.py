"""What all partitions of time share: a declared range, windows, and nesting in coarser ones."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import ClassVar

from recoup.model.calendar import Calendar
from recoup.model.dates import covered_days
from recoup.model.errors import NotAKeyError, PartitionError
from recoup.model.keys import check_key_name, quoted
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.zones import DAY, day_start, local_day, open_zone


@dataclass(frozen=True, init=False)
class TimePartitioning(Partitioning):
    """Partitions that follow each other in time; `start` and `end` are included, no `end` means: it goes on."""

    is_time: ClassVar[bool] = True
    has_order: ClassVar[bool] = True
    noun: ClassVar[str]
    example: ClassVar[str]
    fineness: ClassVar[int]

    start: str
    end: str | None
    key: str
    tz: str
    calendar: Calendar | None
    zone: tzinfo = field(init=False, repr=False, compare=False)
    first: int = field(init=False, repr=False, compare=False)
    last: int | None = field(init=False, repr=False, compare=False)

    def __init__(self, start: str | date, end: str | date | None, key: str, tz: str, calendar: Calendar | None) -> None:
        self._fix(key=check_key_name(key), tz=tz, zone=open_zone(tz), calendar=calendar)
        first = self._covered(start).start
        last = None if end is None else self._covered(end).stop - 1
        if last is not None and last < first:
            raise _backwards("range", start, end)
        self._fix(first=first, start=self.name(first))
        self._fix(last=last, end=None if last is None else self.name(last))

    def __str__(self) -> str:
        return f"{self.grain} of {self.tz}"

    @property
    def time_side(self) -> TimePartitioning:
        """Itself."""
        return self

    @abstractmethod
    def day_of(self, ordinal: int) -> date:
        """The local day on which it begins."""

    @abstractmethod
    def of_days(self, first: date, last: date) -> range:
        """The ordinals that lie in these local days, the last one included."""

    def universe(self, now: datetime) -> PartitionSet:
        """Every partition that is declared and exists; without a declared end, those that are over by `now`."""
        return PartitionSet.of_range(self._declared(now)) - self._never()

    def window(self, start: str | None, end: str | None, now: datetime) -> PartitionSet:
        """The partitions from start to end, both included; `2023` or `2023-10` stand for all that they cover."""
        declared = self._declared(now)
        first = declared if start is None else self._covered(start)
        last = declared if end is None else self._covered(end)
        if start is not None and end is not None and first.start >= last.stop:
            raise _backwards("window", start, end)
        for key, covered in ((start, first), (end, last)):
            if key is not None and (covered.stop <= declared.start or covered.start >= declared.stop):
                raise self._outside(key, declared)
        return self.universe(now).within(range(first.start, last.stop))

    def reads(self, text: str) -> bool:
        """Whether a window takes this text for some of the declared partitions, or for what they lie in."""
        try:
            covered = self._covered(text) if text[:1].isdigit() else range(0)
        except PartitionError:
            return False
        return bool(covered) and covered.stop > self.first and (self.last is None or covered.start <= self.last)

    def identity(self) -> dict[str, object]:
        """Kind, key and time zone."""
        return {"kind": self.kind, "key": self.key, "tz": self.tz}

    def is_finer_than(self, other: Partitioning) -> bool:
        """Whether it cuts the other's partitions further, in the same time zone."""
        return isinstance(other, TimePartitioning) and self.tz == other.tz and self.fineness > other.fineness

    def parts(self, coarser: Partitioning, ordinal: int) -> range:
        """The ordinals that lie in one coarser partition; some may never have existed, so cut with `universe`."""
        if self.identity() == coarser.identity():
            return range(ordinal, ordinal + 1)
        return self.of_days(*self._nesting(coarser).days_of(ordinal))

    def whole(self, finer_ordinal: int, coarser: Partitioning) -> int:
        """The coarser ordinal in which this one lies."""
        if self.identity() == coarser.identity():
            return finer_ordinal
        return self._nesting(coarser).of_day(self.day_of(finer_ordinal))

    def _declared(self, now: datetime) -> range:
        return range(self.first, self.at(now) if self.last is None else self.last + 1)

    def _never(self) -> PartitionSet:
        """What this zone's clocks have never shown."""
        return EMPTY

    def _covered(self, key: str | date) -> range:
        """The ordinals that a key, or the day, month or year in its place, stands for."""
        text = _text(key)
        days = covered_days(text) if isinstance(text, str) and len(text) < len(self.example) else None
        if days is None:
            ordinal = self.ordinal(text)
            return range(ordinal, ordinal + 1)
        covered = self.of_days(*days)
        if not covered:
            raise self._never_was(text, "its clocks crossed the date line and skipped that day")
        return covered

    def _nesting(self, coarser: Partitioning) -> WholeDays:
        if isinstance(coarser, WholeDays) and self.is_finer_than(coarser):
            return coarser
        raise self._refuse_nesting(coarser)

    def _not_a_key(self, key: object) -> PartitionError:
        return NotAKeyError.of(quoted(key), f"one {self.noun} is written {self.example}")

    def _never_was(self, key: str, why: str) -> PartitionError:
        return PartitionError(f"{quoted(key)} does not exist in {self.tz}: {why}")

    def _outside(self, key: str, declared: range) -> PartitionError:
        if not declared:
            return PartitionError(f"{quoted(key)} is not there yet: no {self.noun} from {self.start} on is over")
        message = f"{quoted(key)} is outside the range {self.start}…{self.name(declared[-1])}"
        remedy = "choose within it, or change what the pipeline declares"
        if self.end is None:
            return PartitionError(f"{message}, which ends with the last {self.noun} that is over", remedy)
        return PartitionError(message, remedy)

    def _fix(self, **fields: object) -> None:
        self.__dict__.update(fields)  # frozen for everybody else


class WholeDays(TimePartitioning):
    """Partitions made of whole local days, so that hours and days can lie in them."""

    @abstractmethod
    def days_of(self, ordinal: int) -> tuple[date, date]:
        """Its first and its last local day."""

    @abstractmethod
    def of_day(self, day: date) -> int:
        """The ordinal in which a local day lies."""

    def value(self, ordinal: int) -> date:
        """Its first day."""
        return self.days_of(ordinal)[0]

    def day_of(self, ordinal: int) -> date:
        """The local day on which it begins."""
        return self.days_of(ordinal)[0]

    def of_days(self, first: date, last: date) -> range:
        """The ordinals that hold these local days, the last one included."""
        return range(self.of_day(first), self.of_day(last) + 1)

    def at(self, instant: datetime) -> int:
        """The ordinal, declared or not, that holds an aware instant."""
        return self.of_day(local_day(self.zone, instant))

    def span(self, ordinal: int) -> tuple[datetime, datetime]:
        """From its beginning to its end, half-open, in UTC; of length zero when it never was."""
        first, last = self.days_of(ordinal)
        return day_start(self.zone, first), day_start(self.zone, last + DAY)


def _text(key: str | date) -> str:
    return key.isoformat() if isinstance(key, date) else key


def _backwards(what: str, start: object, end: object) -> PartitionError:
    message = f"the {what} from {quoted(str(start))} to {quoted(str(end))} ends before it starts"
    return PartitionError(message, "both ends are included, the earlier one comes first")
