"""Dates as keys write them: one spelling only, in the years that ordinals count."""

from __future__ import annotations

from datetime import date
from typing import Final

from recoup.model.errors import PartitionError
from recoup.model.keys import quoted

FIRST_DAY: Final = date(1900, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)


def covered_days(prefix: str) -> tuple[date, date] | None:
    """The first and last day of `2013`, `2013-10` or `2013-10-05`; None for any other text."""
    first = _canonical(prefix + "-01-01"[len(prefix) - 4 :]) if len(prefix) in (4, 7, 10) else None
    if first is None:
        return None
    if not FIRST_DAY <= first <= LAST_DAY:
        raise not_counted(prefix)
    match len(prefix):
        case 4:
            return first, first.replace(month=12, day=31)
        case 7:
            return first, last_of_month(first)
        case _:
            return first, first


def last_of_month(first: date) -> date:
    """The last day of the month that begins with this day."""
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)


def not_counted(key: str) -> PartitionError:
    """The error for a date that has no ordinal."""
    message = f"{quoted(key)} lies outside the years 1900 to 2999, in which partitions are counted"
    return PartitionError(message, "leave the end out for a range that goes on" if key > "3" else "")


def _canonical(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # fromisoformat also reads 20130101 and 2013-W01-1.
    return day if day.isoformat() == text else None
