"""The rows of a delivery: what is asked of them before a table takes them, and the staging table they arrive in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.postgres import NAME_BYTES, Postgres
from recoup.sinks.postgres_copy import copy_chunks
from recoup.sinks.postgres_partition import first_moment
from recoup.sinks.postgres_sql import as_written, composed, listed, name, names, run, type_name
from recoup.sinks.postgres_types import Kind, kind_of

if TYPE_CHECKING:
    import polars as pl
    from psycopg.sql import Composable

    from recoup.sinks.postgres_sql import Connection


@dataclass(frozen=True, slots=True)
class Arrived:
    """The delivered rows; `kinds` leaves the partition's own columns out, which are written from its name."""

    frame: pl.DataFrame
    kinds: Mapping[str, Kind]
    partition_kinds: Mapping[str, str]

    @classmethod
    def checked(
        cls, frame: pl.DataFrame, partition: Mapping[str, str], spec: Postgres, member_key: str | None = None
    ) -> Arrived:
        """Take a frame, or refuse it: names, the partition's values, keys, and types that PostgreSQL has not."""
        _check_names(frame, spec)
        for column, value in partition.items():
            if column in frame.columns:
                _check_partition(frame[column], value, spec)
        _check_keys(frame, partition, spec)
        own = {column: _partition_kind(frame, column, value, spec) for column, value in partition.items()}
        if member_key and member_key not in frame.columns:
            own[member_key] = "text"
        rest = [series for series in frame if series.name not in partition]
        return cls(frame, {series.name: kind_of(series, f"{spec.name}: column {series.name}") for series in rest}, own)

    @property
    def rows(self) -> int:
        return len(self.frame)

    @property
    def wanted(self) -> dict[str, str]:
        """The columns that the table needs, with the types they have where it is made; the partition's first."""
        return {**self.partition_kinds, **{column: kind.sql for column, kind in self.kinds.items()}}

    def stage(self, connection: Connection) -> None:
        """Copy the rows into a temporary table that ends with the transaction."""
        stage = stage_table()
        columns = [composed("{} {}", name(column), type_name(kind.sent_as)) for column, kind in self.kinds.items()]
        run(connection, "CREATE TEMP TABLE {stage} ({columns}) ON COMMIT DROP", stage=stage, columns=listed(columns))
        into = composed("({})", names(self.kinds)) if self.kinds else composed("")
        statement = composed("COPY {} {} FROM STDIN (FORMAT binary)", stage, into)
        with connection.cursor().copy(as_written(statement).encode()) as copy:
            for chunk in copy_chunks(self.frame, self.kinds):
                copy.write(chunk)

    def value(self, column: str, target: str = "") -> Composable:
        """A staged column as its own type, and from there as the table's."""
        kind = self.kinds[column]
        value: Composable = name("arrived", column)
        for cast, known in ((kind.sql, kind.sent_as), (target or kind.sql, kind.sql)):
            if cast != known:
                value = composed("CAST({} AS {})", value, type_name(cast))
        return value


def stage_table() -> Composable:
    """Where the rows of a delivery wait."""
    return name("pg_temp", "_recoup_stage")


def _check_names(frame: pl.DataFrame, spec: Postgres) -> None:
    for column in frame.columns:
        if not column or "\0" in column or len(column.encode()) > NAME_BYTES:
            message = f"{spec.name}: {column[:80]!r} cannot be a column's name in PostgreSQL"
            raise RowsRefusedError(message, f"rename it in the step: 1 to {NAME_BYTES} bytes, without NUL")


def _check_partition(series: pl.Series, value: str, spec: Postgres) -> None:
    """Refuse rows that say they are another partition's."""
    odd = series.filter(~_equals(series, value).fill_null(value=False))
    if len(odd):
        message = f"{spec.name}: partition {value} has a row whose {series.name} ({series.dtype}) is {odd[0]}"
        raise RowsRefusedError(message, "let the step keep its own partition's rows, or rename the column")


def _equals(series: pl.Series, value: str) -> pl.Series:
    import polars as pl

    if isinstance(series.dtype, pl.Datetime):
        moment = first_moment(value)
        if series.dtype.time_zone:  # as the column would hold it
            series = series.dt.convert_time_zone("UTC")
        return series.dt.replace_time_zone(None) == moment if moment else pl.repeat(False, len(series), eager=True)
    if series.dtype == pl.Date and (moment := first_moment(value)):
        return series.cast(pl.Datetime) == moment
    return series.cast(pl.String) == value


def _partition_kind(frame: pl.DataFrame, column: str, value: str, spec: Postgres) -> str:
    """The type of the partition's column when it is ours to choose."""
    if column in frame.columns:
        return kind_of(frame[column], f"{spec.name}: column {column}").sql
    try:
        return "date" if date.fromisoformat(value).isoformat() == value else "text"  # not 20130101, nor a week
    except ValueError:
        return "text"


def _check_keys(frame: pl.DataFrame, partition: Mapping[str, str], spec: Postgres) -> None:
    """Refuse rows that share a key or lack one."""
    if not spec.key:
        return
    own = [column for column in spec.key if column not in partition]
    if missing := [column for column in own if column not in frame.columns]:
        message = f"{spec.name}: its key names {', '.join(missing)}, and the rows have no such values"
        raise RowsRefusedError(message, "let the step return that column, or correct the sink's key")
    for rows, count in _odd_keys(frame, own):
        key = ", ".join(f"{column}={value}" for column, value in {**partition, **rows}.items())
        message = f"{spec.name}: {count} rows have the key {key}" if count else f"{spec.name}: a row has the key {key}"
        raise RowsRefusedError(message, "let the step return one row per key, and none without")


def _odd_keys(frame: pl.DataFrame, columns: list[str]) -> list[tuple[dict[str, Any], int]]:
    """The first key that is not whole, else the first that comes twice with how often."""
    import polars as pl

    if not columns:
        return [({}, len(frame))] if len(frame) > 1 else []
    keys = frame.select(columns)
    if holes := keys.filter(pl.any_horizontal(pl.all().is_null())).head(1).to_dicts():
        return [(holes[0], 0)]
    if keys.n_unique() == len(keys):
        return []
    twice = keys.group_by(columns, maintain_order=True).len("_recoup_count").filter(pl.col("_recoup_count") > 1)
    first = twice.head(1).to_dicts()[0]
    return [(first, first.pop("_recoup_count"))]
