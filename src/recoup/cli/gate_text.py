"""What the gate found, for people: the document's three lines, then what is missing, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from recoup.app.gaps import Gap, Gate
from recoup.app.workspace import Workspace
from recoup.cli.text import View, clean, counted, name_cell, ranges


def called(workspace: Workspace, typed: str, gate: Gate) -> str:
    """What people call a pipeline: its name in recoup.toml; where its place was given, its own."""
    return typed if typed in workspace.settings.pipelines else gate.pipeline


def gate_json(gate: Gate, name: str) -> dict[str, Any]:
    """With the count of dates under the name that the gate between two stages has for it: `phase3_dates`."""
    body = gate.to_json()
    return {"pipeline": gate.pipeline, f"{name}_dates": body.pop("dates"), **body}


def gate_lines(gate: Gate, name: str, view: View) -> Iterator[str]:
    """As a gate between two stages is read."""
    yield f"{name}_dates: {gate.there}"
    yield f"missing_dates: {len(gate.missing)}"
    yield f"gate_status: {view.paint('good' if gate.is_complete else 'bad', gate.status)}"
    if gate.waived:
        yield view.paint("dim", f"waived: {ranges(gate.partitions.ranges_text(gate.waived), view)}")
    if gate.gaps:
        yield from ("", "missing")
        yield from gap_lines(gate.gaps, view)
    for text in gate.unread:
        yield view.paint("warn", f"{clean(text)}: what is expected now, nobody knows")


def gap_lines(gaps: Iterable[Gap], view: View) -> Iterator[str]:
    """Each with its partitions, and why."""
    yield from view.columns(
        (
            [name_cell(gap.node.name), ranges(gap.node.partitions.ranges_text(gap.partitions), view), _why(gap)]
            for gap in gaps
        ),
        "  ",
    )


def _why(gap: Gap) -> str:
    more = len(gap.partitions) - 1
    return clean(gap.why) + (f", and {counted(more, 'more')} like it" if more and "/" in gap.why else "")
