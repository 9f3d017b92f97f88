"""`recoup plan`: what would run, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from recoup.app import backfilling
from recoup.app.following import following
from recoup.app.kept import kept
from recoup.app.loading import all_pipelines
from recoup.app.prepare import Planned
from recoup.app.workspace import Workspace
from recoup.cli import names
from recoup.cli.following import following_lines
from recoup.cli.options import Common, Scope, Stages
from recoup.cli.output import Answer
from recoup.cli.plan_text import kept_json, plan_json, plan_lines, plans_json, plans_lines, run_words
from recoup.cli.saved import save
from recoup.cli.stage_text import cut_json, cut_lines
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode, RecoupError, UsageError
from recoup.plan.stages import cut

_EVERYTHING, _USUAL = Scope(), Common()


def plan(
    pipeline: Annotated[
        str | None,
        Parameter(
            help="Its name in recoup.toml, or a place such as flights.py:flights; else all.", completer=names.pipelines
        ),
    ] = None,
    /,
    *partitions: Annotated[str, Parameter(help="Only these, instead of --start and --end.")],
    scope: Scope = _EVERYTHING,
    stage: Stages = None,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], help="Save it, for `recoup run --plan`.")] = None,
    check: Annotated[bool, Parameter(help="Exit with 3 when there is something to run.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Show what would run, and why; nothing is changed."""
    workspace = common.workspace()
    if stage and output is not None:
        raise UsageError("a saved plan runs as one, so it has no stages", "leave out -o, or --stage")
    if pipeline is None:
        named = all_pipelines(workspace.settings)
        if len(named) > 1 and stage:
            raise UsageError("stages are for one pipeline", f"name one of {', '.join(named)}")
        if len(named) > 1:
            return _overview(workspace, named, scope, output, common, check=check)
        pipeline = named[0]
    loaded, place = workspace.pipeline(pipeline)
    request = replace(scope.request(loaded.name, partitions), stages=tuple(stage or ()))
    planned = backfilling.plan(workspace, request, pipeline)
    stages = cut(planned.plan, planned.prepared.graph, planned.prepared.snapshot)
    left, wanted = kept(workspace, planned), following(workspace.settings, place, planned)
    if output is not None:
        text = json.dumps(planned.plan.to_json(planned.prepared.graph), indent=1, ensure_ascii=False)
        save(output, text, "the plan")
    pending = planned.plan.actions > 0
    carry_out = run_words(request, pipeline)
    if output is not None:
        # A saved plan knows its pipeline by its own name, which need not be one of recoup.toml's.
        names_it = [] if loaded.name in workspace.settings.pipelines else [pipeline]
        carry_out = typed("run", *names_it, flags=["--plan", str(output)])
    look = typed("status", pipeline, flags=["--only", "blocked"] if planned.plan.blocked else [])
    return Answer(
        "plan",
        {
            **plan_json(planned),
            "kept": kept_json(left),
            "following": wanted.to_json(),
            "stages": cut_json(planned, stages),
        },
        lambda view: [
            *plan_lines(planned, view, workspace.settings.max_parallel, left),
            *cut_lines(planned, stages, view),
            *following_lines(wanted),
        ],
        next=common.again(carry_out if pending else look),
        exit_code=ExitCode.PENDING if check and pending else ExitCode.DONE,
        notes=(f"saved: {output}",) if output is not None else (),
    )


def _overview(
    workspace: Workspace, named: list[str], scope: Scope, output: Path | None, common: Common, *, check: bool
) -> Answer:
    """One that cannot be planned hides no other."""
    usual = Scope(only=scope.only, order=scope.order, include_upstream=scope.include_upstream)
    if output is not None or scope != usual:
        names = ", ".join(named)
        raise UsageError("a window, steps, an as-of mode and -o are for one pipeline", f"name one of {names}")
    found: dict[str, Planned | RecoupError] = {}
    for name in named:
        try:
            found[name] = backfilling.plan(workspace, scope.request(workspace.pipeline(name)[0].name, ()), name)
        except RecoupError as error:
            found[name] = error
    pending = [name for name, one in found.items() if isinstance(one, RecoupError) or one.plan.actions]
    return Answer(
        "plan",
        plans_json(found),
        lambda view: plans_lines(found, view),
        next=common.again(run_words(scope.request(pending[0], ()), pending[0], "plan") if pending else "recoup status"),
        exit_code=ExitCode.PENDING if check and pending else ExitCode.DONE,
    )
