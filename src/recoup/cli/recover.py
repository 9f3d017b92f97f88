"""`recoup recover`: what puts the past right; shown first, and done after a yes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from recoup.app import backfilling
from recoup.app.backfilling import RunOptions, RunReport
from recoup.app.recover import Recovery, begin
from recoup.app.recovering import Recovered, recoveries
from recoup.app.retry import Insisted
from recoup.app.workspace import Workspace
from recoup.cli import names, version
from recoup.cli.options import Common, End, Pace, Start, Steps
from recoup.cli.output import Answer, Output, error_json
from recoup.cli.progress import Shown
from recoup.cli.recover_text import recovered_json, recovered_lines
from recoup.cli.run_text import report_json, report_lines
from recoup.cli.tally import Tally
from recoup.cli.text import View
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode, RecoupError, UsageError

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
    reason: Annotated[str | None, Parameter(metavar="TEXT", help="Why, for the history.")] = None,
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
    workspace = common.workspace()
    found = recoveries(workspace, words, start=start, end=end, steps=tuple(step or ()), insisted=insisted)
    given = _Given(words, _flags(start, end, step, insisted))
    parallel = set_.max_parallel or workspace.settings.max_parallel
    doing = [one for one in found.recoveries if one.planned.plan.actions]
    output = Output(json=common.json)
    if doing and not (yes or dry_run) and _may_ask(output):
        for line in recovered_lines(found, output.out_view, parallel):
            output.data(line)
        if not _agreed(output):
            output.note("nothing has been changed")
            return ExitCode.DONE
        yes = True
    elif doing and yes and not output.json:
        for line in recovered_lines(found, output.err_view, parallel):
            output.note(line)
    if not (yes and doing):
        return _shown(found, given, common, parallel, yes=yes)
    options = RunOptions(set_.max_parallel, executor, False, None, set_.delay_seconds, set_.priority)
    return _Carrying(workspace, output, found, given, options, common, parallel).out(doing, reason or "")


@dataclass(frozen=True, slots=True)
class _Given:
    """What was typed, to be typed again."""

    words: Sequence[str]
    flags: Sequence[str]

    def command(self, verb: str, *flags: str) -> str:
        return typed(verb, *self.words, flags=[*self.flags, *flags])


def _flags(start: str | None, end: str | None, steps: Sequence[str] | None, insisted: Insisted) -> list[str]:
    given = {"--start": start, "--end": end}
    flags = [word for flag, value in given.items() if value is not None for word in (flag, value)]
    flags += [word for name in steps or () for word in ("--step", name)]
    flags += ["--force"] if insisted.force else []
    return [*flags, *(["--reason", insisted.reason] if insisted.reason else [])]


def _may_ask(output: Output) -> bool:
    """Whether somebody is there who can answer."""
    return not output.json and sys.stdin.isatty() and output.err_view.width is not None


def _agreed(output: Output) -> bool:
    output.draw("put this right now? [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _shown(found: Recovered, given: _Given, common: Common, parallel: int, *, yes: bool) -> Answer:
    """The plan; with a yes, there is nothing in it for recoup to do."""
    doing = any(one.planned.plan.actions for one in found.recoveries)
    waits_for_you = any(one.needs for one in found.recoveries)
    changed = ["nothing has been changed"] if doing else []

    def lines(view: View) -> Sequence[str]:
        return [*recovered_lines(found, view, parallel), *changed]

    return Answer(
        "recover",
        {**recovered_json(found), "done": False},
        lines,
        next=common.again(given.command("recover", "--yes") if doing else _look(found)),
        exit_code=ExitCode.INCOMPLETE if yes and waits_for_you else ExitCode.DONE,
        notes=tuple(f"warning: {name}: {error.message}" for name, error in found.errors.items()),
    )


def _look(found: Recovered) -> str:
    """Where there is nothing to do: what else there is to see."""
    named = [one.name for one in found.recoveries] if len(found.recoveries) == 1 else []
    return typed("why" if any(one.needs for one in found.recoveries) else "status", *named)


@dataclass
class _Carrying:
    """Carries it out, one pipeline after the other, and tells how it ended."""

    workspace: Workspace
    output: Output
    found: Recovered
    given: _Given
    options: RunOptions
    common: Common
    parallel: int
    ended: list[tuple[Recovery, RunReport, Tally]] = field(default_factory=list)

    def out(self, doing: Sequence[Recovery], reason: str) -> ExitCode:
        """Until the last one has ended, or somebody stops it."""
        shown = Shown(self.output, self.workspace.clock, "recover", version(), self.parallel)
        try:
            with self.output.apart(), shown.on():
                for one in doing:
                    self._one(one, reason, shown)
                    if self._stopped:
                        break
        except RecoupError as error:
            if not self.output.json:
                raise
            body = {"state": "error", "backfill_id": shown.backfill_id, "error": error_json(error)}
            self.output.result(body, error.exit_code, "")
            return error.exit_code
        return self._told()

    def _one(self, one: Recovery, reason: str, shown: Shown) -> None:
        begin(self.workspace, one, reason)
        report = backfilling.run(
            self.workspace, one.request, one.name, self.options, on_plan=shown.on_plan, observe=shown.observe
        )
        assert shown.tally is not None
        self.ended.append((one, report, shown.tally))

    @property
    def _stopped(self) -> bool:
        return bool(self.ended) and self.ended[-1][1].state in ("interrupted", "cancelled")

    @property
    def _code(self) -> ExitCode:
        if self._stopped:
            return self.ended[-1][1].exit_code
        failed = any(report.exit_code is not ExitCode.DONE for _, report, _ in self.ended)
        left = any(one.needs for one in self.found.recoveries)
        return ExitCode.INCOMPLETE if failed or left else ExitCode.DONE

    def _told(self) -> ExitCode:
        code, command = self._code, self.common.again(self._next())
        if self.output.json:
            self.output.result(self._body(), code, command)
            return code
        for _, report, tally in self.ended:
            for line in report_lines(report, tally, self.output.out_view):
                self.output.data(line)
        for one in self.found.recoveries:
            for need in one.needs:
                self.output.data(f"{one.name}: left to you: {need.what}: {need.message}")
        self.output.next(command)
        return code

    def _body(self) -> dict[str, Any]:
        runs = [{"pipeline": one.name, **report_json(report, tally)} for one, report, tally in self.ended]
        worst = next((r.state for _, r, _ in reversed(self.ended) if r.state != "done"), "done")
        state = "incomplete" if worst == "done" and self._code is ExitCode.INCOMPLETE else worst
        return {"state": state, **recovered_json(self.found), "done": True, "runs": runs}

    def _next(self) -> str:
        if self._stopped:
            return f"recoup backfill resume {self.ended[-1][1].backfill_id}"
        if any(report.counts.failed for _, report, _ in self.ended) or self._code is not ExitCode.DONE:
            return self.given.command("recover")
        named = [one.name for one in self.found.recoveries] if len(self.found.recoveries) == 1 else []
        return typed("status", *named)
