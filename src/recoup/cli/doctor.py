"""`recoup doctor`: one line for each check, with its evidence, and the remedy where it failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from cyclopts import Parameter

from recoup.app.doctor import Check
from recoup.app.doctor import doctor as examine
from recoup.app.settings import Settings
from recoup.cli import names
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.text import Cell, View, clean, counted
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode

_USUAL = Common()
_STYLE = {"pass": "good", "fail": "bad", "unknown": "warn"}


def doctor(
    *pipelines: Annotated[
        str, Parameter(help="Only these; without, all that recoup.toml names.", completer=names.pipelines)
    ],
    common: Common = _USUAL,
) -> Answer:
    """Check settings, ledger, lake, disks, pipelines, sinks and extras; exit with 1 when one of them fails."""
    workspace = common.workspace()
    checks = examine(workspace, pipelines)
    failed = [check for check in checks if check.verdict == "fail"]
    unknown = [check for check in checks if check.verdict == "unknown"]
    return Answer(
        "doctor",
        {
            "checks": [
                {"check": c.name, "verdict": c.verdict, "evidence": c.evidence, "remedy": c.remedy} for c in checks
            ],
            "failed": len(failed),
            "unknown": len(unknown),
        },
        lambda view: _lines(checks, len(failed), len(unknown), view),
        next=common.again(_next(workspace.settings, pipelines, any_failed=bool(failed))),
        exit_code=ExitCode.INCOMPLETE if failed else ExitCode.DONE,
    )


def _next(settings: Settings, pipelines: Sequence[str], *, any_failed: bool) -> str:
    if any_failed:
        return typed("doctor", *pipelines)
    if pipelines or settings.pipelines:
        return typed("status", *pipelines[:1])
    return "recoup init sample"


def _lines(checks: list[Check], failed: int, unknown: int, view: View) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        verdict = Cell(check.verdict.ljust(7), _STYLE[check.verdict])
        yield from view.columns([[verdict, check.name.ljust(width), clean(check.evidence)]])
        if check.remedy:
            yield from view.columns([["       ", " " * width, f"→ {clean(check.remedy)}"]])
    yield ""
    word = counted(failed, "check") + " failed" if failed else "nothing failed"
    yield f"{word}{f', {unknown} unknown' if unknown else ''}"
