"""One partition end to end without anybody seeing it: real steps and inputs, staged below runs that nothing points to.

What is claimed and what would be published is written into a copy of the ledger alone; the staged files are read by the
steps that follow, and are taken away again. Tables are asked whether they could hold the rows; nothing is delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recoup.app.asof import as_of
from recoup.app.checks import Check, guarded
from recoup.app.plugins import open_executor
from recoup.app.prepare import Planned
from recoup.app.rehearsal import delivery_of, rehearsed, table_name
from recoup.app.scratch import Scratch, remove_empty
from recoup.engine.inflight import Inflight
from recoup.engine.runs import grain_of, new_run_id
from recoup.engine.tasks import TaskMaker
from recoup.lake.layout import data_prefix
from recoup.lake.local import LocalStore
from recoup.ledger.facts import Claim, Publication, RunRow, Succeeded
from recoup.ledger.leases import ControllerLease
from recoup.ledger.reader import LedgerReader
from recoup.ledger.transaction import Transaction
from recoup.model.failure import Failure
from recoup.model.graph import Node, NodeKind
from recoup.plan.plan import Verb
from recoup.plan.scope import Scope
from recoup.ports import Delivery, Executor, Finished, Lost, ObjectStore
from recoup.recovery.classify import lost, timed_out

REASON: Final = "preflight"
_LOOK_SECONDS: Final = 0.2


@dataclass
class Trial:
    """The steps of one partition, as `planned` decides them; `sizes` is how many bytes each step has staged."""

    scratch: Scratch
    store: ObjectStore
    planned: Planned
    place: str
    kind: str
    partition: str
    sizes: dict[int, int] = field(default_factory=dict)
    _runs: dict[tuple[str, int], RunRow] = field(default_factory=dict)
    _prefixes: dict[str, bool] = field(default_factory=dict)

    def run(self) -> Iterator[Check]:
        """One check for each step, and one for each of its tables; those after one that failed are not tried."""
        executor = self._executor()
        lease = ControllerLease(self.scratch.ledger, REASON)
        try:
            executor.open()
            for node, ordinal in self._chosen():
                checks = list(guarded(self._name(node), self._step(executor, lease, node, ordinal)))
                yield from checks
                if any(check.verdict != "pass" for check in checks):
                    return
        finally:
            executor.close()
            lease.close()
            self._take_away()

    def _chosen(self) -> Iterator[tuple[Node, int]]:
        """Of each step that was asked for the partition, or the first of those that lie in it."""
        graph, snapshot = self.planned.prepared.graph, self.planned.prepared.snapshot
        request = self.planned.plan.request
        scope = Scope(request, graph, snapshot)
        names = {graph.node(name).index for name in request.steps}
        for node in graph.nodes:
            if node.kind is NodeKind.STEP and (not names or node.index in names):
                ordinal = scope.of(node).first
                if ordinal is not None:
                    yield node, ordinal

    def _name(self, node: Node) -> str:
        return f"trial {node.name}"

    # --- one step

    def _step(self, executor: Executor, lease: ControllerLease, node: Node, ordinal: int) -> Iterator[Check]:
        blocked = [g for g in self.planned.plan.groups if g.node == node.index and g.verb is Verb.BLOCK]
        reason = next((group.reason for group in blocked if ordinal in group.ordinals), "")
        with self.scratch.ledger.transaction() as tx:
            pinned = reason or self._pinned(tx, lease, node, ordinal)
        key = node.partitions.name(ordinal)
        if isinstance(pinned, str):
            yield Check(self._name(node), "fail", f"{key} cannot run: {pinned}", "fill that first, or try another date")
            return
        event = self._carried_out(executor, pinned)
        failure = _failure(event, node)
        if failure is not None:
            yield Check(self._name(node), "fail", f"{key} failed ({failure.kind}): {failure.message}", failure.advice)
            return
        assert isinstance(event, Finished)
        made = self._made(pinned, event.body, node)
        yield self._fits(node, key, made, event.body)
        run_id = pinned.claimed.claim.run.run_id
        for delivery in self._tables(node):
            name, fine = f"trial {table_name(delivery)}", f"could hold the rows of {key}; nothing was delivered"
            rows = delivery_of(self.store, node, made, run_id)
            yield from guarded(name, self._rehearsed(name, delivery, rows, fine))

    def _pinned(self, tx: Transaction, lease: ControllerLease, node: Node, ordinal: int) -> Inflight | str:
        """Claimed in the copy, with what it reads; or why not."""
        prepared = self.planned.prepared
        claim = Claim(
            prepared.node_ids[node.index],
            ordinal,
            self._run(tx, node, ordinal),
            REASON,
            prepared.code_versions[node.index],
        )
        claimed = tx.claim([claim], lease.controller, None)
        if not claimed:
            return "a backfill is making it just now"
        inflight, lacking = self._tasks().pinned(tx, claimed[0], node)
        return lacking or inflight

    def _run(self, tx: Transaction, node: Node, ordinal: int) -> RunRow:
        """A run of its own: an open one is somebody else's."""
        grain, prepared = grain_of(node.partitions), self.planned.prepared
        if (grain, ordinal) not in self._runs:
            moment = as_of(self.planned.plan.request.as_of_mode, prepared.pipeline, tx.now)(node.partitions, ordinal)
            limited = self.planned.plan.request.as_of_mode != "now"
            asked = (prepared.pipeline.name, grain, ordinal, node.partitions.name(ordinal), moment)
            run_id = new_run_id(self.scratch.workspace.clock)
            run = tx.open_run(run_id, *asked, limited=limited)
            if run.run_id != run_id:
                tx.close_runs([run.run])
                run = tx.open_run(run_id, *asked, limited=limited)
            self._runs[grain, ordinal] = run
        return self._runs[grain, ordinal]

    def _tasks(self) -> TaskMaker:
        prepared = self.planned.prepared
        return TaskMaker(
            graph=prepared.graph,
            snapshot=prepared.snapshot,
            node_ids=prepared.node_ids,
            clock=self.scratch.workspace.clock,
            logs=self.scratch.workspace.settings.state / "logs",
            backfill_id=REASON,
            request=self.planned.plan.request,
        )

    def _carried_out(self, executor: Executor, inflight: Inflight) -> Finished | Lost:
        node, run_id = inflight.node, inflight.claimed.claim.run.run_id
        prefix = data_prefix(node.name, node.partitions.key, inflight.partition, run_id)
        self._prefixes[prefix] = True
        executor.submit([self._tasks().task(inflight)])
        while True:
            for event in executor.wait(_LOOK_SECONDS):
                return event

    def _made(self, inflight: Inflight, body: Mapping[str, Any], node: Node) -> Publication:
        """In the copy it is published, so that the steps that follow read it."""
        now = self.scratch.workspace.clock.now().timestamp()
        made = inflight.publish(body, self.planned.prepared.node_ids[node.index])
        self.sizes[node.index] = sum(file.size_bytes for file in made.files)
        with self.scratch.ledger.transaction() as tx:
            tx.succeed([Succeeded(made, inflight.measure(body, now))])
        return made

    # --- could it be published?

    def _fits(self, node: Node, key: str, made: Publication, body: Mapping[str, Any]) -> Check:
        """Against the columns of the newest partition that is published."""
        name = self._name(node)
        if "files" not in body:
            return Check(name, "pass", f"{key} ran and returned no table; what else it did stays done")
        size = f"{_counted(made.rows or 0, 'row')}, {_counted(len(made.columns), 'column')}"
        told = f"{key}: {size}, {body['ended'] - body['started']:.1f} s"
        before = self._published_columns(node)
        differ = _differences(before, made.columns) if before else []
        if differ:
            remedy = "mend the step, or restate what is published: `recoup run … --only stale`"
            return Check(name, "fail", f"{told}; unlike what is published: {', '.join(differ)}", remedy)
        added = [column for column in made.columns if before and column not in before]
        return Check(name, "pass", told + (f"; new: {', '.join(added)}" if added else "") + ", taken away again")

    def _published_columns(self, node: Node) -> Mapping[str, str]:
        """Of the newest one that is really published."""
        prepared = self.planned.prepared
        last = prepared.snapshot.states[node.index].published.last
        if last is None:
            return {}
        reader = LedgerReader(self.scratch.ledger.path, self.scratch.ledger.db)
        rows = reader.histories(prepared.node_ids[node.index], range(last, last + 1))
        shown = [row.publication for row in rows if row.publication.reason != REASON and row.publication.columns]
        return max(shown, key=lambda one: one.token).columns if shown else {}

    def _tables(self, node: Node) -> Iterator[Node]:
        graph = self.planned.prepared.graph
        return (n for n in graph.nodes if n.kind is NodeKind.DELIVERY and n.edges[0].parent == node.index)

    def _rehearsed(self, name: str, delivery: Node, rows: Delivery, fine: str) -> Iterator[Check]:
        yield rehearsed(self.scratch.workspace.settings, name, delivery, rows, fine)

    # --- the worker, and what it leaves

    def _executor(self) -> Executor:
        settings = self.scratch.workspace.settings
        setup = {
            "root": str(settings.root),
            "config": settings.config and str(settings.config),
            "environment": settings.environment or "",
            "pipeline": self.place,
            "lake": self.store.describe(),
        }
        return open_executor(settings, self.kind, 1, setup)

    def _take_away(self) -> None:
        """Everything below its runs, and folders that nothing else has come into."""
        for prefix in self._prefixes:
            self.store.delete([found.key for found in self.store.list(prefix)])
            if isinstance(self.store, LocalStore):
                root = Path(self.store.describe()["root"])
                remove_empty(root / prefix, root)


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What readers of the old columns would miss."""
    gone = [f"{column} is gone" for column in before if column not in now]
    other = [
        f"{column} was {before[column]}, is {kind}" for column, kind in now.items() if before.get(column, kind) != kind
    ]
    return [*gone, *other]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _failure(event: Finished | Lost, node: Node) -> Failure | None:
    if isinstance(event, Lost):
        if event.timed_out and node.step is not None and node.step.timeout_seconds is not None:
            return timed_out(node.step.timeout_seconds, event.evidence)
        return lost(event.evidence)
    return Failure.from_json(event.body["failure"]) if "failure" in event.body else None
