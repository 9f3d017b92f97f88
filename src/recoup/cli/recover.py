"""`recoup recover`: what puts the past right; shown first, and done after a yes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from recoup.app.recovering import Recovered, recoveries
from recoup.app.retry import Insisted
from recoup.cli import names
from recoup.cli.options import Common, End, Pace, Reason, Start, Steps
from recoup.cli.output import Answer, Output
from recoup.cli.recover_text import Typed, needs_left, recovered_json, recovered_lines
from recoup.cli.text import View
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode, UsageError

_USUAL_PACE, _USUAL = Pace(), Common()


def recover(
    *words: Annotated[
        str,
        Parameter(
            help="A pipeline, then partitions, or the groups that `recoup why` names.", completer=names.pipelines
        ),
    ],
    start: Start = None,
    end: End = None,
    step: Steps = None,
    dry_run: Annotated[bool, Parameter(help="Show the plan, and do nothing.")] = False,
    yes: Annotated[bool, Parameter(help="Do it, without being asked.")] = False,
    force: Annotated[
        bool, Parameter(help="Also what would fail again, though nothing changed; with --reason.")
    ] = False,
    reason: Reason = None,
    pace: Pace = _USUAL_PACE,
    executor: Annotated[
        Literal["processes", "threads", "inline"] | None, Parameter(help="Where steps run, as in `recoup run`.")
    ] = None,
    common: Common = _USUAL,
) -> Answer | ExitCode:
    """Fill gaps, retry and rerun what failed, in an order that works; name what only a person can do."""
    if yes and dry_run:
        raise UsageError("--yes and --dry-run contradict each other", "leave one of them out")
    set_, insisted = pace.controls(), Insisted(force, reason)
    workspace, output = common.workspace(), Output(json=common.json)
    found = recoveries(
        workspace, words, start=start, end=end, steps=tuple(step or ()), insisted=insisted, executor=executor
    )
    given = Typed(words, _window(start, end), _flags(step, insisted), common.again)
    parallel = set_.max_parallel or workspace.settings.max_parallel
    doing = found.is_doing
    if doing and yes and not output.json:
        for line in recovered_lines(found, given, output.err_view, parallel):
            output.note(line)
    elif doing and not dry_run and not yes and _may_ask(output):
        for line in recovered_lines(found, given, output.out_view, parallel):
            output.data(line)
        if not (yes := _agreed(output)):
            output.note("nothing has been changed")
            return ExitCode.DONE
    if not (yes and doing):
        return _shown(found, given, parallel, yes=yes)
    # Late: what carries it out costs more to import than all of the above takes.
    from recoup.app.backfilling import RunOptions
    from recoup.cli.recover_run import Carrying

    options = RunOptions(set_.max_parallel, executor, False, None, set_.delay_seconds, set_.priority, reason)
    return Carrying(workspace, output, found, given, options).out(reason or "")


def _window(start: str | None, end: str | None) -> list[str]:
    given = {"--start": start, "--end": end}
    return [word for flag, value in given.items() if value is not None for word in (flag, value)]


def _flags(steps: Sequence[str] | None, insisted: Insisted) -> list[str]:
    flags = [word for name in steps or () for word in ("--step", name)]
    flags += ["--force"] if insisted.force else []
    return [*flags, *(["--reason", insisted.reason] if insisted.reason else [])]


def _may_ask(output: Output) -> bool:
    """Whether somebody is there who can answer."""
    return not output.json and sys.stdin.isatty() and output.err_view.width is not None


def _agreed(output: Output) -> bool:
    output.draw("put this right now? [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _shown(found: Recovered, given: Typed, parallel: int, *, yes: bool) -> Answer:
    """The plan; with a yes, there is nothing in it for recoup to do."""
    changed = ["nothing has been changed"] if found.is_doing else []

    def lines(view: View) -> Sequence[str]:
        return [*recovered_lines(found, given, view, parallel), *changed]

    return Answer(
        "recover",
        {**recovered_json(found, given), "done": False},
        lines,
        next=given.command("--yes") if found.is_doing else given.again(_look(found)),
        exit_code=_code(found) if yes else ExitCode.DONE,
        notes=tuple(f"warning: {name}: {error.message}" for name, error in found.errors.items()),
    )


def _code(found: Recovered) -> ExitCode:
    """Of a yes with nothing to do: what is left is a person's, or pending with somebody else."""
    if needs_left(found):
        return ExitCode.INCOMPLETE
    return ExitCode.PENDING if any(one.actions for one in found.recoveries) else ExitCode.DONE


def _look(found: Recovered) -> str:
    """Where there is nothing to do: what else there is to see."""
    named = [one.name for one in found.recoveries] if len(found.recoveries) == 1 else []
    return typed("why" if needs_left(found) else "status", *named)
