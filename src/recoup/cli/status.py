"""`recoup status`: is the data complete? what failed, what is blocked, and why?"""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from recoup.app.loading import all_pipelines
from recoup.app.status import Status
from recoup.app.status import status as ask
from recoup.app.workspace import Workspace
from recoup.cli.gaps import any_gap, gaps_json, gaps_lines
from recoup.cli.options import Common, End, Start, Steps
from recoup.cli.output import Answer
from recoup.cli.plan_text import run_words
from recoup.cli.status_text import overview_json, overview_lines, status_json, status_lines
from recoup.model.errors import ExitCode, RecoupError, UsageError
from recoup.plan.request import Request

What = Literal["failed", "blocked", "missing", "running", "waived", "stale", "unexpected"]
_USUAL = Common()


def status(
    pipeline: Annotated[str | None, Parameter(help="Its name; without one, all that recoup.toml names.")] = None,
    /,
    *partitions: Annotated[str, Parameter(help="Only these, instead of --start and --end.")],
    start: Start = None,
    end: End = None,
    step: Steps = None,
    only: Annotated[What | None, Parameter(help="List only what stands so.")] = None,
    gaps: Annotated[bool, Parameter(help="List only what is not complete, one partition a line.")] = False,
    check: Annotated[bool, Parameter(help="Exit with 3 when it is not complete.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Tell whether the data is complete; what failed, what is blocked, and why. Asks no source, changes nothing."""
    workspace = common.workspace()
    named = [pipeline] if pipeline else all_pipelines(workspace.settings)
    if len(named) > 1:
        if start or end or step or only or gaps:
            raise UsageError(
                "--start, --end, --step, --only and --gaps are for one pipeline", f"name one of {', '.join(named)}"
            )
        return _overview(workspace, named, common, check=check)
    if gaps and only:
        raise UsageError("--gaps and --only were both given", "a gap is whatever is not complete: leave --only out")
    found = ask(workspace, named[0], start=start, end=end, partitions=partitions, steps=tuple(step or ()))
    code = ExitCode.PENDING if check and not found.insight.complete else ExitCode.DONE
    if gaps:
        fill = run_words(Request(named[0], start, end, partitions, steps=tuple(step or ())), named[0])
        next_ = common.again(fill if any_gap(found) else _next(found, named[0]))
        return Answer("status", gaps_json(found), lambda view: gaps_lines(found, view), next_, code)
    return Answer(
        "status",
        status_json(found, only),
        lambda view: status_lines(found, only, view, workspace.clock.now()),
        next=common.again(_next(found, named[0])),
        exit_code=code,
    )


def _overview(workspace: Workspace, named: list[str], common: Common, *, check: bool) -> Answer:
    """One that cannot be loaded hides no other."""
    found: dict[str, Status | RecoupError] = {}
    for name in named:
        try:
            found[name] = ask(workspace, name)
        except RecoupError as error:
            found[name] = error
    open_ones = [name for name, one in found.items() if isinstance(one, RecoupError) or not one.insight.complete]
    return Answer(
        "status",
        overview_json(found),
        lambda view: overview_lines(found, view),
        next=common.again(f"recoup status {(open_ones or named)[0]}"),
        exit_code=ExitCode.PENDING if check and open_ones else ExitCode.DONE,
    )


def _next(found: Status, name: str) -> str:
    steps = [step.insight for step in found.steps]
    if found.active:
        return f"recoup backfill show {found.active[0].backfill_id}"
    if any(step.any_failed for step in steps):
        return f"recoup runs {name} --failed"
    if any(step.missing or step.blocked for step in steps):
        return f"recoup run {name}"
    if any(step.stale for step in steps):
        return f"recoup plan {name} --only stale"
    return f"recoup publish ls {name}"
