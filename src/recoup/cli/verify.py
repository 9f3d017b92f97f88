"""`recoup verify`: is the data really there, whatever the ledger says?"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from recoup.app.gaps import GapKind, Gate
from recoup.app.gate import gate as ask
from recoup.cli import names
from recoup.cli.gate_text import called, gate_json, gate_lines
from recoup.cli.options import Common, End, Start, Steps
from recoup.cli.output import Answer
from recoup.cli.plan_text import run_words
from recoup.cli.typed import typed
from recoup.model.errors import UsageError
from recoup.plan.request import Request

_USUAL = Common()


def verify(
    pipeline: Annotated[str, Parameter(help="Its name.", completer=names.pipelines)],
    /,
    *partitions: Annotated[str, Parameter(help="Only these, instead of --start and --end.")],
    start: Start = None,
    end: End = None,
    step: Steps = None,
    gate: Annotated[bool, Parameter(help="Only the calendar against the data, as between two stages.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Hold what the calendar expects against files and tables; exit code 1 as long as anything is missing."""
    if not gate:
        raise UsageError("what is to be verified?", f"`{typed('verify', pipeline, flags=['--gate'])}` passes the gate")
    workspace = common.workspace()
    found = ask(workspace, pipeline, start=start, end=end, partitions=partitions, steps=tuple(step or ()))
    name = called(workspace, pipeline, found)
    request = Request(pipeline, start, end, partitions, steps=tuple(step or ()))
    return Answer(
        "verify",
        gate_json(found, name),
        lambda view: gate_lines(found, name, view),
        next=common.again(_next(found, pipeline, request)),
        exit_code=found.exit_code,
    )


def _next(found: Gate, name: str, request: Request) -> str:
    if found.is_complete:
        return run_words(Request(name, request.start, request.end, request.partitions), name, "status")
    first = next(iter(found.gaps), None)
    if first is not None and first.kind is GapKind.UNREADABLE:
        return typed("lake verify", first.node.name)
    if first is not None and first.kind is GapKind.UNKNOWN:
        return typed("doctor", name)
    return run_words(request, name)
