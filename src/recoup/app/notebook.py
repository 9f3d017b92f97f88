"""Small HTML for notebooks: a headline and tables, complete in themselves; nothing is told by colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

ROWS_SHOWN: Final = 50
RANGES_SHOWN: Final = 6
_LEFT: Final = "text-align:left;vertical-align:top;padding:2px 8px"
_RIGHT: Final = "text-align:right;vertical-align:top;padding:2px 8px"


@dataclass(frozen=True, slots=True)
class Table:
    """Its columns by name, and its rows: numbers stand on the right, None is a dash."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str | int | None]]


def page(headline: str, tables: Iterable[Table]) -> str:
    """What a notebook shows of an object; tables without rows are left out."""
    shown = "".join(_table(table) for table in tables if table.rows)
    return f"<div><p><strong>{escape(headline)}</strong></p>{shown}</div>"


def ranges_text(texts: Sequence[str]) -> str:
    """The first few ranges, and how many more there are."""
    more = len(texts) - RANGES_SHOWN
    return ", ".join(texts[:RANGES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _table(table: Table) -> str:
    texts = [any(isinstance(row[at], str) for row in table.rows) for at in range(len(table.heads))]
    aligned = [_LEFT if text else _RIGHT for text in texts]
    heads = "".join(
        f'<th scope="col" style="{style}">{escape(head)}</th>' for head, style in zip(table.heads, aligned, strict=True)
    )
    rows = "".join(_row(row, aligned) for row in table.rows[:ROWS_SHOWN])
    more = len(table.rows) - ROWS_SHOWN
    if more > 0:
        rows += f'<tr><td colspan="{len(table.heads)}" style="{_LEFT}">and {more:,} more rows</td></tr>'
    return f'<table style="margin-bottom:8px"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _row(row: Sequence[str | int | None], aligned: Sequence[str]) -> str:
    cells = zip(row, aligned, strict=True)
    return "<tr>" + "".join(f'<td style="{style}">{escape(_text(cell))}</td>' for cell, style in cells) + "</tr>"


def _text(cell: str | int | None) -> str:
    if cell is None:
        return "–"
    return f"{cell:,}" if isinstance(cell, int) else cell
