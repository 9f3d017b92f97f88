"""The verbs plan and run: a Request becomes a Plan, and the engine carries it out."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recoup.app.arrivals import Arrivals, arrivals
from recoup.app.asof import as_of
from recoup.app.coming import with_coming
from recoup.app.plugins import open_executor
from recoup.app.prepare import Planned, Prepared
from recoup.app.signals import stop_on_signals
from recoup.app.summary import summarise
from recoup.app.workspace import Workspace
from recoup.engine.budgets import Budgets
from recoup.engine.events import Counts
from recoup.engine.lost_manifests import mark_manifests, rewrite_lost_manifests
from recoup.engine.machine import Machine
from recoup.engine.publisher import Publisher
from recoup.engine.reconcile import reconcile
from recoup.engine.runner import Runner
from recoup.engine.runs import RunBook
from recoup.engine.stopping import Progress, Stopping
from recoup.engine.tasks import TaskMaker
from recoup.lake.layout import summary as summary_path
from recoup.ledger.backfills import open_backfill, set_controls, set_state, take_up, wish_of
from recoup.ledger.cells import written
from recoup.ledger.facts import BackfillRow, Blocked, Controls
from recoup.ledger.leases import ControllerLease
from recoup.ledger.reader import LedgerReader
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import ConfigError, ExitCode, UsageError
from recoup.model.failure import Failure
from recoup.model.partition import EMPTY
from recoup.model.pipeline import Pipeline
from recoup.model.redact import redactor
from recoup.plan.plan import Plan, Verb, read_plan
from recoup.plan.planner import fingerprint, make_plan
from recoup.plan.request import Request
from recoup.ports import ObjectStore

LIVE = 10
"""The priority of a run of one partition; that of a backfill is 0."""
Observer = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended; `state` is done, incomplete, nothing, interrupted or cancelled."""

    state: str
    backfill_id: str | None
    planned: Planned
    counts: Counts
    seconds: float
    exit_code: ExitCode
    summary: dict[str, Any]
    halted: Failure | None = None
    """The failure for which everything else was not even tried."""
    arrived: Arrivals | None = None
    """Members that came while it ran."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to carry it out; None means: as the settings say."""

    max_parallel: int | None = None
    executor: str | None = None
    resume: bool = False
    plan_file: Path | None = None
    delay_seconds: float | None = None
    priority: int | None = None
    reason: str | None = None
    """Why, for the history."""

    @property
    def controls(self) -> Controls:
        """What can also be set while it runs, and stays with the backfill."""
        return Controls(self.max_parallel, self.delay_seconds, self.priority)


def plan(workspace: Workspace, request: Request, pipeline: str | Pipeline) -> Planned:
    """Decide, and do nothing."""
    with workspace.ledger_for(pipeline) as ledger:
        return _planned(with_coming(ledger, workspace.prepared(ledger, pipeline, request)), request)


def run(
    workspace: Workspace,
    request: Request,
    pipeline: str | Pipeline,
    options: RunOptions,
    *,
    on_plan: Callable[[Planned, str | None], None] = lambda _planned, _id: None,
    observe: Observer = lambda _progress: None,
) -> RunReport:
    """Plan, and carry it out; `on_plan` sees the plan and the backfill's id before anything runs."""
    with workspace.ledger_for(pipeline) as ledger:
        loaded, place = workspace.pipeline(pipeline)
        store = workspace.own_store(ledger)
        lease = ControllerLease(ledger, workspace.who, workspace.settings.lease_seconds)
        try:
            wanted = None if options.plan_file else request
            prepared = workspace.prepared(ledger, loaded, wanted)
            if any(reconcile(ledger, lease, store, prepared.graph, prepared.node_ids)):
                prepared = workspace.prepared(ledger, loaded, wanted)
            prepared = with_coming(ledger, prepared)
            there = rewrite_lost_manifests(ledger, lease.controller, store, prepared.graph, prepared.node_ids)
            planned = _saved(prepared, options.plan_file) if options.plan_file else _planned(prepared, request)
            backfilling = _Backfilling(workspace, ledger, lease, store, planned, place, options)
            report = backfilling.run(on_plan, observe)
            if not backfilling.owes_manifests:  # or the mark stays where it is, and the next start writes them
                there = rewrite_lost_manifests(
                    ledger, lease.controller, store, prepared.graph, prepared.node_ids, since=there
                )
            with ledger.transaction() as tx:
                mark_manifests(tx, loaded.name, there)
                lease.end(tx)
            return replace(report, arrived=arrivals(workspace, ledger, planned)) if report.backfill_id else report
        finally:
            lease.close()


