"""`recoup publish`: what readers see, and how to take it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from recoup.app import publications
from recoup.app.difference import difference
from recoup.app.rollback import RollbackReport
from recoup.app.rollback import rollback as take_back
from recoup.app.targets import own_pipeline
from recoup.app.workspace import Workspace
from recoup.cli import names
from recoup.cli.difference_text import difference_json, difference_lines
from recoup.cli.options import Common, End, Reason, Start
from recoup.cli.output import Answer
from recoup.cli.publish_text import (
    accepted_lines,
    history_json,
    history_lines,
    rollback_json,
    rollback_lines,
    shown_json,
    shown_lines,
)
from recoup.cli.typed import has_place, status_of, typed
from recoup.model.errors import ExitCode, UsageError

app = App(name="publish", help="List what is published; take it back, or accept what older code made.")

_USUAL = Common()
Target = Annotated[
    str, Parameter(name="TARGET", help="PIPELINE, PIPELINE.STEP, or a step alone.", completer=names.targets)
]
Yes = Annotated[bool, Parameter(help="Do it; without, it only shows what would be done.")]
_KEYS_TYPED = 5
Keys = Annotated[str, Parameter(help="Only these, instead of --start and --end.")]


@app.command(usage="recoup publish ls TARGET [PARTITION…] [OPTIONS]")
def ls(target: Target, /, *partitions: Keys, start: Start = None, end: End = None, common: Common = _USUAL) -> Answer:
    """List what is current: partition, run, generation, rows."""
    workspace = common.workspace()
    shown = publications.ls(workspace, target, partitions, start=start, end=end)
    return Answer(
        "publish ls",
        {"publications": [shown_json(one) for one in shown]},
        lambda view: shown_lines(shown, view),
        next=common.again(
            typed("publish show", shown[-1].dataset, shown[-1].partition) if shown else _first_run(workspace, target)
        ),
    )


@app.command(usage="recoup publish show TARGET PARTITION")
def show(target: Target, partition: str, /, *, common: Common = _USUAL) -> Answer:
    """Show everything that one partition ever showed, and whether its pointer agrees with the ledger."""
    workspace = common.workspace()
    history = publications.show(workspace, target, partition)
    pipeline, then = _pipeline(workspace, target), typed("publish ls", history.dataset)
    if has_place(workspace.settings, pipeline) and any(one.state == "past" for one in history.generations):
        then = typed("publish rollback", f"{pipeline}.{history.dataset}", partition)
    return Answer(
        "publish show",
        history_json(history),
        lambda view: history_lines(history, view),
        next=common.again(then),
        exit_code=ExitCode.DONE if history.agrees else ExitCode.INCOMPLETE,
    )


@app.command(usage="recoup publish diff STEP PARTITION [OLDER NEWER]")
def diff(
    target: Target,
    partition: str,
    older: Annotated[int | None, Parameter(help="A generation's number; else the one before the newer one.")] = None,
    newer: Annotated[int | None, Parameter(help="A generation's number; else the newest.")] = None,
    /,
    *,
    common: Common = _USUAL,
) -> Answer:
    """Compare two generations of a partition: rows, columns and digests."""
    found = difference(common.workspace(), target, partition, older, newer)
    return Answer(
        "publish diff",
        difference_json(found),
        lambda view: difference_lines(found, view),
        next=common.again(typed("publish show", found.dataset, partition)),
    )


@app.command(usage="recoup publish rollback TARGET [PARTITION…] [OPTIONS]")
def rollback(
    target: Annotated[
        str | None,
        Parameter(
            name="TARGET",
            help="PIPELINE, PIPELINE.STEP, or a step alone; with --backfill it may be left out.",
            completer=names.targets,
        ),
    ] = None,
    /,
    *partitions: Keys,
    start: Start = None,
    end: End = None,
    whole: Annotated[bool, Parameter(name="--all", negative=(), help="All partitions.")] = False,
    to: Annotated[
        str | None,
        Parameter(
            metavar="RUN|TIME",
            help="Show this run again, or what was shown at this ISO time (UTC without a zone), or none; else the run "
            "before.",
        ),
    ] = None,
    backfill: Annotated[
        str | None,
        Parameter(metavar="ID", help="What this backfill published, and nobody has published again since."),
    ] = None,
    yes: Yes = False,
    reason: Reason = None,
    common: Common = _USUAL,
) -> Answer:
    """Show again what the run before showed; tables follow. Nothing is deleted.

    Killed half-way, the same command does the rest.
    """
    _refuse_no_scope(target or "a backfill", bool(partitions or start or end), whole, backfill is not None)
    if backfill is not None and to is not None:
        raise UsageError("--backfill and --to were both given", "a backfill goes back to what was before it")
    workspace = common.workspace()
    report = take_back(
        workspace, target, partitions, start=start, end=end, to=to, backfill=backfill, yes=yes, reason=reason
    )
    window = [*_flag("--start", start), *_flag("--end", end)]
    flags = [*window, *_flag("--to", to), *_flag("--backfill", backfill)]
    flags += [*(["--all"] if whole else []), *_flag("--reason", reason), "--yes"]
    again = typed("publish rollback", *([target] if target else []), *partitions, flags=flags)
    then = _then(workspace, report, target or report.pipeline, partitions or _of_backfill(report, backfill), window)
    return Answer(
        "publish rollback",
        rollback_json(report),
        lambda view: rollback_lines(report, view),
        next=common.again(again if report.plan.moves and not report.done else then),
        exit_code=_code(report),
    )


def _refuse_no_scope(target: str, window: bool, whole: bool, backfill: bool) -> None:  # noqa: FBT001 - what was given
    """Exactly one way to say which partitions are meant."""
    if window + whole + backfill == 1:
        return
    message = "partitions were said in two ways" if backfill else "--all leaves none out"
    if not (window or whole or backfill):
        message = f"which partitions of {target} to roll back was not said"
    raise UsageError(message, "name partitions, or --start and --end, or --all, or --backfill ID")


def _then(
    workspace: Workspace, report: RollbackReport, target: str, partitions: Sequence[str], window: Sequence[str]
) -> str:
    """What was taken back is out of date until it is made again: after the fix."""
    if report.moved and has_place(workspace.settings, report.pipeline):
        return typed("plan", report.pipeline, *partitions, flags=[*window, "--only", "missing,failed,stale"])
    return typed("publish ls", target)


def _of_backfill(report: RollbackReport, backfill: str | None) -> list[str]:
    """What of a backfill was taken back, where that is little to type."""
    keys = list(dict.fromkeys(move.partition for move in report.plan.moves)) if backfill else []
    return keys if len(keys) <= _KEYS_TYPED else []


@app.command(usage="recoup publish accept --code TARGET [PARTITION…] [OPTIONS]")
def accept(
    target: Target,
    /,
    *partitions: Keys,
    start: Start = None,
    end: End = None,
    code: Annotated[
        bool, Parameter(help="Accept the code that made it; the only thing there is to accept so far.")
    ] = True,
    yes: Yes = False,
    reason: Reason = None,
    common: Common = _USUAL,
) -> Answer:
    """Bless what older code made, as if today's code had made it: it is stale no more."""
    del code
    workspace = common.workspace()
    found = publications.accept(workspace, target, partitions, start=start, end=end, yes=yes, reason=reason)
    flags = [*_flag("--start", start), *_flag("--end", end), *_flag("--reason", reason), "--yes"]
    pipeline = _pipeline(workspace, target)
    again = typed("publish accept --code", target, *partitions, flags=flags)
    return Answer(
        "publish accept",
        {"done": found.done, "count": found.count, "ranges": found.ranges},
        lambda view: accepted_lines(found, view),
        next=common.again(again if found.count and not found.done else status_of(workspace.settings, pipeline)),
    )


def _pipeline(workspace: Workspace, target: str) -> str:
    """Whose the target is, as `recoup run` takes it."""
    with workspace.reader() as reader:
        return str(own_pipeline(workspace.settings, reader, target).pipeline)


def _first_run(workspace: Workspace, target: str) -> str:
    pipeline = _pipeline(workspace, target)
    return typed("run", pipeline) if has_place(workspace.settings, pipeline) else "recoup backfill ls"


def _flag(name: str, value: str | None) -> list[str]:
    return [name, value] if value else []


def _code(report: RollbackReport) -> ExitCode:
    """What would be refused is refused when it is only shown, too."""
    return ExitCode.REFUSED if report.plan.refused and not report.done else report.exit_code
