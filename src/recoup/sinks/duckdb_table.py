"""The table that a delivery goes to: made, widened, and changed for one partition."""
# ruff: noqa: S608 - names cannot be bound, so `quoted` quotes them; every value is bound

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from recoup.model.sinks.duckdb import DuckDB
from recoup.sinks.duckdb_file import columns_of, count_of, listed, quoted
from recoup.sinks.duckdb_rows import Arrived, Part

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_VOID_RECORDS = """UPDATE main._recoup_deliveries SET run_id = NULL, digest = '', rows = 0
    WHERE table_name = $table AND run_id IS NOT NULL"""
_KEYS = """SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE')
    AND database_name = current_database() AND lower(schema_name) = ? AND lower(table_name) = ?"""


@dataclass(frozen=True, slots=True)
class Table:
    """The table as it is: types by lower-case column name, none at all when there is no table.

    `is_made_here`: this connection made it, and has locked the file since; what is not on record is not in it.
    """

    spec: DuckDB
    columns: Mapping[str, str] = field(default_factory=dict)
    has_key: bool = False
    is_made_here: bool = False

    @classmethod
    def found(cls, connection: Connection, spec: DuckDB) -> Table:
        columns = columns_of(connection, cls(spec).sql)
        if spec.mode == "replace" or not columns:
            return cls(spec, columns)
        keys = connection.execute(_KEYS, [name.lower() for name in spec.schema_and_name]).fetchall()
        own = {name.lower() for name in spec.key}
        return cls(spec, columns, has_key=any({name.lower() for name in key} == own for (key,) in keys))

    @property
    def recorded_name(self) -> str:
        return ".".join(self.spec.schema_and_name).lower().removeprefix("main.")

    @property
    def sql(self) -> str:
        return ".".join(quoted(name) for name in self.spec.schema_and_name)

    def widened(self, connection: Connection, arrived: Arrived, part: Part) -> Table:
        """Make the table, or add the columns that it lacks."""
        wanted = dict(arrived.columns)
        there = {name.lower() for name in wanted}
        wanted |= {name: kind for name, kind in part.kinds().items() if name.lower() not in there}
        lacking = {name: kind for name, kind in wanted.items() if name.lower() not in self.columns}
        columns = {**self.columns, **{name.lower(): kind for name, kind in lacking.items()}}
        if not self.columns:
            self._create(connection, wanted)
            return Table(self.spec, columns, has_key=self.spec.mode == "upsert", is_made_here=True)
        for name, kind in lacking.items():
            connection.execute(f"ALTER TABLE {self.sql} ADD COLUMN {quoted(name)} {kind}")
        return replace(self, columns=columns) if lacking else self

    def _create(self, connection: Connection, columns: Mapping[str, str]) -> None:
        """An earlier table of this name may have been dropped: what the record said of it is void."""
        lines = [f"{quoted(name)} {kind}" for name, kind in columns.items()]
        if self.spec.mode == "upsert":
            lines.append(f"PRIMARY KEY ({listed(self.spec.key)})")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.spec.schema_and_name[0])}")
        connection.execute(f"CREATE TABLE {self.sql} ({', '.join(lines)})")
        connection.execute(_VOID_RECORDS, {"table": self.recorded_name})

    def delete(
        self, connection: Connection, part: Part, unless: str = "", bound: Mapping[str, Any] | None = None
    ) -> None:
        """Delete the partition's rows."""
        if part.among(self.columns):
            query = f"DELETE FROM {self.sql} AS held WHERE {part.rows(self.columns)}{unless}"
            connection.execute(query, {**part.bound, **(bound or {})})

    def insert(self, connection: Connection, arrived: Arrived, part: Part, conflict: str = "") -> int:
        """Insert all rows that arrived; the columns that they lack are NULL."""
        names = list(arrived.beside(part))
        query = (
            f"INSERT INTO {self.sql} AS held ({listed([*names, *part.sides])})"
            f" SELECT {', '.join([*map(quoted, names), *part.typed(self.columns)])} FROM {arrived.sql}{conflict}"
        )
        return count_of(connection, query, {**arrived.bound, **part.bound})

    def upsert(self, connection: Connection, arrived: Arrived, part: Part) -> int:
        """Delete the partition's keys that did not arrive, update rows that changed, insert new ones."""
        own = part.others(self.spec.key)
        same = "".join(
            f" AND CAST(arrived.{quoted(name)} AS {self.columns[name.lower()]}) = held.{quoted(name)}" for name in own
        )
        gone = f" AND NOT EXISTS (SELECT 1 FROM {arrived.sql} AS arrived WHERE true{same})"
        self.delete(connection, part, gone, arrived.bound)
        keys = {name.lower() for name in self.spec.key}
        rest = [name for name in self.columns if name not in keys]
        update = f"UPDATE SET {', '.join(f'{quoted(name)} = excluded.{quoted(name)}' for name in rest)}"
        changed = f"({listed(rest, of='held.')}) IS DISTINCT FROM ({listed(rest, of='excluded.')})"
        action = f"{update} WHERE {changed}" if rest else "NOTHING"
        self.insert(connection, arrived, part, f" ON CONFLICT ({listed(self.spec.key)}) DO {action}")
        return count_of(connection, f"SELECT count(*) FROM {arrived.sql}", arrived.bound)
