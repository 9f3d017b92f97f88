"""Text for people: columns, figures, colour; pure functions of what they are given."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

STYLES: Final = {"bad": "31", "good": "32", "warn": "33", "dim": "2", "bold": "1", "": ""}
_GAP: Final = "  "
_NARROWEST: Final = 24
_ROOMY: Final = 28
_SHORTEST_NAME: Final = 20
_MORE: Final = len(" and 99 more, 999 in all")
_KILO: Final = 1000
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Cell:
    """One text of a table, how it is coloured, and on which side it is padded.

    A name may be cut where a terminal would have no room for what is said of it.
    """

    text: str
    style: str = ""
    right: bool = False
    is_name: bool = False


Row = Sequence[str | Cell]


@dataclass(frozen=True, slots=True)
class View:
    """Who reads: a terminal of some width, or a pipe (`width` None), in which nothing is cut or folded."""

    width: int | None = None
    colour: bool = False

    def paint(self, style: str, text: str) -> str:
        """The text in a colour, where there are colours; nothing may depend on it."""
        code = STYLES[style] if self.colour and text else ""
        return f"\x1b[{code}m{text}\x1b[0m" if code else text

    def columns(self, rows: Iterable[Row], indent: str = "") -> Iterator[str]:
        """Rows as aligned lines; on a terminal the last column is folded below itself."""
        cells = self._shortened([[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows], len(indent))
        widths = _widths(cells)
        for row in cells:
            head = "".join(self._padded(cell, width) + _GAP for cell, width in zip(row[:-1], widths, strict=False))
            taken = len(indent) + sum(width + len(_GAP) for width in widths[: len(row) - 1])
            yield from self._folded(indent + head, taken, row[-1], widths[len(row) - 1])

    def _shortened(self, rows: list[list[Cell]], taken: int) -> list[list[Cell]]:
        """Names cut as far as the last column lacks room."""
        if self.width is None or not any(cell.is_name for row in rows for cell in row):
            return rows
        taken += sum(width + len(_GAP) for width in _widths(rows)[:-1])
        lacking = taken + min(max(width_of(row[-1].text) for row in rows), _ROOMY) - self.width
        room = max(max(width_of(c.text) for row in rows for c in row if c.is_name) - max(lacking, 0), _SHORTEST_NAME)
        return [[replace(c, text=cut(c.text, room)) if c.is_name else c for c in row] for row in rows]

    def _padded(self, cell: Cell, width: int) -> str:
        blank = " " * (width - width_of(cell.text))
        painted = self.paint(cell.style, cell.text)
        return blank + painted if cell.right else painted + blank

    def _folded(self, head: str, taken: int, last: Cell, width: int) -> Iterator[str]:
        room = None if self.width is None else self.width - taken
        if room is None or width_of(last.text) <= room:
            padded = self._padded(last, width) if last.right else self.paint(last.style, last.text)
            yield (head + padded).rstrip()
            return
        if room < max(_NARROWEST, *map(width_of, last.text.split())):  # below the row, where there is more of it
            yield head.rstrip()
            head, taken = " " * 6, 6
            room = max((self.width or 0) - taken, _NARROWEST)
        lines = textwrap.wrap(last.text, room, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            yield (head if number == 0 else " " * taken) + self.paint(last.style, line)


def _widths(rows: Sequence[Sequence[Cell]]) -> list[int]:
    """The widest of each column; a row's last cell counts only for rows that go on as far."""
    count = max((len(row) for row in rows), default=0)
    widths = [0] * count
    for row in rows:
        for place, cell in enumerate(row):
            if place < len(row) - 1 or cell.right:
                widths[place] = max(widths[place], width_of(cell.text))
    return widths


def name_cell(text: str) -> Cell:
    """The name of a step or a pipeline."""
    return Cell(text, is_name=True)


def width_of(text: str) -> int:
    """How many columns of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def clean(text: str) -> str:
    """On one line, and without what a terminal would obey: messages come from other people's code."""
    joined = " ".join(text.split())
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in joined)


def cut(text: str, room: int | None) -> str:
    """At most so many columns, with a mark where it was cut; None: whole."""
    if room is None or width_of(text) <= room:
        return text
    kept = text[: max(room - 1, 0)]
    while width_of(kept) > room - 1:
        kept = kept[:-1]
    return f"{kept}…"


def number(count: int) -> str:
    """`1,095`."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 partition`, `1,095 partitions`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`23 ms`, `1.3 s`, `12 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`: two units say enough."""
    if seconds < 0.9995:  # noqa: PLR2004 - what would be shown as 1,000 ms
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:  # noqa: PLR2004 - what would be shown as 10.0 s
        return f"{seconds:.1f} s"
    left = round(seconds)
    for place, (unit, size) in enumerate(_UNITS):
        if left >= size:
            rest, smaller = left % size, _UNITS[place + 1 : place + 2]
            more = f" {rest // smaller[0][1]} {smaller[0][0]}" if smaller and rest >= smaller[0][1] else ""
            return f"{left // size} {unit}{more}"
    return "0 s"


def ago(seconds: float) -> str:
    """`4 min 10 s ago`; clocks that differ a little are no future."""
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def size(size_bytes: float) -> str:
    """`812 B`, `4.2 MB`, `1.3 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < _KILO:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= _KILO
    return f"{size_bytes:,.1f} TB"


def ranges(texts: Sequence[str], view: View, count: int | None = None) -> str:
    """Ranges side by side; on a terminal as many as fit into half of it, and how many more there are.

    `count` is that of all partitions in them.
    """
    whole = ", ".join(texts)
    if view.width is None or width_of(whole) <= view.width // 2:
        return whole
    room, shown = view.width // 2 - _MORE, texts[:1]
    for text in texts[1:]:
        if width_of(", ".join([*shown, text])) > room:
            break
        shown = [*shown, text]
    more = len(texts) - len(shown)
    in_all = "" if count is None else f", {number(count)} in all"
    return ", ".join(shown) + (f" and {number(more)} more{in_all}" if more else "")
