"""What follows a run: the pipelines that it fires, shown like runs of their own, and how to fire them later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from recoup.app.backfilling import RunOptions, RunReport
from recoup.app.carrying import Observer
from recoup.app.firing import Fired, OnPlan, fire
from recoup.app.firing_dates import DateByDate
from recoup.app.following import ENDED, Following, following
from recoup.app.prepare import Planned
from recoup.app.workspace import Workspace
from recoup.cli import version
from recoup.cli.output import Output
from recoup.cli.progress import Shown
from recoup.cli.run_text import report_lines
from recoup.cli.text import View, clean
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode
from recoup.plan.request import Downstream

_ALL = "missing,failed,stale"


class Followed:
    """Fires what is due after a run, and tells about it."""

    def __init__(self, workspace: Workspace, options: RunOptions, output: Output, pipeline: str) -> None:
        self._workspace, self._options, self._output = workspace, options, output
        self._place = workspace.pipeline(pipeline)[1]
        self._shown: Shown | None = None
        self._dates = DateByDate(workspace, options)
        self.fired: list[Fired] = []

    @contextmanager
    def meanwhile(self) -> Iterator[RunOptions]:
        """While the run goes on: for each date, if that was asked for; the options that the run is to have."""
        with self._dates.until_end():
            yield replace(self._options, stopping=self._dates.run_stopping)

    def on_plan(self, planned: Planned, backfill_id: str | None) -> None:
        """Before anything runs: say what follows, and begin to look."""
        wanted = following(self._workspace.settings, self._place, planned)
        if backfill_id is not None and not self._output.json:
            for line in following_lines(wanted):
                self._output.note(line, "dim")
        self._dates.begin(wanted, planned, backfill_id)

    def carry_out(self, report: RunReport) -> None:
        """All that is due now, unless somebody has just stopped what it would follow."""
        wanted, output = following(self._workspace.settings, self._place, report.planned), self._output
        for fired in self._dates.fired:
            self.fired.append(fired)
            self._tell(fired)
        if report.state not in (*ENDED, "nothing"):
            self._say(waiting_lines(wanted))
            return
        if any(fired.is_stopped for fired in self.fired):
            return
        if wanted.choice is Downstream.NONE:  # what others left due stays so, too: this command was to fire nothing
            self._say(held_lines(wanted) if report.backfill_id is not None else [])
            return
        with output.apart():
            for fired in fire(self._workspace, self._options, self._watch):
                self.fired.append(fired)
                self._tell(fired)

    def to_json(self, report: RunReport) -> dict[str, Any]:
        """For the closing line."""
        wanted = following(self._workspace.settings, self._place, report.planned)
        return {**wanted.to_json(), "fired": [one.to_json() for one in self.fired]}

    def exit_code(self, own: ExitCode) -> ExitCode:
        """That of a run whose followers have run, too: a signal first, then the run's own."""
        codes = [one.exit_code for one in self.fired]
        if stopped := [code for code in codes if code >= ExitCode.INTERRUPTED]:
            return stopped[0]
        return ExitCode.INCOMPLETE if own is ExitCode.DONE and any(codes) else own

    @property
    def next(self) -> str:
        """What to type about the first that did not go well; empty when all did."""
        for one in self.fired:
            if one.state in ("interrupted", "cancelled") and one.report:
                return f"recoup backfill resume {one.report.backfill_id}"
            if one.exit_code is not ExitCode.DONE:
                return typed("why" if one.report and one.report.counts.failed else "status", one.pipeline)
        return ""

    @contextmanager
    def _watch(self, pipeline: str) -> Iterator[tuple[OnPlan, Observer]]:
        if self._output.json:
            yield (lambda _planned, _id: None), (lambda _progress: None)
            return
        self._output.note(f"downstream: {pipeline}")
        parallel = self._options.max_parallel or self._workspace.settings.max_parallel
        self._shown = Shown(self._output, self._workspace.clock, "run", version(), parallel)
        with self._shown.on():
            yield self._shown.on_plan, self._shown.observe

    def _tell(self, fired: Fired) -> None:
        if self._output.json:
            self._output.record({"event": "downstream", **fired.to_json()})
        elif fired.report is not None and self._shown is not None and self._shown.tally is not None:
            self._say(["", *report_lines(fired.report, self._shown.tally, self._output.out_view)])
        elif fired.report is not None:
            self._say([f"downstream: {fired.pipeline}, {fired.report.backfill_id}: {fired.report.state}"])
        else:
            self._say(["", *unrun_lines(fired, self._output.out_view)])

    def _say(self, lines: list[str]) -> None:
        if not self._output.json:
            for line in lines:
                self._output.data(line)


def waiting_lines(wanted: Following) -> list[str]:
    """Of a run that was stopped."""
    if not wanted.pipelines or wanted.choice is Downstream.NONE:
        return []
    return [f"downstream: {', '.join(wanted.pipelines)} when this backfill has been resumed and has ended"]


def held_lines(wanted: Following) -> list[str]:
    """What is not fired, and what fires it later."""
    return [f"downstream: not fired; later: {typed('run', name, flags=['--only', _ALL])}" for name in wanted.pipelines]


def unrun_lines(fired: Fired, view: View) -> list[str]:
    """One that did not run."""
    if fired.waits:
        return [f"{fired.pipeline}: nothing to do yet: not all that it reads is there for {', '.join(fired.waits)}"]
    if fired.error is None:
        return [f"{fired.pipeline}: nothing to do: none of it is missing, failed or stale because of this"]
    lines = [view.paint("bad", f"{fired.pipeline} could not be fired: {clean(fired.error.message)}")]
    lines += [f"  {clean(fired.error.remedy)}"] if fired.error.remedy else []
    return [*lines, "  it stays due: the next `recoup run` fires it"]


def following_lines(wanted: Following) -> list[str]:
    """When the pipelines that follow are fired; empty where there are none."""
    when = {
        Downstream.HOLD: "once, at the end",
        Downstream.EACH: "as soon as it is complete" if wanted.is_live else "as soon as a date is complete",
        Downstream.NONE: "not fired",
    }
    return [f"downstream: {', '.join(wanted.pipelines)}, {when[wanted.choice]}"] if wanted.pipelines else []
