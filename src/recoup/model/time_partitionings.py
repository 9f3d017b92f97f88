"""Daily, Weekly, Monthly and Hourly: how their keys are written, and which ordinals they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Final

from recoup.model.calendar import Calendar
from recoup.model.dates import FIRST_DAY, LAST_DAY, covered_days, last_of_month, not_counted
from recoup.model.partition import PartitionSet
from recoup.model.time_base import TimePartitioning, WholeDays
from recoup.model.zones import (
    DAY,
    HOUR,
    check_aware,
    day_start,
    days_that_never_were,
    hour_phase,
    local_day,
    open_zone,
)

_EPOCH: Final = datetime(1900, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = FIRST_DAY.toordinal()
_EPOCH_HOUR: Final = _EPOCH_DAY * 24
_EPOCH_SECOND: Final = int(_EPOCH.timestamp())
_DAYS: Final = LAST_DAY.toordinal() - _EPOCH_DAY + 1
_REPEATED: Final = "_2"


@dataclass(frozen=True, init=False)
class Daily(WholeDays):
    """One partition a day, such as `2013-01-01`."""

    kind: ClassVar[str] = "daily"
    grain: ClassVar[str] = "days"
    noun: ClassVar[str] = "day"
    example: ClassVar[str] = "2013-01-01"
    fineness: ClassVar[int] = 1

    never: PartitionSet = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        start: str | date,
        end: str | date | None = None,
        *,
        key: str = "dt",
        tz: str = "UTC",
        calendar: Calendar | None = None,
    ) -> None:
        self._fix(never=PartitionSet.of(self.of_day(day) for day in days_that_never_were(open_zone(tz))))
        super().__init__(start, end, key, tz, calendar)

    def ordinal(self, key: str) -> int:
        try:
            day = date.fromisoformat(key)
        except (TypeError, ValueError):
            raise self._not_a_key(key) from None
        # fromisoformat also reads 20130101 and 2013-W01-1.
        if day.isoformat() != key:
            raise self._not_a_key(key)
        ordinal = day.toordinal() - _EPOCH_DAY
        if not 0 <= ordinal < _DAYS:
            raise not_counted(key)
        if self.never and ordinal in self.never:
            raise self._never_was(key, "its clocks crossed the date line and skipped that day")
        return ordinal

    def name(self, ordinal: int) -> str:
        return date.fromordinal(_EPOCH_DAY + ordinal).isoformat()

    def rank(self, ordinal: int) -> int:
        return ordinal * 86_400 + _EPOCH_SECOND

    def days_of(self, ordinal: int) -> tuple[date, date]:
        day = date.fromordinal(_EPOCH_DAY + ordinal)
        return day, day

    def of_day(self, day: date) -> int:
        return day.toordinal() - _EPOCH_DAY

    def _never(self) -> PartitionSet:
        return self.never


@dataclass(frozen=True, init=False)
class Weekly(WholeDays):
    """One partition a week from Monday to Sunday, such as `2013-W01`; a day stands for its week in a window."""

    kind: ClassVar[str] = "weekly"
    grain: ClassVar[str] = "weeks"
    noun: ClassVar[str] = "week"
    example: ClassVar[str] = "2013-W01"
    fineness: ClassVar[int] = 0  # no finer than months: a week may lie in two of them

    def __init__(
        self,
        start: str | date,
        end: str | date | None = None,
        *,
        key: str = "week",
        tz: str = "UTC",
        calendar: Calendar | None = None,
    ) -> None:
        super().__init__(start, end, key, tz, calendar)

    def ordinal(self, key: str) -> int:
        try:
            year, week = key.split("-W")
            monday = date.fromisocalendar(int(year), int(week), 1)
        except (AttributeError, TypeError, ValueError):
            raise self._not_a_key(key) from None
        ordinal = self.of_day(monday)
        if _week(monday) != key:
            raise self._not_a_key(key)
        if not 0 <= ordinal < self.of_day(LAST_DAY):
            raise not_counted(key)
        return ordinal

    def name(self, ordinal: int) -> str:
        return _week(date.fromordinal(_EPOCH_DAY + ordinal * 7))

    def rank(self, ordinal: int) -> int:
        return ordinal * 7 * 86_400 + _EPOCH_SECOND

    def days_of(self, ordinal: int) -> tuple[date, date]:
        monday = date.fromordinal(_EPOCH_DAY + ordinal * 7)
        return monday, monday + 6 * DAY

    def of_day(self, day: date) -> int:
        return (day.toordinal() - _EPOCH_DAY) // 7  # 1 January 1900 was a Monday

    def _covered(self, key: str | date) -> range:
        days = covered_days(str(key))
        return super()._covered(key) if days is None else self.of_days(*days)


def _week(monday: date) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


@dataclass(frozen=True, init=False)
class Monthly(WholeDays):
    """One partition a month, such as `2013-01`."""

    kind: ClassVar[str] = "monthly"
    grain: ClassVar[str] = "months"
    noun: ClassVar[str] = "month"
    example: ClassVar[str] = "2013-01"
    fineness: ClassVar[int] = 0

    def __init__(
        self,
        start: str | date,
        end: str | date | None = None,
        *,
        key: str = "month",
        tz: str = "UTC",
        calendar: Calendar | None = None,
    ) -> None:
        super().__init__(start, end, key, tz, calendar)

    def ordinal(self, key: str) -> int:
        days = covered_days(key) if isinstance(key, str) and len(key) == len(self.example) else None
        if days is None:
            raise self._not_a_key(key)
        return self.of_day(days[0])

    def name(self, ordinal: int) -> str:
        return f"{FIRST_DAY.year + ordinal // 12}-{ordinal % 12 + 1:02d}"

    def rank(self, ordinal: int) -> int:
        return (self.day_of(ordinal).toordinal() - _EPOCH_DAY) * 86_400 + _EPOCH_SECOND

    def days_of(self, ordinal: int) -> tuple[date, date]:
        first = date(FIRST_DAY.year + ordinal // 12, ordinal % 12 + 1, 1)
        return first, last_of_month(first)

    def of_day(self, day: date) -> int:
        return (day.year - FIRST_DAY.year) * 12 + day.month - 1


@dataclass(frozen=True, init=False)
class Hourly(TimePartitioning):
    """One partition an hour, such as `2013-01-01T07`; an hour that autumn repeats is `2013-11-03T01_2`.

    Ordinals are full hours that really passed, so a local day has 23, 24 or 25 of them.
    """

    kind: ClassVar[str] = "hourly"
    grain: ClassVar[str] = "hours"
    noun: ClassVar[str] = "hour"
    example: ClassVar[str] = "2013-01-01T07"
    fineness: ClassVar[int] = 2

    phase_seconds: int = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        start: str | date,
        end: str | date | None = None,
        *,
        key: str = "hour",
        tz: str = "UTC",
        calendar: Calendar | None = None,
    ) -> None:
        last_day = None if end is None else self._days_around(end)[1]
        self._fix(phase_seconds=hour_phase(open_zone(tz), self._days_around(start)[0], last_day))
        super().__init__(start, end, key, tz, calendar)

    def ordinal(self, key: str) -> int:
        clock, repeated = self._clock(key)
        if self.zone is UTC and not repeated:
            ordinal = clock.toordinal() * 24 + clock.hour - _EPOCH_HOUR
        else:
            ordinal = (self._instant(key, clock, repeated=repeated) - _EPOCH) // HOUR
        if not 0 <= ordinal < _DAYS * 24:
            raise not_counted(key)
        return ordinal

    def name(self, ordinal: int) -> str:
        if self.zone is UTC:
            return f"{date.fromordinal(_EPOCH_DAY + ordinal // 24).isoformat()}T{ordinal % 24:02d}"
        local = self.value(ordinal)
        return local.isoformat(timespec="hours")[: len(self.example)] + (_REPEATED if local.fold else "")

    def value(self, ordinal: int) -> datetime:
        """Its beginning on the local clock."""
        return self._start(ordinal).astimezone(self.zone)

    def rank(self, ordinal: int) -> int:
        return ordinal * 3_600 + _EPOCH_SECOND

    def identity(self) -> dict[str, object]:
        """Kind, key, time zone, and how far past the full UTC hour its hours begin."""
        return super().identity() | {"phase_seconds": self.phase_seconds}

    def span(self, ordinal: int) -> tuple[datetime, datetime]:
        return self._start(ordinal), self._start(ordinal + 1)

    def at(self, instant: datetime) -> int:
        return (check_aware(instant) - self._start(0)) // HOUR

    def day_of(self, ordinal: int) -> date:
        return local_day(self.zone, self._start(ordinal))

    def of_days(self, first: date, last: date) -> range:
        return range(max(self._first_from(first), 0), self._first_from(last + DAY))

    def _first_from(self, day: date) -> int:
        """The first hour to begin in a day; upside down, because where a day begins within an hour it rounds up."""
        return -((self._start(0) - day_start(self.zone, day)) // HOUR)

    def _start(self, ordinal: int) -> datetime:
        return _EPOCH + timedelta(hours=ordinal, seconds=self.phase_seconds)

    def _days_around(self, key: str | date) -> tuple[date, date]:
        days = covered_days(str(key)[: len("2013-01-01")])
        if days is None:
            raise self._not_a_key(key)
        return days

    def _clock(self, key: str) -> tuple[datetime, bool]:
        """What the clock shows, and whether it shows it for the second time."""
        try:
            clock, mark = datetime.fromisoformat(key[: len(self.example)]), key[len(self.example) :]
        except (TypeError, ValueError):
            raise self._not_a_key(key) from None
        if mark not in ("", _REPEATED) or key != clock.isoformat(timespec="hours") + mark:
            raise self._not_a_key(key)
        return clock, mark == _REPEATED

    def _instant(self, key: str, clock: datetime, *, repeated: bool) -> datetime:
        asked = clock.replace(tzinfo=self.zone, fold=repeated)
        instant = asked.astimezone(UTC).replace(fold=0)  # from UTC to UTC it would be kept
        shown = instant.astimezone(self.zone)
        if shown != asked:
            raise self._never_was(key, "its clocks skip that hour")
        if shown.fold != asked.fold:
            raise self._never_was(key, "that hour comes only once")
        if (instant - _EPOCH) % HOUR != timedelta(seconds=self.phase_seconds):
            raise self._never_was(key, "its clocks then differed by a part of an hour from those of the range")
        return instant
