"""What a delivery changes in a table: one partition's rows, and of those, when upserting, only what is different."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, LiteralString

from recoup.sinks.postgres_partition import bound, own_rows, own_values
from recoup.sinks.postgres_rows import Arrived, stage_table
from recoup.sinks.postgres_sql import all_of, composed, first_row, listed, name, names, run
from recoup.sinks.postgres_table import Table

if TYPE_CHECKING:
    from psycopg.sql import Composable

    from recoup.sinks.postgres_sql import Connection, Row


@dataclass(frozen=True)
class Changes:
    """Statements on one partition of a table; rows that arrived are in the staging table."""

    connection: Connection
    table: Table
    partition: Mapping[str, str]
    arrived: Arrived

    def make(self) -> None:
        """Let the partition hold what arrived."""
        if not self._holds_rows():
            self._insert()
        elif self.table.has_key:
            self._upsert()
        else:
            delete(self.connection, self.table, self.partition)
            self._insert()

    def _holds_rows(self) -> bool:
        return self._row("SELECT EXISTS (SELECT FROM {table} AS held WHERE {own})") == (True,)

    def _insert(self) -> None:
        self._run("INSERT INTO {table} ({columns}) SELECT {values} FROM {stage} AS arrived")

    def _upsert(self) -> None:
        """Delete keys that did not arrive, update rows that changed, insert new ones: each only where there are any.

        Another partition's delivery cannot touch these keys, which contain the partition's, and another one of this
        partition waits for our lock; so nothing needs the slower ON CONFLICT.
        """
        held, both, same = self._row(
            "SELECT count(*), count({arrives}), count({arrives}) FILTER (WHERE NOT ({differs})) FROM {table} AS held"
            " LEFT JOIN (SELECT *, true AS {arrives} FROM {stage}) AS arrived ON {same_key} WHERE {own}"
        ) or (0, 0, 0)
        if held > both:
            self._run(
                "DELETE FROM {table} AS held WHERE {own}"
                " AND NOT EXISTS (SELECT FROM {stage} AS arrived WHERE {same_key})"
            )
        if both > same:
            self._run(
                "UPDATE {table} AS held SET {sets} FROM {stage} AS arrived WHERE {own} AND {same_key} AND ({differs})"
            )
        if self.arrived.rows > both:
            self._run(
                "INSERT INTO {table} ({columns}) SELECT {values} FROM {stage} AS arrived"
                " WHERE NOT EXISTS (SELECT FROM {table} AS held WHERE {own} AND {same_key})"
            )

    def _run(self, template: LiteralString) -> None:
        run(self.connection, template, bound(self.table.columns, self.partition), **self._pieces)

    def _row(self, template: LiteralString) -> Row | None:
        return first_row(self.connection, template, bound(self.table.columns, self.partition), **self._pieces)

    @cached_property
    def _pieces(self) -> Mapping[str, Composable]:
        columns = self.table.columns
        values = {column: self.arrived.value(column, columns[column]) for column in self.arrived.kinds}
        others = {column: value for column, value in values.items() if column not in self.table.spec.key}
        # A column that the rows lack is NULL, unless it fills itself.
        lacking = columns.keys() - values.keys() - self.partition.keys() - self.table.defaults
        sets = [composed("{} = {}", name(column), value) for column, value in others.items()]
        sets += [composed("{} = NULL", name(column)) for column in sorted(lacking)]
        differs = [_differs(column, columns[column], value) for column, value in others.items()]
        differs += [composed("{} IS NOT NULL", name("held", column)) for column in sorted(lacking)]
        keys = [key for key in self.table.spec.key if key in values]
        return {
            "table": self.table.sql,
            "arrives": name("_recoup_arrives"),
            "stage": stage_table(),
            "own": own_rows(self.table.columns, self.partition),
            "columns": names([*values, *self.partition]),
            "values": listed([*values.values(), *own_values(self.table.columns, self.partition)]),
            "same_key": all_of(composed("{} = {}", name("held", key), values[key]) for key in keys),
            "differs": listed(differs, " OR ") if differs else composed("false"),
            "sets": listed(sets),
        }


def delete(connection: Connection, table: Table, partition: Mapping[str, str]) -> None:
    """Delete a partition's rows."""
    if partition.keys() <= table.columns.keys():
        own = own_rows(table.columns, partition)
        values = bound(table.columns, partition)
        run(connection, "DELETE FROM {table} AS held WHERE {own}", values, table=table.sql, own=own)


def _differs(column: str, kind: str, value: Composable) -> Composable:
    held: Composable = name("held", column)
    if kind == "json":  # knows no equality
        held, value = composed("CAST({} AS text)", held), composed("CAST({} AS text)", value)
    return composed("{} IS DISTINCT FROM {}", held, value)
