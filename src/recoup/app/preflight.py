"""The verb preflight: what would end a backfill badly, asked before it begins; then one partition end to end.

Nothing is written but what is taken away again: plans are made from a copy of the ledger, a sample is staged below runs
that nothing points to, and tables are only asked. `preflight(workspace, request, pipeline) -> Preflight`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from recoup.app.checks import Check, guarded, without_secrets
from recoup.app.doctor import lake_checks as lake_writable
from recoup.app.doctor import ledger_checks, pipeline_checks
from recoup.app.prechecks import plan_checks, room_checks, source_checks, table_checks
from recoup.app.prepare import Planned
from recoup.app.reach_checks import connection_checks
from recoup.app.scratch import Scratch, remove_empty, scratch
from recoup.app.trial import Trial
from recoup.app.workspace import Workspace
from recoup.model.errors import ExitCode, NotAKeyError, PartitionError, RecoupError, RefusedError, UsageError
from recoup.model.graph import Graph
from recoup.model.pipeline import Pipeline
from recoup.plan.plan import Verb
from recoup.plan.planner import make_plan
from recoup.plan.request import Only, Request
from recoup.plan.scope import Scope

SLIPS = (UsageError, PartitionError, NotAKeyError)
"""What was asked cannot be: told as such, and not as a finding."""
EVERYTHING = (Only.MISSING, Only.FAILED, Only.STALE)


@dataclass(frozen=True, slots=True)
class Preflight:
    """All checks in the order in which a backfill would stumble over them; `partition` is the one that was tried."""

    pipeline: str
    partition: str | None
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that a backfill should not begin with."""
        return tuple(check for check in self.checks if check.verdict == "fail")

    @property
    def exit_code(self) -> ExitCode:
        """4 as soon as one failed: it is a gate."""
        return ExitCode.REFUSED if self.failed else ExitCode.DONE

    def refuse(self, again: str) -> None:
        """RefusedError when a check failed."""
        if self.failed:
            first, more = self.failed[0], len(self.failed) - 1
            others = f" (and {more} more)" if more else ""
            message = f"the preflight of {self.pipeline} failed: {first.name}: {first.evidence}{others}"
            raise RefusedError(message, f"`{again}` shows all of it")


def preflight(
    workspace: Workspace,
    request: Request,
    pipeline: str | Pipeline,
    *,
    test_date: str | None = None,
    executor: str | None = None,
) -> Preflight:
    """Look at everything; UsageError for what cannot be asked, and nothing is changed whatever comes out."""
    loaded, place = workspace.pipeline(pipeline)
    _refuse_unknown(loaded, request)
    asking = _Asking(workspace, request, loaded, place, test_date, executor or workspace.settings.executor)
    with _lake_left_alone(workspace):
        checks = without_secrets(asking.checks(pipeline if isinstance(pipeline, str) else place))
    return Preflight(loaded.name, asking.tried, tuple(checks))


@dataclass
class _Asking:
    workspace: Workspace
    request: Request
    pipeline: Pipeline
    place: str
    test_date: str | None
    executor: str
    tried: str | None = None

    def checks(self, name: str) -> Iterator[Check]:
        """A copy of a ledger that cannot be read is none, so nothing that needs one is asked then."""
        yield Check("settings", "pass", str(self.workspace.settings.config or "no recoup.toml: the defaults"))
        yield from guarded(f"pipeline {name}", pipeline_checks(self.workspace, name))
        yield from guarded("connections", connection_checks(self.workspace, Graph.of(self.pipeline)))
        yield from guarded("ledger", ledger_checks(self.workspace))
        yield from guarded("lake", lake_writable(self.workspace))
        yield from guarded("plan", self._of_the_plan(), SLIPS)

    def _of_the_plan(self) -> Iterator[Check]:
        with scratch(self.workspace) as copy:
            try:
                planned = self._planned(copy, self.request)
            except RecoupError as error:
                if type(error) in SLIPS:
                    raise
                yield Check("sources and calendars", "fail", error.message, error.remedy)
                yield Check("plan", "unknown", "not made, because of that")
                return
            yield from source_checks(planned, self.workspace.settings.root)
            yield from plan_checks(planned)
            yield from table_checks(copy, self.workspace.store(), planned)
            trial, sizes = list[Check](), dict[int, int]()
            trial += guarded("trial", self._tried(copy, planned, sizes), SLIPS)
            yield from room_checks(self.workspace, copy, planned, sizes)
            yield from trial

    def _planned(self, copy: Scratch, request: Request) -> Planned:
        prepared = copy.workspace.prepared(copy.ledger, self.pipeline, request)
        return Planned(make_plan(request, prepared.graph, prepared.snapshot), prepared)

    def _tried(self, copy: Scratch, planned: Planned, sizes: dict[int, int]) -> Iterator[Check]:
        """The sample, by a plan of its own: whatever it is, it is looked at as if it were to be made anew."""
        key = self.test_date or _sample(planned)
        if key is None:
            yield Check("trial", "unknown", "no partition was found to try", "name one with --test-date")
            return
        self.tried = key
        asked = replace(self.request, start=None, end=None, partitions=(key,), exclude=(), only=EVERYTHING, stages=())
        trial = Trial(
            copy,
            self.workspace.store(),
            self._planned(copy, replace(asked, pause_between_seconds=0.0)),
            self.place,
            self.executor,
            key,
            sizes,
        )
        yield from trial.run()


def _sample(planned: Planned) -> str | None:
    """The first partition that the plan would run; where it runs nothing, the last one that was asked for."""
    prepared = planned.prepared
    anchor = prepared.graph.anchor
    for group in planned.plan.groups:
        node = prepared.graph.nodes[group.node]
        if (
            group.verb is Verb.RUN
            and node.partitions.identity() == anchor.identity()
            and group.ordinals.first is not None
        ):
            return anchor.name(group.ordinals.first)
    last = Scope(planned.plan.request, prepared.graph, prepared.snapshot).partitions.last
    return None if last is None else anchor.name(last)


def _refuse_unknown(pipeline: Pipeline, request: Request) -> None:
    """A step that there is not is a slip of the hand, not a finding."""
    graph = Graph.of(pipeline)
    for name in request.steps:
        graph.node(name)


@contextmanager
def _lake_left_alone(workspace: Workspace) -> Iterator[None]:
    """A lake that is not there yet is not there afterwards."""
    where = workspace.settings.lake
    is_new = "://" not in where and not Path(where).exists()
    try:
        yield
    finally:
        if is_new:
            remove_empty(Path(where), Path(where).parent)
