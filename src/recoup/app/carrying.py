"""One plan, by an engine of its own: the place where its parts are put together."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recoup.app.asof import as_of
from recoup.app.following import Following
from recoup.app.plugins import open_executor
from recoup.app.prepare import Planned
from recoup.app.workspace import Workspace
from recoup.engine.budgets import Budgets
from recoup.engine.events import Counts
from recoup.engine.inflight import Whose
from recoup.engine.machine import Machine
from recoup.engine.outages import Outages
from recoup.engine.publisher import Publisher
from recoup.engine.runner import Runner
from recoup.engine.runs import RunBook
from recoup.engine.stopping import Progress, Stopping
from recoup.engine.tasks import TaskMaker
from recoup.ledger.backfills import wish_of
from recoup.ledger.facts import Blocked
from recoup.ledger.leases import ControllerLease
from recoup.ledger.outages import outages
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.redact import redactor
from recoup.plan.plan import Verb
from recoup.ports import ObjectStore

LIVE = 10
"""The priority of a run of one partition; that of a backfill is 0."""
Observer = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """A backfill that is at work: its row number, its id, and since when there is one."""

    backfill: int
    backfill_id: str
    made_at: float


@dataclass
class Carrying:
    """What one backfill's plans have in common; `owes_manifests` when some could not be written."""

    workspace: Workspace
    ledger: Ledger
    lease: ControllerLease
    store: ObjectStore
    opened: Opened
    stopping: Stopping
    place: str
    executor: str | None
    following: Following
    owes_manifests: bool = False

    def carry_out(self, planned: Planned, observe: Observer) -> Counts:
        """Until everything has settled, or it is to stop."""
        runner = self._runner(planned, observe)
        try:
            return runner.run(blocked_by(planned))
        finally:
            self.stopping.wake = lambda: None  # what it would wake is closed
            runner.executor.close()
            runner.publisher.close()
            self.owes_manifests |= runner.publisher.owes

    def _runner(self, planned: Planned, observe: Observer) -> Runner:
        prepared, clock, chosen = planned.prepared, self.workspace.clock, planned.plan
        backfill, backfill_id = self.opened.backfill, self.opened.backfill_id
        pipeline = prepared.pipeline
        pools = {**self.workspace.settings.pools, **pipeline.pools}
        known = outages(LedgerReader(self.ledger.path, self.ledger.db))
        away = Outages(prepared.graph, prepared.node_ids, known)
        machine = Machine(prepared.graph, chosen, prepared.snapshot, pools, away.known())
        mode = chosen.request.as_of_mode
        _, controls = wish_of(self.ledger, backfill)
        max_parallel = self.workspace.settings.max_parallel
        executor = self._executor(min(controls.max_parallel or max_parallel, chosen.actions or 1))
        return Runner(
            whose=Whose(pipeline.name, backfill_id, self.following.mode, self.following.choice.value),
            backfill=backfill,
            graph=prepared.graph,
            node_ids=prepared.node_ids,
            code_versions=prepared.code_versions,
            machine=machine,
            budgets=Budgets(
                machine=machine,
                ledger=self.ledger,
                executor=executor,
                controller=self.lease.controller,
                backfill_id=backfill_id,
                host=socket.gethostname(),
                host_slots=max_parallel,
                usual_priority=LIVE if self.following.is_live else 0,
            ),
            outages=away,
            ledger=self.ledger,
            lease=self.lease,
            executor=executor,
            publisher=Publisher(self.store),
            tasks=TaskMaker(
                graph=prepared.graph,
                snapshot=prepared.snapshot,
                node_ids=prepared.node_ids,
                clock=clock,
                logs=self.workspace.settings.state / "logs",
                backfill_id=backfill_id,
                request=chosen.request,
            ),
            runs=RunBook(pipeline.name, as_of(mode, pipeline, self.opened.made_at), clock, limited=mode != "now"),
            clock=clock,
            stopping=self.stopping,
            observe=observe,
            redact=redactor(os.environ),
            others=prepared.others,
            controls=controls,
        )

    def _executor(self, workers: int) -> Any:  # noqa: ANN401 - the port's Executor
        settings = self.workspace.settings
        setup = {
            "root": str(settings.root),
            "config": settings.config and str(settings.config),
            "environment": settings.environment or "",
            "pipeline": self.place,
            "lake": self.store.describe(),
        }
        return open_executor(settings, self.executor or settings.executor, workers, setup)


def blocked_by(planned: Planned) -> list[Blocked]:
    """What its plan cannot run, and why."""
    ids = planned.prepared.node_ids
    groups = [group for group in planned.plan.groups if group.verb is Verb.BLOCK]
    return [Blocked(ids[group.node], ordinal, group.reason) for group in groups for ordinal in group.ordinals]
