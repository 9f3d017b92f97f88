"""Dates of which a part is there, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from recoup.cli.text import Cell, Row, View, counted, number, ranges
from recoup.engine.insight import Insight
from recoup.engine.partial import Partial, partial


def partial_dates(found: Insight) -> int:
    """How many."""
    return sum(len(group.dates) for group in partial(found))


def partial_json(found: Insight) -> list[dict[str, Any]]:
    """Those that lack the same, together."""
    name = found.partitions.name
    return [
        {
            "count": len(group.dates),
            "ranges": [[name(run.start), name(run.stop - 1)] for run in group.dates.ranges()],
            "published": list(group.published),
            "lacking": list(group.lacking),
        }
        for group in partial(found)
    ]


def partial_rows(found: Insight, groups: Sequence[Partial], view: View) -> Iterator[Row]:
    """A line for the dates that lack the same steps."""
    for group in groups:
        texts = found.partitions.ranges_text(group.dates, found.dates)
        there = f"{number(len(group.published))} of {counted(len(group.published) + len(group.lacking), 'step')}"
        where = ranges(texts, view, len(group.dates))
        yield [Cell("partial", "warn"), where, f"{there} published; not {', '.join(group.lacking)}"]
