"""A delivery that changes nothing: whether the table, as it is now, could hold the rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from recoup.model.keys import sides_of
from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery
from recoup.sinks.delivered import delivered_frame
from recoup.sinks.postgres_partition import check_partition
from recoup.sinks.postgres_rows import Arrived
from recoup.sinks.postgres_table import Table

if TYPE_CHECKING:
    from recoup.sinks.postgres_sql import Connection

_WIDER: Final[Mapping[str, Collection[str]]] = {
    "smallint": ("integer", "bigint", "numeric", "real", "double precision"),
    "integer": ("bigint", "numeric", "double precision"),
    "bigint": ("numeric",),
    "real": ("double precision",),
    "text": ("character varying", "citext"),
}


def rehearse(connection: Connection, spec: Postgres, delivery: Delivery) -> None:
    """RowsRefusedError where a delivery would be; the table is read, not locked, and the caller undoes what is staged.

    Where there is no table, a delivery makes it.
    """
    table, partition = Table.found(connection, spec), sides_of(delivery.key, delivery.partition)
    if not table.columns or not delivery.files:
        return
    check_partition(connection, table.columns, partition, spec.name)
    arrived = Arrived.checked(delivered_frame(delivery), partition, spec, delivery.member_key)
    lacking = {column: kind for column, kind in arrived.wanted.items() if column not in table.columns}
    if lacking:
        table.addition(connection, lacking)
    _refuse_narrowed(table, arrived)
    arrived.stage(connection)
    replace(table, columns={**table.columns, **lacking}).check_types(connection, arrived)


def _refuse_narrowed(table: Table, arrived: Arrived) -> None:
    """A column that recoup made and somebody has changed to a type that holds less, whatever the rows of today are."""
    for column, kind in arrived.kinds.items():
        target = table.columns.get(column, kind.sql)
        if table.is_ours and target != kind.sql and target not in _WIDER.get(kind.sql, ()):
            message = f"{table.spec.name}: column {column} is {target} in the table and {kind.sql} in the rows"
            remedy = f"somebody has changed it: make it {kind.sql} again, or cast it in the step"
            raise RowsRefusedError(message, remedy)
