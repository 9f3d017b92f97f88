"""Checks for people and for programs: one line each with its evidence, and the remedy where it failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from recoup.app.checks import Check
from recoup.cli.text import Cell, View, clean, counted

_STYLE: Final = {"pass": "good", "fail": "bad", "unknown": "warn"}


def checks_json(checks: Sequence[Check]) -> dict[str, Any]:
    """All of them, and how many failed or could not be answered."""
    return {
        "checks": [{"check": c.name, "verdict": c.verdict, "evidence": c.evidence, "remedy": c.remedy} for c in checks],
        "failed": sum(check.verdict == "fail" for check in checks),
        "unknown": sum(check.verdict == "unknown" for check in checks),
    }


def check_lines(checks: Sequence[Check], view: View) -> Iterator[str]:
    """In the order in which they were asked, and the sum."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        verdict = Cell(check.verdict.ljust(7), _STYLE[check.verdict])
        yield from view.columns([[verdict, check.name.ljust(width), clean(check.evidence)]])
        if check.remedy:
            yield from view.columns([["       ", " " * width, f"→ {clean(check.remedy)}"]])
    sums = checks_json(checks)
    yield ""
    word = counted(sums["failed"], "check") + " failed" if sums["failed"] else "nothing failed"
    yield word + (f", {sums['unknown']} unknown" if sums["unknown"] else "")