def _planned(prepared: Prepared, request: Request) -> Planned:
    as_of(request.as_of_mode, prepared.pipeline, 0.0)  # an unknown mode is refused here, not when work begins
    return Planned(make_plan(request, prepared.graph, prepared.snapshot), prepared)


def _saved(prepared: Prepared, path: Path) -> Planned:
    """Exactly as saved, or not at all."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the saved plan {path} cannot be read: {error}"
        raise UsageError(message, "make one with `recoup plan -o plan.json`") from error
    saved = read_plan(text, prepared.graph)
    saved.refuse_if_moved(fingerprint(saved.request, prepared.graph, prepared.snapshot))
    return Planned(saved, prepared)


@dataclass
class _Backfilling:
    workspace: Workspace
    ledger: Ledger
    lease: ControllerLease
    store: ObjectStore
    planned: Planned
    place: str
    options: RunOptions
    owes_manifests: bool = False

    def run(self, on_plan: Callable[[Planned, str | None], None], observe: Observer) -> RunReport:
        """Open the backfill, run its machine, end it."""
        clock, chosen = self.workspace.clock, self.planned.plan
        began = clock.monotonic()
        self._refuse_unknown_moments()
        if not chosen.actions:
            on_plan(self.planned, None)
            return self._nothing_to_run(clock.monotonic() - began)
        self._refuse_unknown_pools()
        backfill, backfill_id, made_at = self._open()
        on_plan(self.planned, backfill_id)
        stopping = Stopping()
        runner = self._runner(backfill, backfill_id, made_at, stopping, observe)
        try:
            with stop_on_signals(stopping) as signal:
                counts = runner.run(self._blocked())
        finally:
            runner.executor.close()
            runner.publisher.close()
        self.owes_manifests = runner.publisher.owes
        state = _state(stopping, counts, chosen)
        report = self._end(state, backfill, backfill_id, counts, clock.monotonic() - began, signal.number)
        return replace(report, halted=stopping.halted)

    def _runner(self, backfill: int, backfill_id: str, made_at: float, stopping: Stopping, observe: Observer) -> Runner:
        prepared, clock, chosen = self.planned.prepared, self.workspace.clock, self.planned.plan
        pipeline = prepared.pipeline
        pools = {**self.workspace.settings.pools, **pipeline.pools}
        machine = Machine(prepared.graph, chosen, prepared.snapshot, pools)
        mode = chosen.request.as_of_mode
        _, controls = wish_of(self.ledger, backfill)
        max_parallel = self.workspace.settings.max_parallel
        executor = self._executor(min(controls.max_parallel or max_parallel, chosen.actions))
        return Runner(
            pipeline=pipeline.name,
            backfill=backfill,
            backfill_id=backfill_id,
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
                usual_priority=LIVE if _is_live(self.planned) else 0,
            ),
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
                as_of_limits=mode != "now",
            ),
            runs=RunBook(pipeline.name, as_of(mode, pipeline, made_at), clock, limited=mode != "now"),
            clock=clock,
            stopping=stopping,
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
        return open_executor(settings, self.options.executor or settings.executor, workers, setup)

    def _refuse_unknown_moments(self) -> None:
        """A mode that is unknown, or cannot tell about one date, is told before anything is opened."""
        prepared, mode = self.planned.prepared, self.planned.plan.request.as_of_mode
        moment = as_of(mode, prepared.pipeline, 0.0)
        if mode in prepared.pipeline.as_of_modes:
            for group in self.planned.plan.groups:
                if group.verb is Verb.RUN:
                    for ordinal in group.ordinals:
                        moment(prepared.graph.nodes[group.node].partitions, ordinal)

    def _refuse_unknown_pools(self) -> None:
        known = {**self.workspace.settings.pools, **self.planned.prepared.pipeline.pools}
        for node in self.planned.prepared.graph.nodes:
            if node.step and node.step.pool and node.step.pool not in known:
                message = f"step {node.step.name!r} uses the pool {node.step.pool!r}, which is not declared"
                raise ConfigError(message, f"write `{node.step.pool} = 2` under [pools] in recoup.toml")

    def _open(self) -> tuple[int, str, float]:
        """A new backfill, or with `--resume` the newest unfinished one of the same request."""
        request, who = self.planned.plan.request, self.workspace.who
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            if self.options.resume and (old := self._unfinished(request)):
                take_up(tx, old.backfill, self.lease.controller, who, self._told())
                self._set_controls(tx, old.backfill, old.controls)
                return old.backfill, old.backfill_id, old.created_at
            chance = self.workspace.clock.token_bytes(2).hex()
            backfill_id = f"{request.pipeline}-{self.workspace.clock.now():%Y%m%d}-{chance}"
            backfill = open_backfill(
                tx,
                self.ledger,
                backfill_id=backfill_id,
                pipeline=request.pipeline,
                request=request.to_json(),
                digest=request.digest,
                controller=self.lease.controller,
                actions=self.planned.plan.actions,
                who=who,
                told=self._told(),
            )
            self._set_controls(tx, backfill, Controls())
            return backfill, backfill_id, tx.now

    def _told(self) -> dict[str, Any]:
        """What the history keeps of a beginning: who and why, by which process, and what it is about."""
        prepared, chosen = self.planned.prepared, self.planned.plan
        cells = written((prepared.node_ids[group.node], group.ordinals) for group in chosen.groups)
        counts = {"actions": chosen.actions, "blocked": chosen.blocked, "done_before": chosen.done}
        return {**self.workspace.acting(self.options.reason), "pid": os.getpid(), **counts, "cells": cells}

    def _set_controls(self, tx: Transaction, backfill: int, before: Controls) -> None:
        if (controls := before.changed_by(self.options.controls)) != before:
            set_controls(tx, backfill, controls, self.workspace.acting())

    def _unfinished(self, request: Request) -> BackfillRow | None:
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        found = reader.backfills("WHERE digest = ? AND state IN ('interrupted', 'cancelled')", (request.digest,))
        return found[0] if found else None

    def _blocked(self) -> list[Blocked]:
        ids = self.planned.prepared.node_ids
        groups = [group for group in self.planned.plan.groups if group.verb is Verb.BLOCK]
        return [Blocked(ids[group.node], ordinal, group.reason) for group in groups for ordinal in group.ordinals]

    def _nothing_to_run(self, seconds: float) -> RunReport:
        blocked = self._blocked()
        if blocked:
            with self.ledger.transaction() as tx:
                self.lease.hold(tx)
                tx.block(blocked, None)
        state, code = ("incomplete", ExitCode.INCOMPLETE) if blocked else ("nothing", ExitCode.DONE)
        return RunReport(state, None, self.planned, Counts(blocked=len(blocked)), seconds, code, {})

    def _end(
        self, state: str, backfill: int, backfill_id: str, counts: Counts, seconds: float, signal: int | None
    ) -> RunReport:
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)  # or whoever took over tells how it ended: the summary is not ours to write any more
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        summary = summarise(self.planned, reader, backfill_id, state, counts, seconds)
        self.store.put(summary_path(backfill_id), json.dumps(summary, indent=1, ensure_ascii=False).encode(), sync=True)
        with self.ledger.transaction() as tx:
            self.lease.hold(tx)
            set_state(tx, backfill, state, {"counts": summary["counts"], "seconds": summary["seconds"]})
        code = ExitCode.DONE if state == "done" else ExitCode.INCOMPLETE
        if state == "interrupted":
            code = ExitCode.INTERRUPTED if signal is None else ExitCode(128 + signal)
        return RunReport(state, backfill_id, self.planned, counts, seconds, code, summary)


def _is_live(planned: Planned) -> bool:
    """Whether it is about one partition: somebody, or something, waits for that one."""
    graph, plan = planned.prepared.graph, planned.plan
    asked = EMPTY
    for group in plan.groups:
        if group.verb is Verb.RUN and graph.nodes[group.node].partitions.identity() == graph.anchor.identity():
            asked |= group.ordinals
    return len(asked) == 1 or plan.actions == 1


def _state(stopping: Stopping, counts: Counts, chosen: Plan) -> str:
    if stopping.cancelled:
        return "cancelled"
    if (stopping.drain or stopping.at_once) and counts.settled < counts.total:
        return "interrupted"
    return "incomplete" if counts.failed or counts.blocked or chosen.blocked else "done"
