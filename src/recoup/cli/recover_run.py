"""A recovery that is carried out: one pipeline after the other, each a run like any other, and the gate at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recoup.app import backfilling
from recoup.app.backfilling import RunOptions, RunReport
from recoup.app.firing import Fired, fire
from recoup.app.gaps import Gate
from recoup.app.gate import gate
from recoup.app.recover import Recovery, begin
from recoup.app.recovering import Recovered
from recoup.app.workspace import Workspace
from recoup.cli import version
from recoup.cli.gate_text import gate_json, gate_lines
from recoup.cli.output import Output, error_json
from recoup.cli.progress import Shown
from recoup.cli.recover_text import Typed, needs_left, recovered_json
from recoup.cli.run_text import report_json, report_lines
from recoup.cli.tally import Tally
from recoup.cli.typed import typed
from recoup.model.errors import ExitCode, RecoupError

STOPPED = ("interrupted", "cancelled", "stopped")


@dataclass(frozen=True, slots=True)
class Ended:
    """How the run of one pipeline ended."""

    recovery: Recovery
    report: RunReport
    tally: Tally

    @property
    def is_stopped(self) -> bool:
        """Whether somebody stopped it, so that nothing after it is begun."""
        return self.report.state in STOPPED


@dataclass
class Carrying:
    """Carries a recovery out, and tells how it ended."""

    workspace: Workspace
    output: Output
    found: Recovered
    given: Typed
    options: RunOptions
    ended: list[Ended] = field(default_factory=list)
    gates: list[tuple[Recovery, Gate]] = field(default_factory=list)
    fired: list[Fired] = field(default_factory=list)

    def out(self, reason: str) -> ExitCode:
        """Until the last one has ended, or somebody stops it."""
        parallel = self.options.max_parallel or self.workspace.settings.max_parallel
        shown = Shown(self.output, self.workspace.clock, "recover", version(), parallel)
        try:
            with self.output.apart(), shown.on():
                for one in self.found.recoveries:
                    if one.planned.plan.actions and not self._stopped:
                        self._one(one, reason, shown)
                if not self._stopped:
                    for fired in fire(self.workspace, self.options):
                        self.fired.append(fired)
            self._verify()
        except RecoupError as error:
            return self._broken_off(error, shown.backfill_id)
        return self._told()

    def _broken_off(self, error: RecoupError, backfill_id: str | None) -> ExitCode:
        """What was done until then is told all the same."""
        if not self.output.json:
            self._tell()
            raise error
        more = {"state": "error", "backfill_id": backfill_id, "done": False, "error": error_json(error)}
        self.output.result({**self._body(), **more}, error.exit_code, "")
        return error.exit_code

    def _one(self, one: Recovery, reason: str, shown: Shown) -> None:
        begin(self.workspace, one, reason)
        report = backfilling.run(
            self.workspace, one.request, one.name, self.options, on_plan=shown.on_plan, observe=shown.observe
        )
        assert shown.tally is not None
        self.ended.append(Ended(one, report, shown.tally))

    def _verify(self) -> None:
        """Where a window was named, all of it is held against the data; a run looks at what it has touched."""
        asked = self.found.asked
        if self._stopped or not asked.has_window:
            return
        for one in self.found.recoveries:
            if one.name in asked.pipelines:
                found = gate(
                    self.workspace,
                    one.name,
                    start=asked.start,
                    end=asked.end,
                    partitions=asked.partitions,
                    steps=asked.steps,
                )
                self.gates.append((one, found))

    @property
    def _stopped(self) -> RunReport | None:
        """Of the run that a person or a limit has stopped, and with it all that was to come."""
        ran = [one.report for one in self.ended if one.is_stopped]
        return next(iter([*ran, *(one.report for one in self.fired if one.is_stopped and one.report)]), None)

    @property
    def _code(self) -> ExitCode:
        if self._stopped:
            return self._stopped.exit_code
        codes = [*(one.report.exit_code for one in self.ended), *(one.exit_code for one in self.fired)]
        failed = any(code is not ExitCode.DONE for code in codes)
        open_ = any(not found.is_complete for _, found in self.gates)
        return ExitCode.INCOMPLETE if failed or open_ or needs_left(self.found) else ExitCode.DONE

    def _told(self) -> ExitCode:
        code, command = self._code, self._next()
        if self.output.json:
            self.output.result(self._body(), code, command)
            return code
        self._tell()
        for left in needs_left(self.found):
            self.output.data(left)
        self.output.next(command)
        return code

    def _tell(self) -> None:
        """What was done, for people."""
        view = self.output.out_view
        for one in self.ended:
            for line in report_lines(one.report, one.tally, view):
                self.output.data(line)
        for fired in self.fired:
            if fired.state != "nothing":
                self.output.data(f"downstream: {fired.pipeline}: {fired.state}")
        for recovery, found in self.gates:
            for line in gate_lines(found, recovery.name, view):
                self.output.data(line)

    def _body(self) -> dict[str, Any]:
        runs = [{"pipeline": one.recovery.name, **report_json(one.report, one.tally)} for one in self.ended]
        ended = [one.report for one in reversed(self.ended)]
        worst = next((one.state for one in [self._stopped, *ended] if one and one.state != "done"), "done")
        state = "incomplete" if worst == "done" and self._code is ExitCode.INCOMPLETE else worst
        gates = [gate_json(found, recovery.name) for recovery, found in self.gates]
        more = {"runs": runs, "gates": gates, "fired": [one.to_json() for one in self.fired]}
        return {"state": state, **recovered_json(self.found, self.given), "done": True, **more}

    def _next(self) -> str:
        if self._stopped:
            return self.given.again(f"recoup backfill resume {self._stopped.backfill_id}")
        if self._code is not ExitCode.DONE:
            return self.given.command()
        named = [one.name for one in self.found.recoveries] if len(self.found.recoveries) == 1 else []
        return self.given.again(typed("status", *named))
