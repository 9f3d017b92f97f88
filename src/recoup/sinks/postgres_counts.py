"""How many rows of each partition a table has: what is there, not what the record says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, LiteralString

from recoup.model.keys import sides_of
from recoup.sinks.postgres_partition import bound
from recoup.sinks.postgres_sql import all_of, composed, listed, name, run, type_name
from recoup.sinks.postgres_table import Table

if TYPE_CHECKING:
    from recoup.sinks.postgres_sql import Connection

_COUNT: LiteralString = """SELECT wanted.place, count(*) FROM unnest({arrays}) WITH ORDINALITY AS wanted ({own}, place)
    JOIN {table} AS held ON {same} GROUP BY wanted.place"""
_WHETHER: LiteralString = """SELECT wanted.place, 1 FROM unnest({arrays}) WITH ORDINALITY AS wanted ({own}, place)
    WHERE EXISTS (SELECT FROM {table} AS held WHERE {same})"""


def row_counts(
    connection: Connection, table: Table, names: Sequence[str], partitions: Sequence[str], *, only_whether: bool
) -> dict[str, int]:
    """By the columns of these names, compared as deliveries do: in the columns' own types."""
    from psycopg.sql import Placeholder

    if not partitions or any(column not in table.columns for column in names):
        return {}
    sides = [bound(table.columns, sides_of("/".join(names), partition)) for partition in partitions]
    own = list(sides[0])
    values = {side: [of_one[side] for of_one in sides] for side in own}
    kinds = [type_name(f"{table.columns[column]}[]") for column in names]
    columns = zip(names, own, strict=True)
    rows = run(
        connection,
        _WHETHER if only_whether else _COUNT,
        values,
        arrays=listed(composed("CAST({} AS {})", Placeholder(n), kind) for n, kind in zip(own, kinds, strict=True)),
        own=listed(name(side) for side in own),
        table=table.sql,
        same=all_of(composed("{} = {}", name("held", column), name("wanted", side)) for column, side in columns),
    )
    return {partitions[place - 1]: count for place, count in rows}
