"""`recoup doctor`: one line for each check, with its evidence, and the remedy where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from recoup.app.doctor import doctor as examine
from recoup.app.settings import Settings
from recoup.cli import names
from recoup.cli.check_text import check_lines, checks_json
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode

_USUAL = Common()


def doctor(
    *pipelines: Annotated[
        str, Parameter(help="Only these; without, all that recoup.toml names.", completer=names.pipelines)
    ],
    common: Common = _USUAL,
) -> Answer:
    """Check settings, ledger, lake, disks, pipelines, sinks and extras; exit with 1 when one of them fails."""
    workspace = common.workspace()
    checks = examine(workspace, pipelines)
    failed = any(check.verdict == "fail" for check in checks)
    return Answer(
        "doctor",
        checks_json(checks),
        lambda view: check_lines(checks, view),
        next=common.again(_next(workspace.settings, pipelines, any_failed=failed)),
        exit_code=ExitCode.INCOMPLETE if failed else ExitCode.DONE,
    )


def _next(settings: Settings, pipelines: Sequence[str], *, any_failed: bool) -> str:
    if any_failed:
        return typed("doctor", *pipelines)
    if pipelines or settings.pipelines:
        return typed("status", *pipelines[:1])
    return "recoup init sample"
