"""What differs between two generations, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from recoup.app.difference import Difference
from recoup.cli.publish_text import shown_json
from recoup.cli.text import View, clean, counted, number

_DIGEST_SHOWN: Final = 12
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_PLAIN: Final = (str, int, float, bool, type(None))


def difference_json(found: Difference) -> dict[str, Any]:
    """Both generations, and what differs."""
    columns, rows = found.columns, found.rows
    return {
        "dataset": found.dataset,
        "partition": found.partition,
        "same": found.same,
        "older": shown_json(found.older),
        "newer": shown_json(found.newer),
        "columns": {
            "added": dict(columns.added),
            "removed": dict(columns.removed),
            "retyped": {name: list(types) for name, types in columns.retyped.items()},
        },
        "rows": {
            "key": list(rows.key),
            "added": rows.added,
            "removed": rows.removed,
            "changed": rows.changed,
            "unchanged": rows.unchanged,
        },
        "sample": [_plain(row) for row in rows.sample],
    }


def difference_lines(found: Difference, view: View) -> Iterator[str]:
    """The two generations, then columns, rows, and some of the rows that differ."""
    older, newer = found.older, found.newer
    verdict = "the same, byte for byte" if found.same else f"{_digest(older.digest)} → {_digest(newer.digest)}"
    yield f"{found.dataset} {found.partition}: generation {older.generation} → {newer.generation}: {verdict}"
    yield from view.columns(_column_rows(found))
    rows = found.rows
    by = f"by {', '.join(rows.key)}" if rows.key else "as whole rows"
    changed = f", {number(rows.changed)} changed" if rows.key else ""
    counts = f"{number(rows.added)} added, {number(rows.removed)} removed{changed}, {number(rows.unchanged)} unchanged"
    yield f"{counts} ({by})"
    for row in rows.sample:
        yield _row_line(row, rows.key)
    more = rows.added + rows.removed + rows.changed - len(rows.sample)
    if rows.sample and more > 0:
        yield f"and {counted(more, 'more row')}"


def _column_rows(found: Difference) -> Iterator[list[str]]:
    columns = found.columns
    yield from (["column", name, "added", dtype] for name, dtype in columns.added.items())
    yield from (["column", name, "removed", dtype] for name, dtype in columns.removed.items())
    for name, (old, new) in columns.retyped.items():
        note = "" if name in columns.common else "; its values were not compared"
        yield ["column", name, "retyped", f"{old} → {new}{note}"]


def _row_line(row: Mapping[str, Any], key: tuple[str, ...]) -> str:
    """`~ dt=2013-01-01 carrier=AA: delay 3 → 4`; whole rows as they are."""
    before, after = row["before"] or {}, row["after"] or {}
    sign, either = _SIGNS[row["change"]], after or before
    if row["change"] != "changed":
        return clean(f"{sign} {' '.join(f'{name}={value}' for name, value in either.items())}")
    own = " ".join(f"{name}={either[name]}" for name in key)
    differing = (f"{name} {before[name]} → {after[name]}" for name in after if before[name] != after[name])
    return clean(f"{sign} {own}: {', '.join(differing)}")


def _digest(digest: str) -> str:
    return digest[:_DIGEST_SHOWN] or "nothing"


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value of somebody's table
    """Fit for JSON: what it does not know becomes text."""
    match value:
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return str(value)
        case _:
            return value if isinstance(value, _PLAIN) else str(value)
