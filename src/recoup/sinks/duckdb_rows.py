"""The rows of a delivery, where they come from and what is asked of them before a table takes them."""
# ruff: noqa: S608 - names cannot be bound, so `quoted` quotes them; every value is bound

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.duckdb import DuckDB
from recoup.ports import Delivery
from recoup.sinks.delivered import delivered_frame
from recoup.sinks.duckdb_file import Row, first_row, kinds_of, listed, quoted

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection as Connection

_PARQUET = "read_parquet($files, union_by_name = true, hive_partitioning = false)"
_STREAM = "_recoup_arrived"


@dataclass(frozen=True, slots=True)
class Part:
    """The partition as columns and the values that its rows have there: one, or a grid's two."""

    sides: Mapping[str, str]
    member_key: str | None = None

    @property
    def bound(self) -> dict[str, str]:
        """The values, as `side` names them."""
        return {f"part{place}": value for place, value in enumerate(self.sides.values())}

    def typed(self, columns: Mapping[str, str]) -> list[str]:
        """Each value as its column's type."""
        return [f"CAST($part{place} AS {columns[name.lower()]})" for place, name in enumerate(self.sides)]

    def rows(self, columns: Mapping[str, str]) -> str:
        """The condition that only its rows meet."""
        sides = zip(self.sides, self.typed(columns), strict=True)
        return " AND ".join(f"{quoted(name)} = {value}" for name, value in sides)

    def among(self, columns: Mapping[str, str]) -> bool:
        """Whether there are columns for all of it."""
        return all(name.lower() in columns for name in self.sides)

    def check_held(self, connection: Connection, columns: Mapping[str, str], place: str) -> None:
        """Refuse a column that would hold two partitions as one: as a number, `07` is `7`."""
        for name, value in self.sides.items():
            kind = columns.get(name.lower(), "VARCHAR")
            if kind.startswith(("VARCHAR", "DATE", "TIMESTAMP", "ENUM")):
                continue
            row = first_row(connection, f"SELECT CAST(TRY_CAST($part AS {kind}) AS VARCHAR)", {"part": value})
            if row and row[0] != value:
                message = f"{place}: its column {name} is {kind}, and would hold the partition {value} as {row[0]}"
                raise RowsRefusedError(message, "change the column to VARCHAR, which holds all of it")

    def others(self, names: Iterable[str]) -> list[str]:
        """The names that are not its own."""
        own = {name.lower() for name in self.sides}
        return [name for name in names if name.lower() not in own]

    def kinds(self) -> dict[str, str]:
        """The types of its columns where they are ours to choose."""
        return {n: "VARCHAR" if n == self.member_key else _kind(value) for n, value in self.sides.items()}


def _kind(value: str) -> str:
    with suppress(ValueError):
        if date.fromisoformat(value).isoformat() == value:  # not 20130101, nor a week
            return "DATE"
    return "VARCHAR"


@dataclass(frozen=True, slots=True)
class Arrived:
    """The delivered rows: what stands after FROM, what it binds, and the columns with their types."""

    sql: str
    bound: Mapping[str, Any]
    columns: Mapping[str, str]

    def beside(self, part: Part) -> dict[str, str]:
        """The columns without the partition's, which is always written from its name."""
        return {name: self.columns[name] for name in part.others(self.columns)}

    def check_partition(self, connection: Connection, part: Part, spec: DuckDB) -> None:
        """Refuse rows that say they are another partition's."""
        sides = {name.lower(): value for name, value in part.sides.items()}
        for name, kind in self.columns.items():
            if value := sides.get(name.lower()):
                odd = f"{quoted(name)} IS DISTINCT FROM TRY_CAST($part AS {kind}) OR {quoted(name)} IS NULL"
                if stray := self._example(connection, name, odd, {"part": value}):
                    message = f"{spec.name}: partition {value} has a row whose {name} ({kind}) is {stray[0]}"
                    raise RowsRefusedError(message, "let the step keep its own partition's rows, or rename the column")

    def check_keys(self, connection: Connection, part: Part, spec: DuckDB) -> None:
        """Refuse rows that share a key or lack one."""
        names = part.others(spec.key)
        if missing := {name.lower() for name in names} - {name.lower() for name in self.columns}:
            message = f"{spec.name}: its key names {', '.join(sorted(missing))}, and the rows have no such values"
            raise RowsRefusedError(message, "let the step return that column, or correct the sink's key")
        if not spec.key:
            return
        group = f"GROUP BY {listed(names)}" if names else ""
        null = "".join(f" OR {quoted(name)} IS NULL" for name in names)
        shown = "".join(f"CAST({quoted(name)} AS VARCHAR), " for name in names)
        query = f"SELECT {shown}count(*) FROM {self.sql} {group} HAVING count(*) > 1{null} LIMIT 1"
        if twice := first_row(connection, query, self.bound):
            values = [*part.sides.values(), *twice[:-1]]
            key = ", ".join(f"{n}={v}" for n, v in zip([*part.sides, *names], values, strict=True))
            message = f"{spec.name}: {twice[-1]} rows have the key {key}"
            raise RowsRefusedError(message, "let the step return one row per key, and none without")

    def check_types(self, connection: Connection, part: Part, spec: DuckDB, columns: Mapping[str, str]) -> None:
        """Refuse a value that the table's column cannot hold, or would hold changed, as an INTEGER does 1.5."""
        for name, kind in self.beside(part).items():
            target, column = columns[name.lower()], quoted(name)
            changed = f"TRY_CAST(TRY_CAST({column} AS {target}) AS {kind}) IS DISTINCT FROM {column}"
            if kind != target and (lost := self._example(connection, name, changed, {})):
                where = f"{spec.name}: column {name} is {target} in the table and {kind} in the rows"
                message = f"{where}, and {lost[0]} does not fit"
                raise RowsRefusedError(message, "cast it in the step, or widen the table's column")

    def _example(self, connection: Connection, name: str, condition: str, bound: Mapping[str, str]) -> Row | None:
        query = f"SELECT CAST({quoted(name)} AS VARCHAR) FROM {self.sql} WHERE {condition} LIMIT 1"
        return first_row(connection, query, {**self.bound, **bound})


class _Stream:
    """A frame as plain Arrow: handed the frame itself, DuckDB would ask for pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


@contextmanager
def arrived_rows(connection: Connection, delivery: Delivery) -> Iterator[Arrived]:
    """The rows of the files, read by DuckDB itself where they are local and their names are no patterns to it."""
    if not any("://" in file or re.search(r"[*?\[]", file) for file in delivery.files):
        yield _described(connection, _PARQUET, {"files": list(delivery.files)})
        return
    connection.register(_STREAM, _Stream(delivered_frame(delivery)))
    yield _described(connection, _STREAM, {})
    connection.unregister(_STREAM)


def _described(connection: Connection, sql: str, bound: Mapping[str, Any]) -> Arrived:
    # A column without a type holds only NULL; the table gets it when it has one.
    return Arrived(sql, bound, {name: kind for name, kind in kinds_of(connection, sql, bound) if kind != '"NULL"'})
