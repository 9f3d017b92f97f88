"""`recoup escalate`: hand a failure over, with everything that the next person will ask for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from recoup.app.bundle import write_bundle
from recoup.app.escalation import Escalation
from recoup.app.escalation import escalate as gather
from recoup.cli import names
from recoup.cli.escalation_files import files_of
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.text import View, clean, counted
from recoup.cli.typed import typed

_USUAL = Common()


def escalate(
    *words: Annotated[
        str, Parameter(help="A pipeline, then a partition, a run or a group; or one alone.", completer=names.pipelines)
    ],
    output: Annotated[
        Path | None, Parameter(name=["-o", "--output"], help="The zip, or with another name the folder, to write.")
    ] = None,
    common: Common = _USUAL,
) -> Answer:
    """Write one file to hand over: what is wrong, what was tried, how it stands, the code, and where to read on."""
    workspace = common.workspace()
    found = gather(workspace, words)
    target, files = None, files_of(found, common.again) if found.cases else {}
    if files:
        target = output or Path(
            f"escalation-{_subject(found)}-{datetime.fromtimestamp(found.at, UTC):%Y%m%d-%H%M%S}.zip"
        )
        write_bundle(target, files)
    active = [row.backfill_id for one in found.statuses.values() for row in one.active if row.state == "running"]
    pause = f"recoup backfill pause {active[0]}" if active else typed("why", *words)
    return Answer(
        "escalate",
        {
            "output": None if target is None else str(target),
            "files": sorted(files),
            "causes": [case.wrong.cause.group for case in found.cases],
            "active_backfills": active,
        },
        lambda view: _lines(found, target, view),
        next=common.again(pause if found.cases else typed("status", *words[:1])),
    )


def _subject(found: Escalation) -> str:
    """What the file is called for: the pipeline, where it is one."""
    pipelines = list(found.statuses)
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in pipelines[0]) if len(pipelines) == 1 else "all"
    return safe.strip("-") or "all"


def _lines(found: Escalation, target: Path | None, view: View) -> Iterator[str]:
    if target is None:
        yield f"{', '.join(found.why.pipelines) or 'nothing'}: nothing is wrong, so there is nothing to hand over"
        return
    yield f"{target}: {counted(len(found.cases), 'cause')}; begin with report.md"
    for case in found.cases:
        failure = case.wrong.newest.failure
        yield from view.columns(
            [[case.wrong.cause.group, case.step, f"{failure.kind}: {clean(failure.message)}"]], "  "
        )
