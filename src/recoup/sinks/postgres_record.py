"""The table's own record of the run that it holds for each partition, in the table's schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery, Held
from recoup.sinks.postgres_server import lock
from recoup.sinks.postgres_sql import first_row, name, run

if TYPE_CHECKING:
    from psycopg.sql import Identifier

    from recoup.sinks.postgres_sql import Connection

TABLE = "_recoup_held"
COLUMNS = (
    "dataset",
    "table_name",
    "partition",
    "run_id",
    "token",
    "digest",
    "rows",
    "delivered_at",
    "table_oid",
    "columns",
)
_CREATE = """CREATE TABLE {record} (
    dataset text, table_name text, partition text, run_id text, token bigint NOT NULL, digest text NOT NULL,
    rows bigint NOT NULL, delivered_at timestamptz NOT NULL, table_oid oid, columns text[] NOT NULL,
    PRIMARY KEY (dataset, table_name, partition))"""
# By the catalog, which may be read without a grant on the schema.
_IS_THERE = """SELECT EXISTS (SELECT FROM pg_class WHERE relname = %(table)s
    AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s))"""
_READ = """SELECT run_id, token, digest, rows, table_oid IS NOT DISTINCT FROM to_regclass(%(place)s)::oid FROM {record}
    WHERE dataset = %(dataset)s AND table_name = %(table)s AND partition = %(partition)s"""
_WRITE = """INSERT INTO {record} AS held VALUES (%(dataset)s, %(table)s, %(partition)s, %(run_id)s, %(token)s,
    %(digest)s, %(rows)s, clock_timestamp(), to_regclass(%(place)s)::oid, coalesce(%(columns)s::text[], '{{}}'))
    ON CONFLICT (dataset, table_name, partition) DO UPDATE SET run_id = excluded.run_id, token = excluded.token,
    digest = excluded.digest, rows = excluded.rows, delivered_at = excluded.delivered_at,
    table_oid = excluded.table_oid, columns = coalesce(%(columns)s::text[], held.columns)"""
_ONCE_THERE = """SELECT DISTINCT name FROM {record}, unnest(columns) AS name
    WHERE table_name = %(table)s AND table_oid = to_regclass(%(place)s)::oid AND name = ANY (%(names)s)"""


@dataclass(frozen=True, slots=True)
class Record:
    """Rows of `_recoup_held`, one for each dataset, table and partition.

    Each names the table's own id: when somebody has dropped the table, what its rows say is void, but for the token.
    """

    spec: Postgres

    @property
    def place(self) -> str:
        """The table's name, for `to_regclass`."""
        return quoted(*self.spec.schema_and_name)

    @property
    def _record(self) -> Identifier:
        return name(self.spec.schema_and_name[0], TABLE)

    def is_there(self, connection: Connection) -> bool:
        """Whether anything has been delivered into this schema."""
        return first_row(connection, _IS_THERE, {"schema": self.spec.schema_and_name[0], "table": TABLE}) == (True,)

    def create(self, connection: Connection) -> None:
        """Make schema and record where they are not; one delivery at a time."""
        schema = self.spec.schema_and_name[0]
        lock(connection, schema)
        absent = "SELECT to_regnamespace(quote_ident(%(schema)s)) IS NULL"
        if first_row(connection, absent, {"schema": schema}) == (True,):
            run(connection, "CREATE SCHEMA {schema}", schema=name(schema))
        if not self.is_there(connection):
            run(connection, _CREATE, record=self._record)

    def read(self, connection: Connection, dataset: str, partition: str) -> Held | None:
        """What is held; who was fenced once stays fenced, even where the table is gone."""
        row = first_row(connection, _READ, self._names(dataset, partition), record=self._record)
        if row is None:
            return None
        return Held(*row[:4]) if row[4] else Held(None, row[1], "", 0)

    def write(
        self, connection: Connection, delivery: Delivery, held: Held, columns: Sequence[str] | None = None
    ) -> None:
        """Write what is held from now on; without `columns`, the table's rows were not touched."""
        values = {"run_id": held.run_id, "token": held.token, "digest": held.digest, "rows": held.rows}
        names = self._names(delivery.dataset, delivery.partition)
        given = {"columns": None if columns is None else list(columns)}
        run(connection, _WRITE, {**names, **values, **given}, record=self._record)

    def once_there(self, connection: Connection, names: Sequence[str]) -> list[str]:
        """Which of these columns an earlier delivery has filled in the table that is there now."""
        bound = {**self._names("", ""), "names": list(names)}
        return [name for (name,) in run(connection, _ONCE_THERE, bound, record=self._record)]

    def _names(self, dataset: str, partition: str) -> dict[str, Any]:
        table = self.spec.schema_and_name[1]
        return {"dataset": dataset, "table": table, "partition": partition, "place": self.place}


def quoted(*parts: str) -> str:
    """A name as text, for `to_regclass`."""
    from psycopg.sql import Identifier

    return Identifier(*parts).as_string()
