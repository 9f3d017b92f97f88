"""How many rows of each partition a table has: what is there, not what the record says."""
# ruff: noqa: S608 - names cannot be bound, so `quoted` quotes them; every value is bound

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recoup.model.keys import sides_of
from recoup.sinks.duckdb_file import quoted
from recoup.sinks.duckdb_table import Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


def row_counts(
    connection: Connection, table: Table, names: Sequence[str], partitions: Sequence[str], *, only_whether: bool
) -> dict[str, int]:
    """By the columns of these names; what a column cannot hold, it does not have."""
    if not partitions or any(name.lower() not in table.columns for name in names):
        return {}
    sides = [sides_of("/".join(names), partition) for partition in partitions]
    bound = {f"side{place}": [side[name] for side in sides] for place, name in enumerate(names)}
    wanted = ", ".join(f"unnest(CAST(${name} AS VARCHAR[])) AS {name}" for name in bound)
    same = " AND ".join(
        f"held.{quoted(name)} = TRY_CAST(wanted.{side} AS {table.columns[name.lower()]})"
        for side, name in zip(bound, names, strict=True)
    )
    asked = f"(SELECT {wanted}, unnest(range($count)) AS place) AS wanted"
    query = f"SELECT wanted.place, count(*) FROM {asked} JOIN {table.sql} AS held ON {same} GROUP BY wanted.place"
    if only_whether:
        query = f"SELECT wanted.place, 1 FROM {asked} WHERE EXISTS (SELECT 1 FROM {table.sql} AS held WHERE {same})"
    rows = connection.execute(query, {**bound, "count": len(sides)}).fetchall()
    return {partitions[place]: count for place, count in rows}
