"""Which partitions are expected, read anew: a calendar's function, its keys, or what somebody else keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import assert_never

from recoup.app.aside import aside
from recoup.app.outside import Outside
from recoup.app.plugins import open_days
from recoup.model.calendar import Exchange, File, Holidays, Query, parse_keys
from recoup.model.errors import ConfigError, PartitionError, RecoupError, RefusedError
from recoup.model.grid import Grid
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.sql import key_columns, of_whole, ordinals_of_key
from recoup.model.time_base import TimePartitioning
from recoup.model.zones import local_day


def expected(partitioning: Partitioning, now: datetime, outside: Outside) -> PartitionSet:
    """The declared partitions that are on the calendar; of a grid, on its own and on that of its time."""
    universe = partitioning.universe(now)
    if isinstance(partitioning, Grid):
        members = partitioning.members.universe(now)
        universe &= partitioning.product(expected(partitioning.time, now, outside), members)
    calendar = partitioning.calendar
    if calendar is None or not universe:
        return universe
    match calendar.elsewhere:
        case None:
            with aside():
                return calendar.mask(partitioning, universe)
        case File(path):
            return _of_file(outside.root / path, partitioning, universe)
        case Query() as query:
            return _of_query(query, partitioning, universe, outside)
        case Exchange() | Holidays() as days:
            return _of_days(days, partitioning, universe) & universe
        case unknown:
            assert_never(unknown)


def _of_file(path: Path, partitioning: Partitioning, universe: PartitionSet) -> PartitionSet:
    try:
        listed = parse_keys(path.read_text(encoding="utf-8"), partitioning)
    except OSError as error:
        message = f"the calendar {path} cannot be read: {error.strerror}"
        raise ConfigError(message, "mend the path, which is relative to recoup.toml") from error
    except UnicodeDecodeError as error:
        message = f"the calendar {path} is no text in UTF-8"
        raise ConfigError(message, "save it as UTF-8, one key a line") from error
    except PartitionError as error:
        message = f"the calendar {path}, {error.message}"
        raise PartitionError(message, error.remedy) from error
    if not listed & universe:
        why = "none of its keys lies in what is declared" if listed else "it names no key"
        raise _empty(f"the calendar {path}", why, "see that the file is whole, or mend its keys")
    return listed & universe


def _of_query(query: Query, partitioning: Partitioning, universe: PartitionSet, outside: Outside) -> PartitionSet:
    what = f"the calendar that {query.connection!r} is asked for"
    try:
        rows = outside.database(query.connection).rows(query.text, of_whole(partitioning, universe))
        found = _union(_ordinals(partitioning, row) for row in rows) & universe
    except RecoupError as error:
        raise type(error)(f"{what}: {error.message}", error.remedy or "mend the calendar's query") from error
    if not found:
        why = f"none of its {len(rows)} rows lies in what is declared" if rows else "the query gives no rows"
        raise _empty(what, why, "see that the table is filled, or mend the calendar's query")
    return found


def _empty(what: str, why: str, remedy: str) -> RefusedError:
    message = f"{what} is empty ({why}): nothing would be expected, and all would count as complete"
    return RefusedError(message, remedy)


def _ordinals(partitioning: Partitioning, row: tuple[object, ...]) -> Sequence[int]:
    wanted = key_columns(partitioning)
    if len(row) != wanted:
        one = "two: the time and the member" if wanted > 1 else "one: the date, the instant or the key"
        raise PartitionError(f"a row has {len(row)} columns", f"select {one}")
    return ordinals_of_key(partitioning, row)


def _of_days(days: Exchange | Holidays, partitioning: Partitioning, universe: PartitionSet) -> PartitionSet:
    if not isinstance(partitioning, TimePartitioning):
        message = f"a calendar of days says nothing about {partitioning.grain}"
        raise PartitionError(message, "give it to partitions of time")
    first, last = universe.first, universe.last
    assert first is not None
    assert last is not None
    last_day = local_day(partitioning.zone, partitioning.span(last)[1] - timedelta(seconds=1))
    found = open_days(days).expected(partitioning.day_of(first), last_day)
    return _union(partitioning.of_days(day, day) for day in found)


def _union(ranges: Iterable[Sequence[int]]) -> PartitionSet:
    return PartitionSet.of(ordinal for each in ranges for ordinal in each)
