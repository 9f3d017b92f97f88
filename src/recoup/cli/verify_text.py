"""The five lines after a recovery, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from recoup.app.verified import Line, Outcome, Verified
from recoup.cli.gate_text import gate_json, gate_lines
from recoup.cli.text import Cell, Row, View, clean, counted

FOUND_SHOWN: Final = 5
_STYLE: Final = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.UNKNOWN: "warn"}


def verified_json(found: Verified, name: str) -> dict[str, Any]:
    """What the gate says, and the lines."""
    lines = [line.to_json() for line in found.lines]
    return {**gate_json(found.gate, name), "verified": found.is_sound and not found.is_idle, "lines": lines}


def verified_lines(found: Verified, name: str, view: View) -> Iterator[str]:
    """The gate, the lines, and what they found."""
    yield from gate_lines(found.gate, name, view)
    yield ""
    rows: list[Row] = [
        [str(number), line.name, Cell(str(line.outcome), _STYLE[line.outcome]), clean(line.evidence)]
        for number, line in enumerate(found.lines, start=1)
    ]
    yield from view.columns(rows)
    for number, line in enumerate(found.lines, start=1):
        yield from _found(number, line)
    yield ""
    yield view.paint(_colour(found), _verdict(found))


def _colour(found: Verified) -> str:
    if found.is_sound:
        return "warn" if found.is_idle else "good"
    return "bad"


def _found(number: int, line: Line) -> Iterator[str]:
    for sentence in line.found[:FOUND_SHOWN]:
        yield f"   {number}  {clean(sentence)}"
    if more := line.found[FOUND_SHOWN:]:
        yield f"   {number}  and {counted(len(more), 'more')}"


def _verdict(found: Verified) -> str:
    unknown = sum(line.outcome is Outcome.UNKNOWN for line in found.lines)
    parts = [f"{counted(len(found.failed), 'line')} of {len(found.lines)} failed"] if found.failed else []
    parts += [] if found.gate.is_complete else ["the data is incomplete"]
    parts += [f"{unknown} unknown"] if unknown else []
    return " · ".join([f"{found.gate.pipeline}: {_verdict_word(found)}", *parts])


def _verdict_word(found: Verified) -> str:
    if found.is_idle:
        why = "all that is expected is waived" if found.gate.expected else "nothing is expected"
        return f"nothing to verify: {why}"
    return "verified" if found.is_sound else "not verified"
