"""What stands in the way of a delivery: grants that are missing, each with the statement to type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recoup.model.sinks.postgres import Postgres
from recoup.sinks import postgres_record
from recoup.sinks.postgres_sql import as_written, composed, first_row, name, run
from recoup.sinks.postgres_table import Table

if TYPE_CHECKING:
    from recoup.sinks.postgres_sql import Connection

_STATE = """SELECT current_user, current_database(), to_regnamespace(quote_ident(%(schema)s)) IS NOT NULL,
    has_database_privilege(current_database(), 'TEMP'), has_database_privilege(current_database(), 'CREATE')"""
_THERE = """SELECT count(*) FROM pg_class WHERE relname = ANY (%(tables)s)
    AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)"""
_SCHEMA_GRANTS = (
    "SELECT privilege FROM unnest(%(grants)s::text[]) AS privilege WHERE NOT has_schema_privilege(%(place)s, privilege)"
)
_TABLE_GRANTS = (
    "SELECT privilege FROM unnest(%(grants)s::text[]) AS privilege WHERE NOT has_table_privilege(%(place)s, privilege)"
)
_COLUMNS = """SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%(place)s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""


def complaints(connection: Connection, spec: Postgres) -> list[str]:
    """Sentences, an empty list when all is well; nothing is changed."""
    return list(_complaints(connection, spec))


def _complaints(connection: Connection, spec: Postgres) -> Iterator[str]:
    schema, table = spec.schema_and_name
    user, database, has_schema, may_stage, may_create = first_row(connection, _STATE, {"schema": schema}) or ()
    if not may_stage:
        yield _lacking(spec, "make temporary tables", "TEMPORARY ON DATABASE", database, user=user)
    if not has_schema:
        if not may_create:
            yield _lacking(spec, f"create the schema {schema}", "CREATE ON DATABASE", database, user=user)
        return
    is_complete = first_row(connection, _THERE, {"schema": schema, "tables": [table, postgres_record.TABLE]}) == (2,)
    lacking = _lacking_in_schema(connection, schema, ["USAGE"] if is_complete else ["USAGE", "CREATE"])
    if lacking:
        yield _lacking(spec, f"use the schema {schema}", f"{', '.join(lacking)} ON SCHEMA", schema, user=user)
    if "USAGE" in lacking:  # what is in it cannot be looked at
        return
    found, record = Table.found(connection, spec), _columns(connection, schema, postgres_record.TABLE)
    columns = found.columns
    wanted = ["SELECT", "INSERT", "DELETE", *(["UPDATE"] if spec.mode == "upsert" else [])]
    if columns:
        yield from _table(connection, spec, table, wanted, user)
        if missing := [column for column in spec.key if column not in columns and not found.is_ours]:
            named, others = ", ".join(missing), ", ".join(columns)
            yield f"{spec.name} has no column {named}, which the sink's key names; it has {others}"
    if record:
        yield from _table(connection, spec, postgres_record.TABLE, ["SELECT", "INSERT", "UPDATE"], user)
        if record != list(postgres_record.COLUMNS):
            yield f"{schema}.{postgres_record.TABLE} has the columns {', '.join(record)}: move that table away"


def _columns(connection: Connection, *parts: str) -> list[str]:
    return [column for (column,) in run(connection, _COLUMNS, {"place": postgres_record.quoted(*parts)})]


def _lacking_in_schema(connection: Connection, schema: str, grants: Sequence[str]) -> list[str]:
    return [grant for (grant,) in run(connection, _SCHEMA_GRANTS, {"place": schema, "grants": list(grants)})]


def _table(connection: Connection, spec: Postgres, table: str, grants: Sequence[str], user: str) -> Iterator[str]:
    place = spec.schema_and_name[0], table
    bound = {"place": postgres_record.quoted(*place), "grants": list(grants)}
    lacking = [grant for (grant,) in run(connection, _TABLE_GRANTS, bound)]
    if lacking:
        yield _lacking(spec, f"change {'.'.join(place)}", f"{', '.join(lacking)} ON", *place, user=user)


def _lacking(spec: Postgres, what: str, grant: str, *place: str, user: str) -> str:
    statement = f"GRANT {grant} {as_written(composed('{} TO {}', name(*place), name(user)))}"
    return f"{spec.name}: {user} may not {what}: {statement}"
