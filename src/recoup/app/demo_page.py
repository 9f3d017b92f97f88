"""The demo's page: the same sections with rich on a terminal, and as plain aligned text in a pipe."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from recoup.app.demo_result import DATABASE, TABLE, Demo, Gap

if TYPE_CHECKING:
    from rich.table import Table

HOURS_NAMED = 2


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and rows of cells; the columns at `numbers` are aligned to the right."""

    title: str
    rows: Sequence[Sequence[str]]
    columns: Sequence[str] = ()
    numbers: frozenset[int] = frozenset()


def print_page(demo: Demo, stdout: TextIO) -> None:
    """Write the page, folded to a terminal's width; in a pipe each fact stays on one line."""
    page = sections(demo)
    with suppress(BrokenPipeError):  # the reader has seen enough
        if stdout.isatty():
            _print_rich(page, stdout)
        else:
            stdout.write("\n\n".join("\n".join(_plain(section)) for section in page) + "\n")
        stdout.flush()


def sections(demo: Demo) -> list[Section]:
    """What the page says, from top to bottom."""
    page = [
        Section(_headline(demo), list(_totals(demo)), numbers=frozenset({1, 2})),
        Section("Where the data is incomplete, and why", list(_incomplete(demo))),
        _excerpt(demo),
        Section("Files", list(_files(demo.folder))),
        Section("Next", list(_next(demo))),
    ]
    if demo.differences:
        page.insert(0, Section("This is not the expected result", [[text] for text in demo.differences]))
    return page


# --- what stands in the sections


def _headline(demo: Demo) -> str:
    year = "A year of flights out of New York"
    if not demo.actions:
        return f"{year}: all {demo.done_before:,} partition-steps were done before"
    before = f", {demo.done_before:,} were done before" if demo.done_before else ""
    return f"{year}: {demo.actions:,} partition-steps in {demo.seconds:.0f} s{before}"


def _totals(demo: Demo) -> Iterator[list[str]]:
    figures = demo.figures
    notes = {
        "clean_flights": f"{figures['cancelled']:,} cancelled, "
        f"{figures['without a tail number']:,} without a tail number",
        "flights_weather": f"{figures['without weather at their airport']:,} without weather at their airport",
        f"table {TABLE}": f"in {DATABASE}",
    }
    for total in demo.totals:
        days = f"{total.days} of {total.expected} days"
        yield [total.name, days, f"{total.rows:,} rows", notes.get(total.name, "")]


def _incomplete(demo: Demo) -> Iterator[list[str]]:
    for gap in demo.gaps:
        yield [gap.partition, *_state(gap)]
    for partition, step, reason in demo.consequences:
        yield [partition, f"{step} blocked: {reason}"]


def _state(gap: Gap) -> list[str]:
    if gap.blocked:
        return [f"{gap.step} blocked: {gap.blocked}"]
    named = ", ".join(gap.missing[:HOURS_NAMED]) + (" …" if len(gap.missing) > HOURS_NAMED else "")
    return [f"{gap.there} of {gap.expected} hours of {gap.source}; missing {named}"]


def _excerpt(demo: Demo) -> Section:
    excerpt, title = demo.excerpt, f"The table {TABLE}: its first and its last rows"
    if excerpt is None:
        return Section(title, [["there is no table"]])
    first, last = ([[_cell(value) for value in row] for row in end] for end in (excerpt.first, excerpt.last))
    numbers = frozenset(i for i, value in enumerate(excerpt.last[-1]) if isinstance(value, int | float))
    return Section(title, [*first, ["…"] * len(excerpt.columns), *last], excerpt.columns, numbers)


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever the table holds
    return "–" if value is None else str(value)


def _files(folder: str) -> Iterator[list[str]]:
    place = Path(folder)
    yield [str(place / "flights.py"), "the pipeline, to be read and changed"]
    yield [str(place / "lake"), "each day's Parquet, manifest and pointer"]
    yield [str(place / ".recoup"), "the ledger, and the log of each attempt"]
    yield [str(place / DATABASE), "the table, for any DuckDB"]


def _next(demo: Demo) -> Iterator[list[str]]:
    if demo.folder != ".":
        yield [f"cd {shlex.quote(demo.folder)}", ""]
    yield ["recoup status flights", "is the data complete now?"]
    yield ["recoup plan flights", "what is left, and why"]
    yield ["recoup runs", "what ran, and how it ended"]
    yield [f"recoup publish show {TABLE} 2013-12-30", "what a day shows"]
    yield ["recoup run flights", "nothing is done twice"]


# --- on a terminal


def _print_rich(page: Sequence[Section], stdout: TextIO) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(file=stdout, highlight=False)
    for section in page:
        console.print(Text(section.title, style="bold"))
        console.print(Padding(_rich_table(section), (0, 0, 1, 2)))


def _rich_table(section: Section) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(section.columns), header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    width = max(map(len, section.rows))
    for i, name in zip_longest(range(width), section.columns, fillvalue=""):
        # `_` is no place to break a line, a space is: a wide heading takes several.
        heading = str(name).replace("_", " ")
        folds = " " in heading if section.columns else i == width - 1
        table.add_column(heading, justify="right" if i in section.numbers else "left", no_wrap=not folds)
    for row in section.rows:
        table.add_row(*map(Text, row))
    return table


# --- in a pipe


def _plain(section: Section) -> Iterator[str]:
    rows = [list(section.columns), *section.rows] if section.columns else list(section.rows)
    widths = [max(map(len, cells)) for cells in zip_longest(*rows, fillvalue="")]
    yield section.title
    for row in rows:
        yield "  " + "  ".join(_padded(text, widths[i], i in section.numbers) for i, text in enumerate(row)).rstrip()


def _padded(text: str, width: int, right: bool) -> str:  # noqa: FBT001 - one of two sides
    return text.rjust(width) if right else text.ljust(width)
