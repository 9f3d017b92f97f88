"""Which SQL type a column of a frame has, and how its values travel to PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from recoup.model.sinks.declared import RowsRefusedError

if TYPE_CHECKING:
    import polars as pl

_DAYS_TO_2000 = 10_957
_MICROSECONDS_TO_2000 = 946_684_800_000_000
_EARLIEST = -211_000_000_000_000_000
"""Microseconds: a little before 4713 BC, where PostgreSQL's time begins."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A column's type in a table, and what its values are turned into before they are sent.

    `sent_as` is what arrives: the type itself, or text that PostgreSQL casts. `values` gives numbers for `dtype`
    (numpy, big-endian), or texts or bytes where that is empty.
    """

    sql: str
    sent_as: str
    dtype: str
    values: Callable[[pl.Series], pl.Series]


def kind_of(series: pl.Series, place: str) -> Kind:
    """The kind of a column; RowsRefusedError where PostgreSQL has nothing like it, or would lose a part of it."""
    name = type(series.dtype).__name__
    if name in _NUMBERS:
        sql, dtype = _NUMBERS[name]
        return Kind(sql, sql, dtype, lambda series: series)
    if name in _OTHERS:
        return _OTHERS[name](series, place)
    message = f"{place} is {series.dtype}, and PostgreSQL has no such type"
    raise RowsRefusedError(message, "cast it in the step")


_NUMBERS = {
    "Int8": ("smallint", ">i2"),
    "UInt8": ("smallint", ">i2"),
    "Int16": ("smallint", ">i2"),
    "UInt16": ("integer", ">i4"),
    "Int32": ("integer", ">i4"),
    "UInt32": ("bigint", ">i8"),
    "Int64": ("bigint", ">i8"),
    "Float32": ("real", ">f4"),
    "Float64": ("double precision", ">f8"),
    "Boolean": ("boolean", "u1"),
}


def _text(series: pl.Series, place: str) -> Kind:
    import polars as pl

    _refuse_nul(series.cast(pl.String), place)
    return Kind("text", "text", "", lambda series: series.cast(pl.String))


def _refuse_nul(series: pl.Series, place: str) -> None:
    zero = series.str.contains("\0", literal=True)
    if zero.any():
        text = series.filter(zero)[0]
        message = f"{place} has a text with a NUL character, which PostgreSQL cannot hold: {text[:80]!r}"
        raise RowsRefusedError(message, 'take it out in the step: .str.replace_all("\\0", "", literal=True)')


def _written(sql: str) -> Kind:
    """Numbers that have no simple form on the wire travel as they are written."""
    import polars as pl

    return Kind(sql, "text", "", lambda series: series.cast(pl.String))


def _decimal(series: pl.Series, _place: str) -> Kind:
    import polars as pl

    kind = series.dtype
    assert isinstance(kind, pl.Decimal)
    return _written(f"numeric({kind.precision},{kind.scale})")


def _date(_series: pl.Series, _place: str) -> Kind:
    import polars as pl

    return Kind("date", "date", ">i4", lambda series: series.to_physical().cast(pl.Int64) - _DAYS_TO_2000)


def _moment(series: pl.Series, place: str) -> Kind:
    """Microseconds since 2000, as on the wire."""
    _refuse_nanoseconds(series, place)
    earliest = series.dt.epoch("us").min()
    if isinstance(earliest, int) and earliest < _EARLIEST:
        message = f"{place} has a time before 4713 BC, where PostgreSQL's begins"
        raise RowsRefusedError(message, "let the step say None where there is no time")
    zone = "with" if getattr(series.dtype, "time_zone", None) else "without"
    sql = f"timestamp {zone} time zone"
    return Kind(sql, sql, ">i8", lambda series: series.dt.epoch("us") - _MICROSECONDS_TO_2000)


def _time(series: pl.Series, place: str) -> Kind:
    _refuse_nanoseconds(series, place)
    sql = "time without time zone"
    return Kind(sql, sql, ">i8", lambda series: series.to_physical() // 1000)


def _interval(series: pl.Series, place: str) -> Kind:
    import polars as pl

    _refuse_nanoseconds(series, place)
    return Kind("interval", "text", "", lambda series: series.dt.total_microseconds().cast(pl.String) + " microseconds")


def _refuse_nanoseconds(series: pl.Series, place: str) -> None:
    import polars as pl

    unit = "ns" if series.dtype == pl.Time else getattr(series.dtype, "time_unit", "us")
    if unit == "ns" and (series.to_physical() % 1000 != 0).any():
        message = f"{place} has a value with nanoseconds, and PostgreSQL keeps microseconds"
        raise RowsRefusedError(message, 'round it in the step, for instance with .dt.cast_time_unit("us")')


def _document(_series: pl.Series, place: str) -> Kind:
    return Kind("jsonb", "text", "", lambda series: _documents(series, place))


def _documents(series: pl.Series, place: str) -> pl.Series:
    import polars as pl

    try:
        texts = [None if value is None else _json(value) for value in series.to_list()]
    except ValueError as error:
        message = f"{place} has a value inside a list or a struct that JSON cannot hold: {error}"
        raise RowsRefusedError(message, "let the step say None in its place") from error
    return pl.Series(texts, dtype=pl.String)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what stands inside a list or a struct
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "to_list"):  # an inner series
        return value.to_list()
    return str(value)  # a Decimal, exactly


_OTHERS: Mapping[str, Callable[[pl.Series, str], Kind]] = {
    "String": _text,
    "Categorical": _text,
    "Enum": _text,
    "Binary": lambda _series, _place: Kind("bytea", "bytea", "", lambda series: series),
    "Date": _date,
    "Datetime": _moment,
    "Time": _time,
    "Duration": _interval,
    "Decimal": _decimal,
    "UInt64": lambda _series, _place: _written("numeric"),
    "Int128": lambda _series, _place: _written("numeric"),
    "UInt128": lambda _series, _place: _written("numeric"),
    "List": _document,
    "Array": _document,
    "Struct": _document,
}
