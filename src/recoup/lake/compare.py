"""What differs between two tables: columns, and rows by their key, or as wholes that may occur more than once.

Both are read lazily, and rows are compared in the columns that both have, each in a type wide enough for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from recoup.lake.dtypes import AnyType, wider

_SIDE, _BEFORE, _AFTER, _VERSIONS = "__recoup_side__", "__recoup_before__", "__recoup_after__", "__recoup_versions__"
_OLD, _NEW = 0, 1


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns differ, with types as polars names them; `common` can be compared."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    retyped: Mapping[str, tuple[str, str]]
    common: Mapping[str, AnyType]


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows differ; `key` is empty where whole rows were compared, and then nothing is `changed`.

    `sample` holds some of the differing rows: `change` (added, removed, changed), and `before` and `after`.
    """

    key: tuple[str, ...]
    added: int
    removed: int
    changed: int
    unchanged: int
    sample: tuple[Mapping[str, Any], ...] = field(default=())


def compare_columns(older: Mapping[str, AnyType], newer: Mapping[str, AnyType]) -> Columns:
    """By name; a column whose two types nothing holds is compared by nobody."""
    both = {name: (older[name], newer[name]) for name in older if name in newer}
    wide = {name: wider(*pair) for name, pair in both.items()}
    return Columns(
        added={name: str(dtype) for name, dtype in newer.items() if name not in older},
        removed={name: str(dtype) for name, dtype in older.items() if name not in newer},
        retyped={name: (str(old), str(new)) for name, (old, new) in both.items() if old != new},
        common={name: dtype for name, dtype in wide.items() if dtype is not None},
    )


def compare_rows(
    older: pl.LazyFrame, newer: pl.LazyFrame, common: Mapping[str, AnyType], key: Sequence[str], sample: int
) -> Rows:
    """By key where both have it and no row shares its own with another; else as whole rows."""
    if not common:
        return Rows((), _height(newer), _height(older), 0, 0)
    both = pl.concat([_side(older, common, _OLD), _side(newer, common, _NEW)])
    rest = [name for name in common if name not in key]
    if key and rest and all(name in common for name in key):
        found = _by_key(both, list(key), rest, sample)
        if found is not None:
            return found
    return _whole(both, list(common), sample)


def _by_key(both: pl.LazyFrame, key: list[str], rest: list[str], sample: int) -> Rows | None:
    """None when a key is not unique after all."""
    row = pl.struct(rest)
    grouped = both.group_by(key, maintain_order=True).agg(
        _of(_OLD).sum().alias(_BEFORE), _of(_NEW).sum().alias(_AFTER), row.n_unique().alias(_VERSIONS)
    )
    before, after, versions = pl.col(_BEFORE), pl.col(_AFTER), pl.col(_VERSIONS)
    is_both, differs = (before == 1) & (after == 1), versions > 1
    counts = grouped.select(
        unique=((before <= 1) & (after <= 1)).all(),
        added=(before == 0).sum(),
        removed=(after == 0).sum(),
        changed=(is_both & differs).sum(),
        unchanged=(is_both & ~differs).sum(),
    ).collect(engine="streaming")
    told = counts.row(0, named=True)
    if not told.pop("unique"):
        return None
    differing = grouped.filter(~is_both | differs).head(sample).select(key).collect(engine="streaming")
    return Rows(tuple(key), **told, sample=tuple(_pairs(both, differing, key, rest)))


def _pairs(both: pl.LazyFrame, differing: pl.DataFrame, key: list[str], rest: list[str]) -> list[Mapping[str, Any]]:
    """The differing rows of some keys, with what they were and are."""
    rows = both.join(differing.lazy(), on=key, how="semi", nulls_equal=True).collect(engine="streaming")
    found: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        place = found.setdefault(tuple(str(row[name]) for name in key), {})
        place[row[_SIDE]] = {name: row[name] for name in [*key, *rest]}
    return [_pair(sides.get(_OLD), sides.get(_NEW)) for sides in found.values()]


def _pair(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    change = "added" if before is None else "removed" if after is None else "changed"
    return {"change": change, "before": before, "after": after}


def _whole(both: pl.LazyFrame, columns: list[str], sample: int) -> Rows:
    """As multisets: a row that is there twice and was there once counts as added once."""
    grouped = both.group_by(columns, maintain_order=True).agg(
        _of(_OLD).sum().cast(pl.Int64).alias(_BEFORE), _of(_NEW).sum().cast(pl.Int64).alias(_AFTER)
    )
    more = pl.col(_AFTER) - pl.col(_BEFORE)
    told = grouped.select(
        added=more.clip(lower_bound=0).sum(),
        removed=(-more).clip(lower_bound=0).sum(),
        unchanged=pl.min_horizontal(_BEFORE, _AFTER).sum(),
    ).collect(engine="streaming")
    counts = told.row(0, named=True)
    differing = grouped.filter(more != 0).head(sample).collect(engine="streaming")
    rows = []
    for row in differing.iter_rows(named=True):
        before, after = row.pop(_BEFORE), row.pop(_AFTER)
        rows.append(_pair(None, row) if after > before else _pair(row, None))
    return Rows((), counts["added"], counts["removed"], 0, counts["unchanged"], tuple(rows))


def _side(frame: pl.LazyFrame, common: Mapping[str, AnyType], side: int) -> pl.LazyFrame:
    own = [pl.col(name).cast(dtype) for name, dtype in common.items()]
    return frame.select(*own, pl.lit(side, pl.Int8).alias(_SIDE))


def _of(side: int) -> pl.Expr:
    return pl.col(_SIDE) == side


def _height(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect().item())
