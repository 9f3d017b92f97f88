"""What a time zone does to days and hours: where a day begins, which never were, when an hour begins."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from recoup.model.errors import PartitionError
from recoup.model.keys import quoted

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)
_YEAR: Final = timedelta(days=366)

# The shortest stretch of an odd offset on record lasted four days: Africa/Freetown in September 1939.
_BETWEEN_LOOKS: Final = timedelta(days=3)

# The zone tables list single changes until 2037; later years repeat one rule.
_TABLES_END: Final = datetime(2040, 1, 1, tzinfo=UTC)


def open_zone(name: str) -> tzinfo:
    """The zone of a tz database name; UTC needs no database."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        message = f"{quoted(name)} is not a time zone known here"
        remedy = "use UTC or a tz database name such as Europe/Berlin; a system without the database needs `tzdata`"
        raise PartitionError(message, remedy) from None


def check_aware(instant: datetime) -> datetime:
    """The instant itself; a naive one would silently mean the time zone of this machine."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone")
    return instant


def day_start(zone: tzinfo, day: date) -> datetime:
    """The first instant, in UTC, at which the zone's clocks show this day or a later one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    start = midnight.astimezone(UTC)
    if zone is UTC or start.astimezone(zone) == midnight:
        return start
    # Clocks skip this midnight: the day begins with the jump, which lies between the two readings of it.
    before = midnight.replace(fold=1).astimezone(UTC)
    return _first_instant(before, start, lambda instant: instant.astimezone(zone).date() >= day)


def local_day(zone: tzinfo, instant: datetime) -> date:
    """The day whose span holds this instant."""
    local = check_aware(instant).astimezone(zone)
    # Where clocks go back across midnight, the second evening already belongs to the day that had begun.
    if local.fold and instant >= day_start(zone, local.date() + DAY):
        return local.date() + DAY
    return local.date()


@lru_cache(maxsize=256)
def days_that_never_were(zone: tzinfo) -> frozenset[date]:
    """The days that a zone skipped when it crossed the date line, such as 2011-12-30 in Pacific/Apia."""
    if zone is UTC:
        return frozenset()
    # Only the date line moves a clock by this much, so two looks a year find every crossing.
    looks = [datetime(year, month, 1, tzinfo=UTC) for year in range(1900, _TABLES_END.year) for month in (1, 7)]
    return frozenset(
        day
        for before, after in pairwise(looks)
        if _offset(zone, after) - _offset(zone, before) > DAY / 2
        for day in _skipped_days(zone, before, after)
    )


@lru_cache(maxsize=256)
def hour_phase(zone: tzinfo, first: date, last: date | None) -> int:
    """Seconds past the full UTC hour at which the zone's hours begin, the same from `first` through `last`."""
    if zone is UTC:
        return 0
    phase = _phase(zone, day_start(zone, first))
    for instant in _looks(zone, first, last):
        if _phase(zone, instant) != phase:
            message = f"{zone} cannot be hourly: before {instant:%Y-%m-%d} its clocks changed by a part of an hour"
            raise PartitionError(message, "use tz='UTC', or begin after the change if it was the last one")
    return phase


def _looks(zone: tzinfo, first: date, last: date | None) -> Iterator[datetime]:
    """Instants close enough to meet every offset, and the last one."""
    instant = day_start(zone, first)
    settled = max(instant, _TABLES_END) + _YEAR
    end = settled if last is None else min(settled, day_start(zone, last + DAY) - _SECOND)
    while instant < end:
        yield instant
        instant += _BETWEEN_LOOKS
    yield end


def _phase(zone: tzinfo, instant: datetime) -> int:
    return -int(_offset(zone, instant).total_seconds()) % 3600


def _skipped_days(zone: tzinfo, before: datetime, after: datetime) -> Iterator[date]:
    usual = _offset(zone, before)
    jump = _first_instant(before, after, lambda instant: _offset(zone, instant) - usual > DAY / 2)
    day = (jump - _SECOND).astimezone(zone).date() + DAY
    while day < jump.astimezone(zone).date():
        yield day
        day += DAY


def _first_instant(after: datetime, until: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first full second in (after, until] at which something holds that then holds on."""
    seconds = range(1, int((until - after).total_seconds()) + 1)
    index = bisect_left(seconds, True, key=lambda second: holds(after + second * _SECOND))
    return after + seconds[index] * _SECOND


def _offset(zone: tzinfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).replace(tzinfo=UTC) - instant
