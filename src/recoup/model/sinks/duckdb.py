"""A table in a DuckDB file, as a pipeline declares it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from recoup.model.errors import PipelineError
from recoup.model.sinks.declared import Mode, checked_key, checked_mode, refuse_key_without

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}(\.[A-Za-z_][A-Za-z0-9_-]{0,99})?")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]|^-")


class PathLike(Protocol):
    """What `os.PathLike` is, which this room may not import: a `pathlib.Path`, for one."""

    def __fspath__(self) -> str: ...


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
        columns = checked_key(table, key, case_counts=False)
        object.__setattr__(
            self, "database", _database(database if isinstance(database, str) else database.__fspath__())
        )
        object.__setattr__(self, "table", _table(table))
        object.__setattr__(self, "key", columns)
        object.__setattr__(self, "mode", checked_mode(table, mode, columns))

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
    def pool(self) -> None:
        """None: its lane is narrow enough."""

    @property
    def schema_and_name(self) -> tuple[str, str]:
        """The table's two parts; `main` is DuckDB's own schema."""
        schema, _, name = self.table.rpartition(".")
        return schema or "main", name

    def check(self, key_names: str) -> None:
        """Refuse a key without the partition's."""
        refuse_key_without(key_names, self.key, self.name, case_counts=False)

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
