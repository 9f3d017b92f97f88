"""A table of somebody's database, read by one of its columns; names are quoted by SQLAlchemy, values are bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recoup.model.errors import ConfigError
from recoup.model.keys import quoted
from recoup.sources.sql import SqlDatabase

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa


class SqlTable(SqlDatabase):
    """`table` is its name, or `schema.name`; `column` says which partition a row belongs to."""

    def __init__(self, url: str, name: str, table: str, column: str) -> None:
        super().__init__(url, name)
        self._schema, _, self._table = table.rpartition(".")
        self._column = column

    def counts(self) -> list[tuple[Any, int]]:
        """Each value of the column and how many rows have it, in order."""
        import sqlalchemy as sa

        column = self._named()
        with self._asking() as connection:
            self._check(connection)
            asked = sa.select(column, sa.func.count()).select_from(self._from()).group_by(column).order_by(column)
            return [(value, int(count)) for value, count in connection.execute(asked)]

    def between(self, first: Any, last: Any) -> pl.DataFrame:  # noqa: ANN401 - values of the column, as `counts` gave them
        """The rows from one value to another one, both included, with the types that the table's columns have."""
        import sqlalchemy as sa

        from recoup.sources.frames import Gathered

        column = self._named()
        wanted = column == first if first == last else column.between(first, last)
        with self._asking() as connection:
            gathered = Gathered(connection.dialect.name)
            gathered.add(connection.execute(sa.select(sa.text("*")).select_from(self._from()).where(wanted)))
        return gathered.frame()

    def _check(self, connection: sa.Connection) -> None:
        """SQLite would take the name of a column that is not there for a text."""
        import sqlalchemy as sa

        try:
            columns = [each["name"] for each in sa.inspect(connection).get_columns(self._table, self._schema or None)]
        except sa.exc.NoSuchTableError as error:
            message = f"the connection {self._name!r} has no table {quoted(self._table)}"
            raise ConfigError(message, "name it as connection:schema.table") from error
        if self._column not in columns:
            message = f"the table {quoted(self._table)} has no column {quoted(self._column)}"
            raise ConfigError(message, f"its columns are {', '.join(columns)}")

    def _named(self) -> sa.ColumnClause[Any]:
        import sqlalchemy as sa

        return sa.column(sa.sql.quoted_name(self._column, quote=True))

    def _from(self) -> sa.TableClause:
        import sqlalchemy as sa

        name = sa.sql.quoted_name(self._table, quote=True)
        return sa.table(name, schema=sa.sql.quoted_name(self._schema, quote=True) if self._schema else None)
