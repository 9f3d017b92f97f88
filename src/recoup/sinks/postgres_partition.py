"""A partition in a table: which rows are its own, by the columns that name it, in those columns' own types."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from recoup.model.sinks.declared import RowsRefusedError
from recoup.sinks.postgres_sql import all_of, composed, first_row, name, type_name

if TYPE_CHECKING:
    from psycopg.sql import Composable

    from recoup.sinks.postgres_sql import Connection

_WRITTEN_OTHERWISE = frozenset({"uuid", "inet", "cidr", "macaddr", "citext"})


def own_rows(columns: Mapping[str, str], partition: Mapping[str, str]) -> Composable:
    """The condition that a row is the partition's."""
    values = zip(partition, own_values(columns, partition), strict=True)
    return all_of(composed("{} = {}", name("held", column), value) for column, value in values)


def own_values(columns: Mapping[str, str], partition: Mapping[str, str]) -> list[Composable]:
    """The partition's values, bound, as its columns' own types."""
    from psycopg.sql import Placeholder

    return [
        composed("CAST({} AS {})", Placeholder(f"own_{place}"), type_name(columns[column]))
        for place, column in enumerate(partition)
    ]


def bound(columns: Mapping[str, str], partition: Mapping[str, str]) -> dict[str, str]:
    """What `own_values` binds: names, and of an hour or a month its first moment where the column holds moments."""
    return {f"own_{n}": _bound(columns[column], value) for n, (column, value) in enumerate(partition.items())}


def check_partition(
    connection: Connection, columns: Mapping[str, str], partition: Mapping[str, str], place: str
) -> None:
    """Refuse a column that would hold two partitions as one: a name cut short, an hour that became a day."""
    for column, value in partition.items():
        kind = columns.get(column, "text")
        if kind == "text" or kind in _WRITTEN_OTHERWISE:
            continue
        own = own_values({column: kind}, {column: value})[0]
        row = first_row(connection, "SELECT CAST({own} AS text)", bound({column: kind}, {column: value}), own=own)
        if row and row[0] not in _spellings(value):
            message = f"{place}: its column {column} is {kind}, and would hold the partition {value} as {row[0]}"
            raise RowsRefusedError(message, "change the column to text, or to a type that holds all of it")


def first_moment(value: str) -> datetime | None:
    """When a day, an hour, a week or a month begins, by the clock of its own zone; None for all other names."""
    for text in (value, f"{value}-01"):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return None


def _bound(kind: str, value: str) -> str:
    # With a zone it would be another moment than the one that is meant, unless the partitions' zone is UTC.
    if kind in {"date", "timestamp without time zone"} and (moment := first_moment(value)):
        return moment.isoformat()
    return value


def _spellings(value: str) -> set[str]:
    """How a column may write it, as the session's settings have it."""
    moment = first_moment(value)
    if moment is None:
        return {value}
    day = {moment.date().isoformat()} if "T" not in value else set[str]()
    return {value, moment.isoformat(" "), f"{moment.isoformat(' ')}+00", *day}
