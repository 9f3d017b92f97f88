"""What there was before recoup becomes published partitions of a step: what all ways of adopting share.

`adoption_files.adopt_files(workspace, pipeline, step, pattern, yes=…)` refers to files where they lie,
`adoption_table.adopt_table(workspace, pipeline, step, table, column, yes=…)` reads rows of a database; both answer an
Adoption, and without `yes` nothing is changed. Each partition gets a run, an attempt, a manifest and a pointer, so that
everything else (reading, rollback, rebuild, staleness) goes on without knowing that it was adopted. Its code counts as
today's. Killed half-way, the same command does the rest: what is published already is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from recoup.app.prepare import Prepared
from recoup.app.workspace import Workspace
from recoup.engine.adopter import Adopter
from recoup.engine.reconcile import reconcile
from recoup.engine.tasks import TaskMaker
from recoup.ledger.facts import ADOPTED
from recoup.ledger.leases import ControllerLease
from recoup.ledger.writer import Ledger
from recoup.model.errors import ExitCode, UsageError
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.plan.request import Request
from recoup.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class Adoption:
    """What would be adopted, or (`done`) was: ranges as people read them.

    `published` were there already, `unexpected` are not on the calendar, `running` somebody else is making now;
    `strangers` are files that name no partition.
    """

    pipeline: str
    step: str
    partitions: tuple[str, ...]
    count: int
    files: int
    rows: int
    size_bytes: int
    published: tuple[str, ...]
    unexpected: tuple[str, ...]
    strangers: tuple[str, ...]
    has_sink: bool
    done: bool
    running: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """1 when somebody else was making what should have been adopted."""
        return ExitCode.INCOMPLETE if self.running else ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of what there is, what is to be adopted, and what is left alone."""

    prepared: Prepared
    node: Node
    wanted: PartitionSet
    published: PartitionSet
    unexpected: PartitionSet

    @classmethod
    def of(cls, prepared: Prepared, node: Node, there: PartitionSet) -> Chosen:
        """A gap that was accepted may still be filled; what is published stays as it is."""
        state = prepared.snapshot.states[node.index]
        unexpected = there - state.expected - state.waived
        published = (there & state.published) - unexpected
        return cls(prepared, node, there - unexpected - published, published, unexpected)

    def report(
        self,
        strangers: tuple[str, ...],
        *,
        files: int,
        rows: int,
        size_bytes: int,
        done: bool,
        running: PartitionSet = EMPTY,
    ) -> Adoption:
        """With the figures of what is wanted and not running."""
        ranges, adopted = self.node.partitions.ranges_text, self.wanted - running
        return Adoption(
            pipeline=self.prepared.graph.pipeline,
            step=self.node.name,
            partitions=tuple(ranges(adopted)),
            count=len(adopted),
            files=files,
            rows=rows,
            size_bytes=size_bytes,
            published=tuple(ranges(self.published)),
            unexpected=tuple(ranges(self.unexpected)),
            strangers=strangers,
            has_sink=self.node.step is not None and self.node.step.sink is not None,
            done=done,
            running=tuple(ranges(running)),
        )


@dataclass(frozen=True, slots=True)
class Control:
    """The right to publish: ledger, lake and lease of this command."""

    workspace: Workspace
    ledger: Ledger
    store: ObjectStore
    lease: ControllerLease
    prepared: Prepared

    def adopter(self, node: Node) -> Adopter:
        """Publishes partitions of this step."""
        prepared = self.prepared
        tasks = TaskMaker(
            graph=prepared.graph,
            snapshot=prepared.snapshot,
            node_ids=prepared.node_ids,
            clock=self.ledger.clock,
            logs=self.workspace.settings.state / "logs",
            backfill_id=ADOPTED,
            request=Request(prepared.pipeline.name),
        )
        return Adopter(self.ledger, self.store, self.lease, tasks, node, prepared.code_versions[node.index])

    def renew(self) -> None:
        """However long reading takes, nobody takes our claims for a dead one's."""
        if self.lease.renewal_due:
            with self.ledger.transaction() as tx:
                self.lease.renew(tx)

    def note(self, report: Adoption) -> None:
        """For the history."""
        with self.ledger.transaction() as tx:
            data = {"step": report.step, "ranges": report.partitions, "rows": report.rows, "who": self.workspace.who}
            tx.event(ADOPTED, data=data)


@contextmanager
def controlled(workspace: Workspace, ledger: Ledger, pipeline: str | Pipeline) -> Iterator[Control]:
    """As a controller that has settled what others left open."""
    store = workspace.own_store(ledger)
    lease = ControllerLease(ledger, workspace.who, workspace.settings.lease_seconds)
    try:
        prepared = workspace.prepared(ledger, pipeline)
        if any(reconcile(ledger, lease, store, prepared.graph, prepared.node_ids)):
            prepared = workspace.prepared(ledger, pipeline)
        yield Control(workspace, ledger, store, lease, prepared)
        with ledger.transaction() as tx:
            lease.end(tx)
    finally:
        lease.close()


def step_of(prepared: Prepared, name: str) -> Node:
    """The step of that name; UsageError for a source or a table."""
    node = prepared.graph.node(name)
    if node.kind is not NodeKind.STEP:
        message = f"{node.name} is no step: only what a step would make can be adopted"
        steps = ", ".join(n.name for n in prepared.graph.nodes if n.kind is NodeKind.STEP)
        raise UsageError(message, f"name one of {steps}")
    return node
