"""A database that is asked through SQLAlchemy: values are bound with their types, times are UTC, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from recoup.model.errors import RecoupError
from recoup.model.sql_text import parameters as named_in
from recoup.sources.failures import cannot_open, failed_question, no_library, unescaped

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

PATIENCE_SECONDS: Final = 10
"""How long a connection may take; without it a firewall that swallows packets would hold a plan for minutes."""

# Whatever the server's own zone is: an instant without one would otherwise mean something else on each server.
_UTC: Final[Mapping[str, str]] = {
    "postgresql": "SET TIME ZONE 'UTC'",
    "mysql": "SET time_zone = '+00:00'",
    "mariadb": "SET time_zone = '+00:00'",
}
_PATIENT: Final = frozenset({"psycopg", "psycopg2", "pymysql", "mysqldb"})


class SqlDatabase:
    """One connection, opened by the first question and again after it broke; `name` is what messages call it."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: sa.Connection | None = None

    def rows(self, text: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """What a query answers."""
        with self._asking() as connection:
            return [tuple(row) for row in connection.execute(_bound(text, parameters))]

    def frame(self, text: str, parameters: Sequence[Mapping[str, object]]) -> pl.DataFrame:
        """What a query answers for each of these, one below the other, in one transaction."""
        from recoup.sources.frames import Gathered

        with self._asking() as connection:
            gathered = Gathered(connection.dialect.name)
            for each in parameters:
                gathered.add(connection.execute(_bound(text, each)))
        return gathered.frame()

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _asking(self) -> Iterator[sa.Connection]:
        """A transaction that is undone: whatever a question did, nothing has changed."""
        connection = self._open()
        try:
            with connection.begin() as transaction:
                yield connection
                transaction.rollback()
        except RecoupError:
            raise
        except Exception as error:
            explained = failed_question(error, self._name)
            self.close()  # it may be in the middle of something
            raise explained from error

    def _open(self) -> sa.Connection:
        if self._connection is None:
            try:
                self._connection = _engine(self._url, self._name).connect()
            except RecoupError:
                raise
            except Exception as error:
                raise cannot_open(error, self._name) from error
        return self._connection


def _engine(url: str, name: str) -> sa.Engine:
    try:
        import sqlalchemy as sa
    except ModuleNotFoundError as error:
        raise no_library("sqlalchemy", "sql") from error
    parsed = sa.make_url(f"postgresql{url.removeprefix('postgres')}" if url.startswith("postgres://") else url)
    if "@" in (parsed.host or ""):
        raise unescaped(name)
    dialect = parsed.get_backend_name()
    if parsed.get_driver_name() in _PATIENT and "connect_timeout" not in parsed.query:
        parsed = parsed.update_query_dict({"connect_timeout": str(PATIENCE_SECONDS)})
    engine = sa.create_engine(parsed, poolclass=sa.NullPool)
    if statement := _UTC.get(dialect):
        sa.event.listen(engine, "connect", lambda connection, _record: _say(connection, statement))
    return engine


def _say(connection: Any, statement: str) -> None:  # noqa: ANN401 - a driver's own connection
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.commit()


def _bound(text: str, parameters: Mapping[str, object]) -> sa.TextClause:
    """The text with its parameters, each with the type of its value."""
    import sqlalchemy as sa

    names = named_in(text)
    # A name may stand right before a cast, `:partition::date`, which SQLAlchemy would not see.
    return sa.text(text.replace("::", r"\:\:")).bindparams(
        *(_parameter(name, value) for name, value in parameters.items() if name in names)
    )


def _parameter(name: str, value: object) -> sa.BindParameter[Any]:
    import sqlalchemy as sa

    if isinstance(value, list):
        some = [_utc(each) for each in value] or [None]  # IN (NULL) holds for nothing, whatever the column's type
        return sa.bindparam(name, some, _type(some[0]), expanding=True)
    return sa.bindparam(name, _utc(value), _type(value))


def _utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _type(value: object) -> Any:  # noqa: ANN401 - an SQLAlchemy type
    import sqlalchemy as sa
    from sqlalchemy.dialects import sqlite

    if isinstance(value, datetime):
        # SQLite compares texts: with a fraction, 07:00:00 would lie before 07:00:00.000000.
        plain = "%(year)04d-%(month)02d-%(day)02d %(hour)02d:%(minute)02d:%(second)02d"
        of_sqlite: Any = sqlite.DATETIME  # whose own constructor has no types
        return sa.DateTime(timezone=True).with_variant(of_sqlite(storage_format=plain), "sqlite")
    if isinstance(value, date):
        return sa.Date()
    return sa.Text() if isinstance(value, str) else sa.types.NullType()
