"""The verbs plan and run: a Request becomes a Plan, and the engine carries it out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recoup.app.arrivals import Arrivals, arrivals
from recoup.app.asof import as_of
from recoup.app.backfills import STOPPED
from recoup.app.carrying import Carrying, Observer, Opened, blocked_by
from recoup.app.coming import with_coming
from recoup.app.following import ENDED, Firing, Following, following
from recoup.app.gaps import Gate
from recoup.app.gate import gate_of_run
from recoup.app.memory_limits import refuse_idle_memory, refuse_memory_without_processes
from recoup.app.new_runs import close_spent_runs
from recoup.app.prepare import Planned, Prepared
from recoup.app.signals import stop_on_signals
from recoup.app.staging import OnStage, Staged, Staging, from_rows, staged_part, to_rows
from recoup.app.stopped import Stopped, where_it_stopped
from recoup.app.summary import summarise
from recoup.app.workspace import Workspace
from recoup.engine.events import Counts
from recoup.engine.lost_manifests import mark_manifests, rewrite_lost_manifests
from recoup.engine.reconcile import reconcile
from recoup.engine.stopping import Stopping
from recoup.lake.layout import summary as summary_path
from recoup.ledger.backfills import open_backfill, set_controls, set_state, take_up
from recoup.ledger.cells import written
from recoup.ledger.facts import BackfillRow, Controls
from recoup.ledger.leases import ControllerLease
from recoup.ledger.reader import LedgerReader
from recoup.ledger.stages import StageRow, record_stages, stages_of
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import ConfigError, ExitCode, UsageError
from recoup.model.failure import Failure
from recoup.model.pipeline import Pipeline
from recoup.plan.plan import Plan, Verb, read_plan
from recoup.plan.planner import fingerprint, make_plan
from recoup.plan.request import Request
from recoup.plan.stages import Stage, cut
from recoup.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended; `state` is done, incomplete, nothing, interrupted, cancelled, or stopped: by gate or limit."""

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
    enough: int = 0
    """How many partitions had failed when that was as many as may."""
    stages: tuple[StageRow, ...] = ()
    """Of a staged backfill, each as it stands now."""
    gate: Gate | None = None
    """Whether the data of what it touched is there; None when it was stopped."""
    stopped: Stopped | None = None

    fired: tuple[Any, ...] = ()
    """What followed it, as `firing.Fired`, where somebody carried that out, too."""


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
    firing: Firing | None = None
    """Because of what others have published; it is settled in the transaction in which this begins."""
    stopping: Stopping | None = None
    """Who asks it to stop, where that is not a signal."""

    @property
    def controls(self) -> Controls:
        """What can also be set while it runs, and stays with the backfill."""
        return Controls(self.max_parallel, self.delay_seconds, self.priority)


def plan(workspace: Workspace, request: Request, pipeline: str | Pipeline) -> Planned:
    """Decide, and do nothing."""
    with workspace.ledger_for(pipeline) as ledger:
        return _planned(with_coming(workspace, ledger, workspace.prepared(ledger, pipeline, request)), request)


