"""`recoup verify`: after a recovery, is everything really there, whatever the ledger says?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from cyclopts import Parameter

from recoup.app.gaps import Gap, GapKind, Gate
from recoup.app.gate import gate as ask
from recoup.app.recover_lost import MADE_AGAIN
from recoup.app.verified import Verified
from recoup.app.verifying import verify as look
from recoup.app.verifying import verify_backfill
from recoup.cli import names
from recoup.cli.gate_text import called, gate_json, gate_lines
from recoup.cli.options import Common, End, Start, Steps
from recoup.cli.output import Answer
from recoup.cli.plan_text import run_words
from recoup.cli.typed import typed
from recoup.cli.verify_text import verified_json, verified_lines
from recoup.model.errors import UsageError
from recoup.plan.request import Request

_USUAL = Common()
NAMED: Final = 5
"""So many partitions stand in the next command one by one."""


def verify(
    pipeline: Annotated[str | None, Parameter(help="Its name.", completer=names.pipelines)] = None,
    /,
    *partitions: Annotated[str, Parameter(help="Only these, instead of --start and --end.")],
    start: Start = None,
    end: End = None,
    step: Steps = None,
    gate: Annotated[bool, Parameter(help="Only the calendar against the data, as between two stages.")] = False,
    backfill: Annotated[
        str | None, Parameter(metavar="ID", help="What this backfill was asked for, since it began.")
    ] = None,
    since: Annotated[
        str | None, Parameter(metavar="TIME", help="When the recovery began, such as 2h ago; else the newest backfill.")
    ] = None,
    common: Common = _USUAL,
) -> Answer:
    """Hold what is expected against pointers, manifests, files and tables; exit code 1 as long as anything fails."""
    workspace = common.workspace()
    if backfill is not None:
        if pipeline or partitions or start or end or step or gate or since:
            raise UsageError("--backfill tells which partitions of which pipeline", "give nothing beside it")
        name, found = verify_backfill(workspace, backfill)
        return _answer(found, called(workspace, name, found.gate), _next(found.gate, found, Request(name)), common)
    if pipeline is None:
        there = ", ".join(workspace.settings.pipelines) or "nothing under [pipelines]"
        raise UsageError("no pipeline was named", f"recoup.toml has {there}; or give --backfill ID")
    request = Request(pipeline, start, end, partitions, steps=tuple(step or ()))
    if gate:
        if since:
            raise UsageError("--since is for what failed, at which the gate does not look", "leave one of them out")
        passed = ask(workspace, pipeline, start=start, end=end, partitions=partitions, steps=request.steps)
        name = called(workspace, pipeline, passed)
        return Answer(
            "verify",
            gate_json(passed, name),
            lambda view: gate_lines(passed, name, view),
            next=common.again(_next(passed, None, request)),
            exit_code=passed.exit_code,
        )
    found = look(workspace, pipeline, start=start, end=end, partitions=partitions, steps=request.steps, since=since)
    return _answer(found, called(workspace, pipeline, found.gate), _next(found.gate, found, request), common)


def _answer(found: Verified, name: str, next_: str, common: Common) -> Answer:
    return Answer(
        "verify",
        verified_json(found, name),
        lambda view: verified_lines(found, name, view),
        next=common.again(next_),
        exit_code=found.exit_code,
    )


def _next(passed: Gate, found: Verified | None, request: Request) -> str:
    """What puts the first gap right; where there is none, what tells more of a line that fails."""
    if passed.gaps:
        return _filling(passed.gaps[0], request)
    failed = {line.name for line in found.failed} if found else set()
    if "failures" in failed:
        return typed("why", request.pipeline)
    if failed & {"counts", "reads"}:
        return typed("lake verify")
    return run_words(
        Request(request.pipeline, request.start, request.end, request.partitions), request.pipeline, "status"
    )


def _filling(gap: Gap, request: Request) -> str:
    if gap.kind in MADE_AGAIN:
        return run_words(_window(gap, request), request.pipeline, "recover")
    if gap.kind is GapKind.UNKNOWN:
        return typed("doctor", request.pipeline)
    return run_words(request, request.pipeline)


def _window(gap: Gap, request: Request) -> Request:
    """A recovery looks at the data itself only within a window."""
    if request.start or request.end or request.partitions:
        return request
    keys = tuple(gap.node.partitions.name(ordinal) for ordinal in gap.partitions)
    if len(keys) > NAMED and gap.node.partitions.is_time:
        times = [key.partition("/")[0] for key in keys]  # of a grid
        return replace(request, start=min(times), end=max(times))
    return replace(request, partitions=keys)
