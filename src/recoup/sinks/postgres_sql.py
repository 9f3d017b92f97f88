"""SQL for PostgreSQL: names quoted by the driver, values bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    from psycopg import Connection as AnyConnection
    from psycopg import Cursor
    from psycopg.sql import Composable, Composed, Identifier

    Row = tuple[Any, ...]
    Connection = AnyConnection[Row]


def name(*parts: str) -> Identifier:
    """A name as it stands in SQL, whatever is in it; a percent sign would else begin a placeholder."""
    from psycopg.sql import Identifier

    return Identifier(*(part.replace("%", "%%") for part in parts))


def listed(parts: Iterable[Composable], between: LiteralString = ", ") -> Composed:
    """Pieces of SQL, one after the other."""
    from psycopg.sql import SQL

    return SQL(between).join(parts)


def names(columns: Iterable[str]) -> Composed:
    """Columns as a list."""
    return listed(map(name, columns))


def type_name(kind: str) -> Composable:
    """A type as SQL: our own word for it, or the catalog's, which is quoted where it must be; never a user's text."""
    from psycopg.sql import SQL

    return SQL(kind.replace("%", "%%"))


def all_of(conditions: Iterable[Composable]) -> Composable:
    """Conditions that must all hold; true when there are none."""
    found = list(conditions)
    return listed(found, " AND ") if found else composed("true")


def composed(template: LiteralString, *parts: Composable, **pieces: Composable) -> Composed:
    """A template with its pieces filled in."""
    from psycopg.sql import SQL

    return SQL(template).format(*parts, **pieces)


def as_written(sql: Composable) -> str:
    """SQL that binds nothing, for a person or for COPY."""
    return sql.as_string().replace("%%", "%")


def run(
    connection: Connection, template: LiteralString, bound: Mapping[str, Any] | None = None, **pieces: Composable
) -> Cursor[Row]:
    """Execute a template with its pieces and its bound values."""
    return connection.execute(composed(template, **pieces), bound or {})


def first_row(
    connection: Connection, template: LiteralString, bound: Mapping[str, Any] | None = None, **pieces: Composable
) -> Row | None:
    """The first row of an answer, if there is one."""
    return run(connection, template, bound, **pieces).fetchone()
