"""The table that a delivery goes to: found, made, widened, and whether it can hold what arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.postgres import Postgres
from recoup.sinks.postgres_record import Record
from recoup.sinks.postgres_rows import Arrived, stage_table
from recoup.sinks.postgres_server import lock, psycopg_package
from recoup.sinks.postgres_sql import as_written, composed, first_row, listed, name, names, run, type_name

if TYPE_CHECKING:
    from psycopg.sql import Composable, Identifier

    from recoup.sinks.postgres_sql import Connection

MADE = "Made by recoup"
_FOUND = """SELECT attname, format_type(atttypid, atttypmod),
        atthasdef OR attidentity <> '' OR attgenerated <> '', coalesce(obj_description(attrelid, 'pg_class'), '')
    FROM pg_attribute WHERE attrelid = to_regclass(%(place)s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_KEYS = """SELECT 1 FROM pg_index WHERE indrelid = to_regclass(%(place)s) AND indisunique AND indisvalid
    AND indpred IS NULL AND indexprs IS NULL AND (SELECT array_agg(attname::text ORDER BY attname::text)
        FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts - 1])) = %(key)s LIMIT 1"""
_AS_TEXT = frozenset({"json", "jsonb", "uuid", "inet", "cidr", "macaddr", "citext"})
"""Types that read a text and write another one that means the same."""


@dataclass(frozen=True, slots=True)
class Table:
    """The table as it is in this transaction: types by name, none when there is no table.

    `defaults` names the columns that fill themselves; `is_ours`: recoup made the table, and may widen it.
    """

    spec: Postgres
    columns: Mapping[str, str]
    defaults: frozenset[str] = frozenset()
    is_ours: bool = True
    has_key: bool = False

    @classmethod
    def found(cls, connection: Connection, spec: Postgres) -> Table:
        place = Record(spec).place
        rows = run(connection, _FOUND, {"place": place}).fetchall()
        if not rows:
            return cls(spec, {})
        key = {"place": place, "key": sorted(spec.key)}
        return cls(
            spec,
            {column: kind for column, kind, *_ in rows},
            frozenset(column for column, _, has_default, _ in rows if has_default),
            is_ours=rows[0][3].startswith(MADE),
            has_key=spec.mode == "upsert" and first_row(connection, _KEYS, key) is not None,
        )

    def widened(self, connection: Connection, arrived: Arrived, dataset: str) -> Table:
        """Make the table, or add the columns that it lacks; RowsRefusedError where they are not ours to add."""
        if arrived.wanted.keys() <= self.columns.keys():
            return self
        lock(connection, *self.spec.schema_and_name)
        now = Table.found(connection, self.spec)  # somebody else may have done it meanwhile
        lacking = {column: kind for column, kind in arrived.wanted.items() if column not in now.columns}
        if not now.columns:
            self._create(connection, arrived, dataset)
        elif lacking:
            now.add(connection, lacking)
        return Table.found(connection, self.spec) if lacking else now

    @property
    def sql(self) -> Identifier:
        return name(*self.spec.schema_and_name)

    def _create(self, connection: Connection, arrived: Arrived, dataset: str) -> None:
        from psycopg.sql import Literal

        own = list(arrived.partition_kinds)
        lines = [composed("{} {}", name(column), type_name(kind)) for column, kind in arrived.wanted.items()]
        if self.spec.mode == "upsert":
            lines.append(composed("PRIMARY KEY ({})", names(dict.fromkeys([*own, *self.spec.key]))))
        run(connection, "CREATE TABLE {table} ({lines})", table=self.sql, lines=listed(lines))
        if self.spec.mode == "replace":  # without an index, each delivery would read the whole table
            run(connection, "CREATE INDEX ON {table} ({own})", table=self.sql, own=names(own))
        told = f"{MADE} from {dataset}: a projection of what is published, changed by deliveries only."
        run(connection, "COMMENT ON TABLE {table} IS {told}", table=self.sql, told=Literal(told))

    def add(self, connection: Connection, lacking: Mapping[str, str]) -> None:
        """Add columns; RowsRefusedError where that is not for us to do."""
        run(connection, "{alter}", alter=self.addition(connection, lacking))

    def addition(self, connection: Connection, lacking: Mapping[str, str]) -> Composable:
        """The statement that adds columns; refused where somebody took them away, or the table is not ours."""
        new, others = ", ".join(lacking), ", ".join(self.columns)
        record = Record(self.spec)
        gone = record.once_there(connection, list(lacking)) if record.is_there(connection) else []
        if gone:
            lost = f"{', '.join(gone)}, which earlier deliveries filled"
            message = f"{self.spec.name} has lost the column {lost}; it has {others}"
            raise RowsRefusedError(message, f"give it back to {self.spec.table}, under that name")
        lines = [composed("ADD COLUMN {} {}", name(column), type_name(kind)) for column, kind in lacking.items()]
        alter = composed("ALTER TABLE {} {}", self.sql, listed(lines))
        if not self.is_ours:
            message = f"{self.spec.name} has no column {new}, which the rows have; it has {others}"
            remedy = f"recoup did not make that table, and leaves it as it is; {as_written(alter)}"
            raise RowsRefusedError(message, remedy)
        return alter

    def check_types(self, connection: Connection, arrived: Arrived) -> None:
        """Refuse a value that the table's column cannot hold, or would hold changed, as an integer does 1.5."""
        psycopg = psycopg_package()
        for column, kind in arrived.kinds.items():
            target = self.columns[column]
            if kind.sql == target or (kind.sql == "numeric" and target.startswith("numeric")):
                continue
            where = f"{self.spec.name}: column {column} is {target} in the table and {kind.sql} in the rows, and "
            remedy = "cast it in the step, or change the table's column"
            try:
                lost = self._changed(connection, arrived, column)
            except (psycopg.DataError, psycopg.ProgrammingError) as error:
                raise RowsRefusedError(f"{where}{error.diag.message_primary}", remedy) from None
            if lost is not None:
                raise RowsRefusedError(f"{where}{lost} does not fit", remedy)

    def _changed(self, connection: Connection, arrived: Arrived, column: str) -> str | None:
        """A value that would not come back as it was."""
        target, value = self.columns[column], arrived.value(column)
        there = composed("CAST({} AS {})", value, type_name(target))
        if target in _AS_TEXT:
            odd = composed("{} IS NULL AND {} IS NOT NULL", there, value)
        else:
            back = composed("CAST({} AS {})", there, type_name(arrived.kinds[column].sql))
            odd = composed("{} IS DISTINCT FROM {}", back, value)
        query: LiteralString = "SELECT CAST({value} AS text) FROM {stage} AS arrived WHERE {odd} LIMIT 1"
        row = first_row(connection, query, value=value, stage=stage_table(), odd=odd)
        return None if row is None else str(row[0])
