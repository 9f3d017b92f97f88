"""`recoup status`: is the data complete? what failed, what is blocked, and why?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from recoup.app.loading import all_pipelines
from recoup.app.standing import Status
from recoup.app.status import status as ask
from recoup.app.workspace import Workspace
from recoup.cli import names
from recoup.cli.gaps import any_gap, gaps_json, gaps_lines
from recoup.cli.options import Common, End, Start, Steps
from recoup.cli.output import Answer, Output
from recoup.cli.plan_text import run_words
from recoup.cli.status_text import overview_json, overview_lines, status_json, status_lines
from recoup.cli.typed import typed
from recoup.cli.watch import Watch
from recoup.model.errors import ExitCode, RecoupError, UsageError
from recoup.plan.request import Request

What = Literal["failed", "blocked", "missing", "running", "waived", "stale", "unexpected", "partial"]
_USUAL = Common()
_WATCH = "Show it again every so many seconds (2 without a number), until Ctrl-C."


def status(
    pipeline: Annotated[
        str | None, Parameter(help="Its name; without one, all that recoup.toml names.", completer=names.pipelines)
    ] = None,
    /,
    *partitions: Annotated[str, Parameter(help="Only these, instead of --start and --end.")],
    start: Start = None,
    end: End = None,
    step: Steps = None,
    only: Annotated[What | None, Parameter(help="List only what stands so.")] = None,
    gaps: Annotated[bool, Parameter(help="List only what is not complete, one partition a line.")] = False,
    check: Annotated[
        bool, Parameter(help="Exit with 3 when it is not complete; with --watch, end when it is.")
    ] = False,
    watch: Annotated[float | None, Parameter(metavar="SECONDS", help=_WATCH)] = None,
    common: Common = _USUAL,
) -> Answer | ExitCode:
    """Tell whether the data is complete; what failed, what is blocked, and why. Asks no source, changes nothing."""
    workspace = common.workspace()
    question = _Question(workspace, common, pipeline, partitions, start, end, tuple(step or ()), only, gaps, check)
    if watch is None:
        return question.answer()
    return Watch(Output(json=common.json), workspace.clock, question.answer, watch).run(until_done=check)


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked; it can be answered again and again."""

    workspace: Workspace
    common: Common
    pipeline: str | None
    partitions: tuple[str, ...]
    start: str | None
    end: str | None
    steps: tuple[str, ...]
    only: What | None
    gaps: bool
    check: bool

    def answer(self) -> Answer:
        """As it stands now."""
        named = [self.pipeline] if self.pipeline else all_pipelines(self.workspace.settings)
        if len(named) == 1:
            return self._of_one(named[0])
        if self.start or self.end or self.steps or self.only or self.gaps:
            raise UsageError(
                "--start, --end, --step, --only and --gaps are for one pipeline", f"name one of {', '.join(named)}"
            )
        return self._of_all(named)

    def _of_one(self, name: str) -> Answer:
        if self.gaps and self.only:
            raise UsageError("--gaps and --only were both given", "a gap is whatever is not complete: leave --only out")
        workspace, only, again = self.workspace, self.only, self.common.again
        found = ask(
            workspace,
            name,
            start=self.start,
            end=self.end,
            partitions=self.partitions,
            steps=self.steps,
            ask=self.check,
        )
        code = _code(found) if self.check else ExitCode.DONE
        notes = tuple(f"warning: {text}; as it was at the last plan" for text in found.unread)
        if self.gaps:
            fill = run_words(Request(name, self.start, self.end, self.partitions, steps=self.steps), name)
            next_ = again(fill if any_gap(found) else _next(found, name))
            return Answer("status", gaps_json(found), lambda view: gaps_lines(found, view), next_, code, notes)
        return Answer(
            "status",
            status_json(found, only),
            lambda view: status_lines(found, only, view, workspace.clock.now()),
            next=again(_next(found, name)),
            exit_code=code,
            notes=notes,
        )

    def _of_all(self, named: list[str]) -> Answer:
        """One that cannot be loaded hides no other."""
        found: dict[str, Status | RecoupError] = {}
        for name in named:
            try:
                found[name] = ask(self.workspace, name, ask=self.check)
            except RecoupError as error:
                found[name] = error
        open_ones = [name for name, one in found.items() if isinstance(one, RecoupError) or _code(one)]
        return Answer(
            "status",
            overview_json(found),
            lambda view: overview_lines(found, view),
            next=self.common.again(typed("status", (open_ones or named)[0])),
            exit_code=ExitCode.PENDING if self.check and open_ones else ExitCode.DONE,
        )


def _code(found: Status) -> ExitCode:
    """What `--check` tells: with a calendar that nobody could read, nobody knows whether it is complete."""
    if not found.insight.complete:
        return ExitCode.PENDING
    return ExitCode.UNREACHABLE if found.unread else ExitCode.DONE


def _next(found: Status, name: str) -> str:
    steps = [step.insight for step in found.steps]
    if found.active:
        return f"recoup backfill show {found.active[0].backfill_id}"
    if found.undone:
        return f"recoup backfill resume {found.undone[0].backfill_id}"
    if any(step.any_failed for step in steps):
        return typed("why", name)
    if any(step.missing or step.blocked for step in steps):
        return typed("run", name)
    if any(step.stale for step in steps):
        return typed("plan", name, flags=["--only", "stale"])
    return typed("publish ls", name)
