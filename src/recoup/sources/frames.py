"""Rows of a database as a polars frame, with the types that the database says its columns have."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from recoup.model.errors import ConfigError
from recoup.model.keys import quoted

if TYPE_CHECKING:
    import sqlalchemy as sa

_UTC: Final = pl.Datetime("us", "UTC")
_DIGITS: Final = 38

# By PostgreSQL's own numbers of types (pg_type.oid), which never change.
_POSTGRESQL: Final[Mapping[int, pl.DataType]] = {
    16: pl.Boolean(), 17: pl.Binary(), 18: pl.String(), 19: pl.String(), 20: pl.Int64(), 21: pl.Int16(), 23: pl.Int32(),
    25: pl.String(), 700: pl.Float32(), 701: pl.Float64(), 1042: pl.String(), 1043: pl.String(), 1082: pl.Date(),
    1083: pl.Time(), 1114: pl.Datetime("us"), 1184: _UTC, 1186: pl.Duration("us"), 2950: pl.String(),
}  # fmt: skip
_POSTGRESQL_NUMERIC: Final = 1700

# By the numbers of the MySQL protocol; texts and bytes share theirs, and so do numbers with and without a sign.
_MYSQL: Final[Mapping[int, pl.DataType]] = {
    1: pl.Int64(), 2: pl.Int64(), 3: pl.Int64(), 4: pl.Float64(), 5: pl.Float64(), 7: pl.Datetime("us"), 9: pl.Int64(),
    10: pl.Date(), 11: pl.Duration("us"), 12: pl.Datetime("us"), 13: pl.Int64(),
}  # fmt: skip
_MYSQL_DECIMALS: Final = (0, 246)

_HELD: Final = (bool, int, float, str, bytes, Decimal, date, datetime, time, timedelta, list, type(None))


class Gathered:
    """Answers to the same question, one below the other."""

    def __init__(self, dialect: str) -> None:
        self._typed = _BY_DIALECT.get(dialect, lambda _column: None)
        self._types: dict[str, pl.DataType | None] = {}
        self._rows: list[Sequence[Any]] = []

    def add(self, result: sa.CursorResult[Any]) -> None:
        """The rows of one answer; the first one tells the columns."""
        names = list(result.keys())
        if len(set(names)) < len(names) or not names:
            message = f"the load of a source gives the columns {quoted(', '.join(names))}"
            raise ConfigError(message, "give each column a name of its own, with AS")
        if not self._types:
            assert result.cursor is not None
            self._types = dict(zip(names, map(self._typed, result.cursor.description), strict=True))
        self._rows += result.fetchall()

    def frame(self) -> pl.DataFrame:
        """All of them; a type that the database does not tell is that of the values."""
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._types)
        return pl.DataFrame(
            [_series(name, dtype, values) for (name, dtype), values in zip(self._types.items(), columns, strict=True)]
        )


def _series(name: str, dtype: pl.DataType | None, values: Sequence[Any]) -> pl.Series:
    if dtype is None or isinstance(dtype, pl.String):
        values = [value if isinstance(value, _HELD) else _plain(value) for value in values]
    if dtype is None and {type(value) for value in values} - {type(None)} == {int, float}:
        dtype = pl.Float64()  # SQLite has both in one column
    try:
        return pl.Series(name, values, dtype=dtype, strict=True)
    except (TypeError, pl.exceptions.PolarsError) as error:
        message = f"the load of a source: the values of column {name!r} do not fit one type ({type(error).__name__})"
        raise ConfigError(message, "cast it in the SQL, to text for instance") from error


def _plain(value: object) -> object:
    """What no frame holds, as text: JSON, a UUID, an address; bytes as they are."""
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _postgresql(column: Sequence[Any]) -> pl.DataType | None:
    code, precision, scale = column[1], column[4], column[5]
    if code == _POSTGRESQL_NUMERIC:
        return pl.Decimal(precision, scale) if precision is not None and scale is not None else None
    return _POSTGRESQL.get(code)


def _mysql(column: Sequence[Any]) -> pl.DataType | None:
    code, scale = column[1], column[5]
    return pl.Decimal(_DIGITS, scale) if code in _MYSQL_DECIMALS else _MYSQL.get(code)


_BY_DIALECT: Final[Mapping[str, Callable[[Sequence[Any]], pl.DataType | None]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
}