def run(
    workspace: Workspace,
    request: Request,
    pipeline: str | Pipeline,
    options: RunOptions,
    *,
    on_plan: Callable[[Planned, str | None], None] = lambda _planned, _id: None,
    observe: Observer = lambda _progress: None,
    on_stage: OnStage = lambda _news: None,
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
            prepared = with_coming(workspace, ledger, prepared)
            there = rewrite_lost_manifests(ledger, lease.controller, store, prepared.graph, prepared.node_ids)
            planned = _saved(prepared, options.plan_file) if options.plan_file else _planned(prepared, request)
            backfilling = _Backfilling(workspace, ledger, lease, store, planned, place, options)
            report = backfilling.run(on_plan, observe, on_stage)
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
    planned = Planned(make_plan(request, prepared.graph, prepared.snapshot), prepared)
    refuse_idle_memory(planned)
    return planned


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

    def run(self, on_plan: Callable[[Planned, str | None], None], observe: Observer, on_stage: OnStage) -> RunReport:
        """Open the backfill, carry it out as a whole or stage by stage, end it."""
        clock = self.workspace.clock
        began = clock.monotonic()
        self._refuse_unknown_moments()
        refuse_memory_without_processes(self.planned, self.options.executor or self.workspace.settings.executor)
        old = self._unfinished(self.planned.plan.request)
        stages = self._stages(old)
        self.planned = staged_part(self.planned, stages)
        chosen = self.planned.plan
        if not chosen.actions and old is None:
            on_plan(self.planned, None)
            return self._nothing_to_run(clock.monotonic() - began)
        self._refuse_unknown_pools()
        opened = self._open(old, stages)
        on_plan(self.planned, opened.backfill_id)
        carrying = self._carrying(opened)
        with stop_on_signals(carrying.stopping, clock) as signal:
            if chosen.request.stages:
                staged = Staging(carrying, self.planned, observe, on_stage).run()
            else:
                staged = Staged(carrying.carry_out(self.planned, observe), is_complete=False)
        self.owes_manifests, stopping = carrying.owes_manifests, carrying.stopping
        state, gate = self._through_the_gate(_state(stopping, staged, chosen))
        stopped = self._stopped(state, opened, stopping)
        report = self._end(state, gate, opened, staged.counts, clock.monotonic() - began, signal.number, stopped)
        return replace(report, halted=stopping.halted, enough=stopping.enough)

    def _stages(self, old: BackfillRow | None) -> tuple[Stage, ...]:
        """As they were cut when it began, or cut now; none of a request that has none, or has nothing to do."""
        chosen, prepared = self.planned.plan, self.planned.prepared
        if not chosen.request.stages:
            return ()
        if old is not None:
            return from_rows(stages_of(self.ledger.db, old.backfill), prepared.graph.anchor)
        return cut(chosen, prepared.graph, prepared.snapshot) if chosen.actions else ()

    def _stopped(self, state: str, opened: Opened, stopping: Stopping) -> Stopped | None:
        """Where it was, when somebody asked it to stop."""
        if stopping.asked_at is None or state not in ("interrupted", "cancelled"):
            return None
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        return where_it_stopped(reader, self.planned, opened.backfill, stopping.asked_at)

    def _carrying(self, opened: Opened) -> Carrying:
        return Carrying(
            self.workspace,
            self.ledger,
            self.lease,
            self.store,
            opened,
            self.options.stopping or Stopping(),
            self.place,
            self.options.executor,
            self._following,
        )

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

    def _open(self, old: BackfillRow | None, stages: Sequence[Stage]) -> Opened:
        """A new backfill, or the unfinished one that goes on."""
        request, who = self.planned.plan.request, self.workspace.who
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            close_spent_runs(tx, self.planned)
            if old is not None:
                if self.options.firing is not None:
                    self.options.firing.take(tx, old.backfill)
                take_up(tx, old.backfill, self.lease.controller, who, self._told())
                self._set_controls(tx, old.backfill, old.controls)
                return Opened(old.backfill, old.backfill_id, old.created_at)
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
            record_stages(tx, backfill, to_rows(stages, self.planned.prepared.graph.anchor))
            self._following.begin(tx, backfill, self.options.firing)
            return Opened(backfill, backfill_id, tx.now)

    @property
    def _following(self) -> Following:
        return following(self.workspace.settings, self.place, self.planned)

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
        """The newest one of the same request, if it is to go on; a staged one does unless a person gave it up."""
        if not (self.options.resume or request.stages):
            return None
        states = (*STOPPED, "cancelled") if self.options.resume else STOPPED
        where = f"WHERE digest = ? AND state IN ({', '.join('?' * len(states))})"
        found = LedgerReader(self.ledger.path, self.ledger.db).backfills(where, (request.digest, *states))
        return found[0] if found else None

    def _through_the_gate(self, state: str) -> tuple[str, Gate | None]:
        """Nothing is done as long as the gate says otherwise; what was stopped is incomplete anyway."""
        if state in ("interrupted", "cancelled", "stopped"):
            return state, None
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        gate = gate_of_run(self.workspace, reader, self.store, self.planned)
        return (state if gate.is_complete else "incomplete"), gate

    def _nothing_to_run(self, seconds: float) -> RunReport:
        blocked = blocked_by(self.planned)
        if blocked or self._following.pipelines:
            with self.ledger.transaction() as tx:
                self.lease.hold(tx)
                tx.block(blocked, None)
                self._following.end_earlier(tx, self.planned.plan.request)
        state, gate = self._through_the_gate("incomplete" if blocked else "nothing")
        code = ExitCode.INCOMPLETE if state == "incomplete" else ExitCode.DONE
        return RunReport(state, None, self.planned, Counts(blocked=len(blocked)), seconds, code, {}, gate=gate)

    def _end(
        self,
        state: str,
        gate: Gate | None,
        opened: Opened,
        counts: Counts,
        seconds: float,
        signal: int | None,
        stopped: Stopped | None,
    ) -> RunReport:
        backfill, backfill_id = opened.backfill, opened.backfill_id
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)  # or whoever took over tells how it ended: the summary is not ours to write any more
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        stages = stages_of(reader.db, backfill)
        summary = summarise(self.planned, reader, backfill_id, state, counts, seconds, gate=gate, stages=stages)
        summary |= {key: value for key, value in self._following.to_json().items() if key != "pipelines"}
        self.store.put(summary_path(backfill_id), json.dumps(summary, indent=1, ensure_ascii=False).encode(), sync=True)
        with self.ledger.transaction() as tx:
            self.lease.hold(tx)
            told = {"stopped": stopped.to_json()} if stopped else {}
            set_state(tx, backfill, state, {"counts": summary["counts"], "seconds": summary["seconds"]}, told)
            self._following.end(tx, backfill, state)
            if state in ENDED:
                self._following.end_earlier(tx, self.planned.plan.request)
        code = ExitCode.DONE if state == "done" else ExitCode.INCOMPLETE
        if state == "interrupted":
            code = ExitCode.INTERRUPTED if signal is None else ExitCode(128 + signal)
        if state == "stopped":
            code = ExitCode.REFUSED
        report = RunReport(state, backfill_id, self.planned, counts, seconds, code, summary, gate=gate, stopped=stopped)
        return replace(report, stages=tuple(stages))


def _state(stopping: Stopping, staged: Staged, chosen: Plan) -> str:
    """How it ended; a staged one is done when every gate said so, whatever the counts are."""
    counts = staged.counts
    if stopping.cancelled:
        return "cancelled"
    if staged.is_complete:
        return "done"
    if (stopping.drain or stopping.at_once) and (counts.settled < counts.total or chosen.request.stages):
        return "interrupted"
    if chosen.request.stages or (stopping.enough and counts.settled < counts.total):
        return "stopped"
    return "incomplete" if counts.failed or counts.blocked or chosen.blocked else "done"
