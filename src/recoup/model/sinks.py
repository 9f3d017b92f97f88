"""Where a dataset can be delivered to, as declared: plain data that travels to a worker."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from recoup.model.errors import PipelineError, RecoupError
from recoup.model.failure import FailureKind

Mode = Literal["replace", "upsert"]

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}(\.[A-Za-z_][A-Za-z0-9_-]{0,99})?")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]|^-")


class PathLike(Protocol):
    """What `os.PathLike` is, which this room may not import: a `pathlib.Path`, for one."""

    def __fspath__(self) -> str: ...


class RowsRefusedError(RecoupError):
    """Rows that a table cannot take as they are; another try would fail the same way, and the table is as it was."""

    kind = FailureKind.CONTRACT


@dataclass(frozen=True, slots=True, init=False)
class DuckDB:
    """A table in a DuckDB file.

    `replace` deletes a partition's rows and inserts the run's. `upsert` ends with the same rows, but keeps a primary
    key on `key` and leaves rows that did not change untouched. With a `key`, rows that share one are refused.

    >>> DuckDB("delays.duckdb", table="carrier_delays", key=["dt", "carrier"]).name
    'delays.carrier_delays'
    """

    database: str
    table: str
    key: tuple[str, ...]
    mode: Mode

    def __init__(
        self, database: str | PathLike, *, table: str, key: Sequence[str] = (), mode: Mode = "replace"
    ) -> None:
        columns = (key,) if isinstance(key, str) else tuple(key)
        object.__setattr__(
            self, "database", _database(database if isinstance(database, str) else database.__fspath__())
        )
        object.__setattr__(self, "table", _table(table))
        object.__setattr__(self, "key", _key(table, columns))
        object.__setattr__(self, "mode", _mode(table, mode, columns))

    @property
    def kind(self) -> str:
        """The plug-in's name."""
        return "duckdb"

    @property
    def name(self) -> str:
        """What people call it: `delays.carrier_delays` for that table in `delays.duckdb`."""
        file = re.split(r"[/\\]", self.database)[-1]
        return _NOT_IN_A_NAME.sub("_", f"{posixpath.splitext(file)[0]}.{self.table}")

    @property
    def lane(self) -> str:
        """One for all tables of a file: DuckDB lets one process write."""
        return f"duckdb:{self.database}"

    @property
    def schema_and_name(self) -> tuple[str, str]:
        """The table's two parts; `main` is DuckDB's own schema."""
        schema, _, name = self.table.rpartition(".")
        return schema or "main", name

    def check(self, key_names: str) -> None:
        """Refuse a key without the partition's: two partitions could then claim the same row."""
        own = {column.lower() for column in self.key}
        lacking = [name for name in key_names.split("/") if name.lower() not in own]
        if self.key and lacking:
            partition = ", ".join(map(repr, lacking))
            message = f"sink {self.name}: its key ({', '.join(self.key)}) does not contain the partition's, {partition}"
            raise PipelineError(message, f"write key={[*lacking, *self.key]!r}")

    def to_json(self) -> dict[str, Any]:
        """What a worker needs to open it."""
        return {
            "kind": self.kind,
            "database": self.database,
            "table": self.table,
            "key": list(self.key),
            "mode": self.mode,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DuckDB:
        """The inverse of `to_json`."""
        return cls(data["database"], table=data["table"], key=data["key"], mode=data["mode"])


def _database(path: str) -> str:
    """One spelling per file, since the lane is made of it."""
    if not path or path.startswith((":memory:", "md:")) or "://" in path or "\0" in path:
        message = f"sink: {path!r} is no DuckDB file"
        raise PipelineError(message, "give the path of a local file, such as delays.duckdb")
    return posixpath.normpath(path)


def _table(table: str) -> str:
    if not _TABLE.fullmatch(table) or "_recoup_" in table.lower():
        message = f"sink: the table name {table[:80]!r} cannot be used"
        raise PipelineError(message, "write table or schema.table, in letters, digits, _ and -, without _recoup_")
    return table


def _key(table: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    distinct = {column.lower() for column in columns}
    if len(distinct) < len(columns) or not all(column and "\0" not in column for column in columns):
        message = f"sink: the key of {table} is {columns!r}"
        raise PipelineError(message, "name each column of the key once")
    return columns


def _mode(table: str, mode: Mode, key: tuple[str, ...]) -> Mode:
    if mode not in get_args(Mode):
        message = f"sink: {table} has the mode {mode!r}"
        raise PipelineError(message, f"write one of {', '.join(get_args(Mode))}")
    if mode == "upsert" and not key:
        message = f"sink: upserting into {table} needs a key"
        raise PipelineError(message, "name the columns that tell its rows apart, the partition's first: key=[…]")
    return mode
