"""A source that is asked in SQL: which questions, which parameters they may name, and what an answer's keys mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from recoup.model.dates import covered_days
from recoup.model.errors import PartitionError, PipelineError
from recoup.model.grid import Grid
from recoup.model.keys import quoted
from recoup.model.member_partitionings import Members
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.sql_text import check_connection, check_text, listed, parameters
from recoup.model.time_base import TimePartitioning

WHOLE: Final = frozenset({"first", "last"})
_INSTANTS: Final = frozenset({"start", "end"})

Parameters = Mapping[str, object]
"""Values to be bound by name; a list stands for all of its members, as in `IN :partitions`."""


@dataclass(frozen=True, slots=True)
class Sql:
    """How a database is asked for the partitions of a source; `connection` is named in recoup.toml.

    A `probe` that names `:partition` is asked about one partition at a time: its first column tells whether it is
    there (a count, a truth), a second one is the version of what is there. A probe that does not is asked once, about
    everything from `:first` to `:last`, both included, and gives a row for each partition: key, count, and version.

    `load` gives the step a polars frame: it is asked with each `:partition` that is there, or once `IN :partitions`.
    A day or a month is bound as a date, an hour as an instant, a member as text; `:start` and `:end` are the instants
    at which a partition of time begins and ends. A grid's cell is bound by its sides, as in `:dt` and `:tenant`, and a
    row of a probe has both.

    >>> Sql("warehouse", probe="SELECT count(*) FROM box WHERE game_date = :partition").asks_once
    False
    """

    connection: str
    probe: str
    load: str | None = None

    @property
    def asks_once(self) -> bool:
        """Whether one answer of the probe tells about all partitions."""
        return not parameters(self.probe) - WHOLE

    @property
    def loads_once(self) -> bool:
        """Whether one query loads all partitions that a step reads."""
        return self.load is not None and "partitions" in parameters(self.load)

    def check(self, source: str, partitions: Partitioning) -> None:
        """Refuse a text that names what nobody could bind, or a load that would take in everything."""
        check_connection(f"source {source!r}", self.connection)
        one = _of_one(partitions)
        for what, text, known in (("probe", self.probe, one | WHOLE), ("load", self.load, one | {"partitions"})):
            if text is not None or what == "probe":
                check_text(f"source {source!r}: its {what}", text, known)
        if (mixed := parameters(self.probe)) & WHOLE and mixed & one:
            message = f"source {source!r}: its probe names {listed(mixed)}, so it asks about one and about all"
            raise PipelineError(message, "name :partition, or :first and :last")
        if self.load is not None and not parameters(self.load):
            message = f"source {source!r}: its load does not say which partition it loads"
            raise PipelineError(message, "write WHERE … = :partition, or WHERE … IN :partitions")


def of_one(partitions: Partitioning, key: str) -> Parameters:
    """What is bound for one partition; by its key, since a worker does not know the ids of members."""
    if isinstance(partitions, Grid):
        time, _, member = key.partition("/")
        inner = of_one(partitions.time, time)
        return {**inner, "partition": key, partitions.time.key: inner["partition"], partitions.members.key: member}
    if not isinstance(partitions, TimePartitioning):
        return {"partition": key}
    ordinal = partitions.ordinal(key)
    start, end = partitions.span(ordinal)
    return {"partition": partitions.value(ordinal), "start": start, "end": end}


def of_none(partitions: Partitioning) -> Parameters:
    """What is bound to learn the columns where no partition is there."""
    return dict.fromkeys(_of_one(partitions))


def of_whole(partitions: Partitioning, ordinals: PartitionSet) -> Parameters:
    """What is bound for all from the first to the last of them; members have neither."""
    if isinstance(partitions, Grid):
        return of_whole(partitions.time, partitions.sides(ordinals)[0])
    first, last = ordinals.first, ordinals.last
    if first is None or last is None or not partitions.is_time:
        return {}
    return {"first": partitions.value(first), "last": partitions.value(last)}


def key_columns(partitions: Partitioning) -> int:
    """How many columns of a row say whose it is."""
    return 2 if isinstance(partitions, Grid) else 1


def ordinals_of_key(partitions: Partitioning, key: Sequence[object]) -> Sequence[int]:
    """What the columns of a row stand for; nothing for a member that was not declared, who is somebody else's."""
    if isinstance(partitions, Grid):
        rows = ordinals_of_key(partitions.members, key[1:])
        return [partitions.cell(row, column) for row in rows for column in ordinals_of_key(partitions.time, key[:1])]
    (value,) = key
    if isinstance(partitions, Members) and isinstance(value, str | int) and str(value) not in partitions:
        return []
    return ordinals_of(partitions, value)


def ordinals_of(partitions: Partitioning, value: object) -> range:
    """What a value of a database stands for: a key, a date, an instant or a member."""
    if isinstance(partitions, TimePartitioning):
        if isinstance(value, datetime) and value.tzinfo is not None:
            ordinal = partitions.at(value)
            return range(ordinal, ordinal + 1)
        if isinstance(value, datetime) and value.time() == time():
            value = value.date()
        if isinstance(value, str) and len(value) == len("2013-01-01") and (days := covered_days(value)):
            value = days[0]  # SQLite keeps dates as text
        if isinstance(value, date) and not isinstance(value, datetime):
            return partitions.of_days(value, value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        message = f"{quoted(value)} ({type(value).__name__}) names none of the {partitions.grain}"
        raise PartitionError(message, "select a date, an instant with its time zone, or the key as text")
    ordinal = partitions.ordinal(value)
    return range(ordinal, ordinal + 1)


def _of_one(partitions: Partitioning) -> frozenset[str]:
    sides = {partitions.time.key, partitions.members.key} if isinstance(partitions, Grid) else set()
    return frozenset({"partition", *sides}) | (_INSTANTS if partitions.is_time else frozenset())
