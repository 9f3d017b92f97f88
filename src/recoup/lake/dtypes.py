"""Column types as text, in manifests, and back; and the one type that holds two."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

import polars as pl
from polars.datatypes import DataType, DataTypeClass

AnyType = DataType | DataTypeClass
_UNITS = ("ms", "us", "ns")  # from coarse to fine
_SIGNED: tuple[AnyType, ...] = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)


def text_of(schema: Mapping[str, AnyType]) -> dict[str, str]:
    """What a manifest keeps: `{"dt": "Date", "delay": "List(Int64)"}`."""
    return {name: str(dtype) for name, dtype in schema.items()}


def schema_of(columns: Mapping[str, str]) -> dict[str, AnyType]:
    """The inverse of `text_of`; ValueError for a type that this version of polars does not know."""
    return {name: dtype_of(text) for name, text in columns.items()}


def dtype_of(text: str) -> AnyType:
    """The type that polars writes as `text`: read as a tree of names and constants, never evaluated."""
    try:
        found = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{text[:80]!r} is no column type") from error
    if not isinstance(found, (DataType, DataTypeClass)):
        raise ValueError(f"{text[:80]!r} is no column type")  # noqa: TRY004 - the text is wrong, not its type
    return found


def merged(schemas: Iterable[Mapping[str, AnyType]]) -> dict[str, AnyType]:
    """All columns in the order in which they first came, each wide enough; TypeError names one that cannot be."""
    found: dict[str, AnyType] = {}
    for schema in schemas:
        for name, dtype in schema.items():
            wide = wider(found[name], dtype) if name in found else dtype
            if wide is None:
                raise TypeError(f"column {name!r} is {found[name]} in one table and {dtype} in another")
            found[name] = wide
    return found


def wider(one: AnyType, other: AnyType) -> AnyType | None:
    """The type that both can be read as, None when there is none.

    Nothing fits everything; integers and floats widen, integers become floats where some file has floats (pandas
    writes them so as soon as a value is missing); times take the finer unit; categories become strings.
    """
    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    if one.is_integer() and other.is_integer():
        return _integer(one, other)
    if one.is_numeric() and other.is_numeric() and not (one.is_decimal() or other.is_decimal()):
        return pl.Float64()
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime) and one.time_zone == other.time_zone:
        return max(one, other, key=lambda dtype: _UNITS.index(dtype.time_unit))
    if {one.base_type(), other.base_type()} == {pl.Categorical, pl.String}:
        return pl.String()
    return None


def _integer(one: AnyType, other: AnyType) -> AnyType | None:
    """The smallest integer for both; a signed one that holds an unsigned one needs a bit more."""
    if one.is_signed_integer() == other.is_signed_integer():
        return max(one, other, key=_bits)
    need = max(_bits(dtype) * (1 if dtype.is_signed_integer() else 2) for dtype in (one, other))
    return next((dtype for dtype in _SIGNED if _bits(dtype) >= need), None)


def _bits(dtype: AnyType) -> int:
    return int(str(dtype).lstrip("UInt"))


def _value(node: ast.expr) -> object:
    """A type or a constant, from `Int64`, `Datetime(time_unit='us', time_zone=None)`, `Struct({'a': List(Int8)})`."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return _named(name)
        case ast.Call(ast.Name(name), arguments, keywords):
            named = {str(keyword.arg): _value(keyword.value) for keyword in keywords}
            return _named(name)(*map(_value, arguments), **named)
        case ast.Dict(names, values):
            return {_value(name): _value(value) for name, value in zip(names, values, strict=True) if name is not None}
        case ast.List(parts):
            return [_value(part) for part in parts]
        case ast.Tuple(parts):
            return tuple(_value(part) for part in parts)
        case _:
            raise TypeError("it is neither a type nor a constant")


def _named(name: str) -> DataTypeClass:
    found = getattr(pl, name, None)
    if not isinstance(found, DataTypeClass):
        raise TypeError(f"{name} is no type")
    return found
