"""`recoup run`: carry a request out, show how it goes, and say how it ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from recoup.app import backfilling, preflight
from recoup.app.backfilling import RunOptions, RunReport
from recoup.app.gaps import GapKind
from recoup.app.memory_limits import unheld
from recoup.app.prepare import Planned
from recoup.app.workspace import Workspace
from recoup.cli import names, version
from recoup.cli.check_text import check_lines
from recoup.cli.following import Followed
from recoup.cli.options import Caution, Common, Pace, Reason, Scope, no_scope_with_a_plan
from recoup.cli.output import Output, error_json
from recoup.cli.plan_text import run_words
from recoup.cli.progress import Shown
from recoup.cli.run_text import report_json, report_lines
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode, RecoupError, UsageError
from recoup.plan.request import Request

_EVERYTHING, _USUAL_PACE, _AT_ONCE, _USUAL = Scope(), Pace(), Caution(), Common()


def run(
    pipeline: Annotated[
        str | None,
        Parameter(help="Its name in recoup.toml, or a place such as flights.py:flights.", completer=names.pipelines),
    ] = None,
    /,
    *partitions: Annotated[str, Parameter(help="Only these, instead of --start and --end.")],
    scope: Scope = _EVERYTHING,
    pace: Pace = _USUAL_PACE,
    caution: Caution = _AT_ONCE,
    executor: Annotated[
        Literal["processes", "threads", "inline"] | None,
        Parameter(help="Where steps run: threads for those that wait, inline for debugging."),
    ] = None,
    resume: Annotated[bool, Parameter(help="Go on with the newest unfinished backfill of the same request.")] = False,
    plan: Annotated[Path | None, Parameter(help="Run a saved plan, exactly as it is.")] = None,
    reason: Reason = None,
    common: Common = _USUAL,
) -> int:
    """Run what is missing or failed; what is published is left alone. To resume is to run the same command again."""
    set_ = pace.controls()
    if plan is not None:
        no_scope_with_a_plan(scope, partitions, caution)
        pipeline = pipeline or _pipeline_of(plan)
    workspace = common.workspace()
    if pipeline is None:
        there = ", ".join(workspace.settings.pipelines) or "nothing under [pipelines]"
        raise UsageError("no pipeline was named", f"recoup.toml has {there}; see `recoup run --help`")
    loaded, _ = workspace.pipeline(pipeline)
    request = Request(loaded.name) if plan is not None else caution.on(scope.request(loaded.name, partitions))
    options = RunOptions(set_.max_parallel, executor, resume, plan, set_.delay_seconds, set_.priority, reason)
    if caution.preflight:
        _look_first(workspace, request, pipeline, executor, Output(json=common.json))
    return carry_out(workspace, request, pipeline, options, common)


def _look_first(workspace: Workspace, request: Request, pipeline: str, executor: str | None, output: Output) -> None:
    """RefusedError when the preflight fails; its findings are told on stderr."""
    found = preflight.preflight(workspace, request, pipeline, executor=executor)
    if not output.json:
        for line in check_lines(found.failed or found.checks, output.err_view):
            output.note(line)
    found.refuse(
        run_words(replace(request, stages=(), stop_after=None, pause_between_seconds=0.0), pipeline, "preflight")
    )


def carry_out(
    workspace: Workspace,
    request: Request,
    pipeline: str,
    options: RunOptions,
    common: Common,
    command: str = "run",
) -> ExitCode:
    """Run it and tell about it; a NDJSON listener always gets a closing line."""
    output = Output(json=common.json)
    parallel = options.max_parallel or workspace.settings.max_parallel
    shown = Shown(output, workspace.clock, command, version(), parallel)
    executor = options.executor or workspace.settings.executor
    followed = Followed(workspace, options, output, pipeline)

    def on_plan(planned: Planned, backfill_id: str | None) -> None:
        shown.on_plan(planned, backfill_id)
        if backfill_id and (warning := unheld(planned, executor)):
            output.note(f"warning: {warning}", "warn")
        followed.on_plan(planned, backfill_id)

    try:
        with output.apart(), shown.on(), followed.meanwhile() as meanwhile:
            report = backfilling.run(
                workspace,
                request,
                pipeline,
                meanwhile,
                on_plan=on_plan,
                observe=shown.observe,
                on_stage=shown.on_stage,
            )
    except RecoupError as error:
        if not output.json:
            raise
        body = {"state": "error", "backfill_id": shown.backfill_id, "error": error_json(error)}
        output.result(body, error.exit_code, "")
        return error.exit_code
    assert shown.tally is not None
    if not output.json:
        for line in report_lines(report, shown.tally, output.out_view):
            output.data(line)
    followed.carry_out(report)
    exit_code = followed.exit_code(report.exit_code)
    command_next = common.again(
        _next(report, pipeline) if report.exit_code else followed.next or _next(report, pipeline)
    )
    if output.json:
        body = {**report_json(report, shown.tally), "following": followed.to_json(report)}
        output.result(body, exit_code, command_next)
    else:
        output.next(command_next)
    return exit_code


def _next(report: RunReport, name: str) -> str:
    if report.state in ("interrupted", "cancelled", "stopped"):
        return f"recoup backfill resume {report.backfill_id}"
    if report.counts.failed:
        return typed("why", name)
    if report.arrived and report.arrived.to_run:
        return run_words(report.planned.plan.request, name)
    if report.gate and any(gap.kind is not GapKind.NOT_PUBLISHED for gap in report.gate.gaps):
        return typed("verify", name, flags=["--gate"])
    if report.state == "incomplete":
        return typed("status", name, flags=["--only", "blocked"])
    request = report.planned.plan.request
    return run_words(Request(name, request.start, request.end, request.partitions), name, "status")


def _pipeline_of(path: Path) -> str:
    """The pipeline that a saved plan is for."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["request"]["pipeline"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is not what `recoup plan -o` writes"
        message = f"the saved plan {path} cannot be read: {reason}"
        raise UsageError(message, "make one with `recoup plan -o plan.json`") from error
