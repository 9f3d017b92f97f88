"""The verb `lake adopt`: what is there already becomes published partitions of a step; nothing is moved or copied.

`adopt_files(workspace, pipeline, step, pattern, yes=…) -> Adoption`; without `yes` nothing is changed. Each partition
gets a run, an attempt, a manifest and a pointer, so that everything else (reading, rollback, rebuild, staleness) goes
on without knowing that it was adopted. Its code counts as today's. Killed half-way, the same command does the rest:
what is published already is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from recoup.app.adoptable import OldFile, Opened, listing, opened, refuse_mixed
from recoup.app.prepare import Prepared
from recoup.app.workspace import Workspace
from recoup.engine.adopter import Adopter, Result
from recoup.engine.reconcile import reconcile
from recoup.engine.tasks import TaskMaker
from recoup.lake.data_files import hashed, uri_of
from recoup.lake.folders_below import batched
from recoup.ledger.facts import ADOPTED
from recoup.ledger.leases import ControllerLease
from recoup.ledger.writer import Ledger
from recoup.model.errors import ExitCode, RefusedError, UsageError
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.ports import ObjectStore

AT_ONCE = 512
"""How many partitions are published under one intent: so many may be in doubt when the machine dies."""
READERS = 4
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Old:
    """One partition that is there already."""

    ordinal: int
    files: tuple[OldFile, ...]
    footers: tuple[Opened, ...]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(footer.rows for footer in self.footers)

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def known_at(self) -> float:
        """When its content was there for everybody to know."""
        return max(file.modified_at for file in self.files)


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


def adopt_files(
    workspace: Workspace, pipeline: str | Pipeline, step: str, pattern: str, *, yes: bool = False
) -> Adoption:
    """Refer to Parquet files where they lie; `pattern` has `{partition}` where the key stands.

    UsageError names what is no Parquet, or no table of one kind; RefusedError what recoup owns already. Nothing is
    adopted then.
    """
    with workspace.ledger() as ledger:
        if not yes:
            prepared = workspace.prepared(ledger, pipeline)
            return _found(workspace.store(), prepared, _step(prepared, step), pattern).report(done=False)
        with _controlled(workspace, ledger, pipeline) as (store, lease, prepared):
            found = _found(store, prepared, _step(prepared, step), pattern)
            return _Adopting(workspace, ledger, store, lease, prepared, found).carry_out()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a pattern came to."""

    prepared: Prepared
    node: Node
    old: tuple[Old, ...]
    published: PartitionSet
    unexpected: PartitionSet
    strangers: tuple[str, ...]

    def report(self, *, done: bool, running: PartitionSet = EMPTY) -> Adoption:
        old = [one for one in self.old if one.ordinal not in running]
        ranges = self.node.partitions.ranges_text
        return Adoption(
            pipeline=self.prepared.graph.pipeline,
            step=self.node.name,
            partitions=tuple(ranges(PartitionSet.of(one.ordinal for one in old))),
            count=len(old),
            files=sum(len(one.files) for one in old),
            rows=sum(one.rows for one in old),
            size_bytes=sum(one.size_bytes for one in old),
            published=tuple(ranges(self.published)),
            unexpected=tuple(ranges(self.unexpected)),
            strangers=self.strangers,
            has_sink=self.node.step is not None and self.node.step.sink is not None,
            done=done,
            running=tuple(ranges(running)),
        )


def _found(store: ObjectStore, prepared: Prepared, node: Node, pattern: str) -> _Found:
    """Look at the files, and read the footers of those that are to be adopted."""
    files = listing(store, pattern, node.partitions)
    state, there = prepared.snapshot.states[node.index], PartitionSet.of(files.files)
    unexpected = there - state.expected - state.waived
    published = (there & state.published) - unexpected
    wanted = {ordinal: files.files[ordinal] for ordinal in there - unexpected - published}
    footers = opened(store, (file for own in wanted.values() for file in own))
    for ordinal, own in wanted.items():
        refuse_mixed(node.partitions.name(ordinal), own, footers)
    old = tuple(Old(ordinal, own, tuple(footers[file.path] for file in own)) for ordinal, own in wanted.items())
    return _Found(prepared, node, old, published, unexpected, files.strangers)


@dataclass
class _Adopting:
    workspace: Workspace
    ledger: Ledger
    store: ObjectStore
    lease: ControllerLease
    prepared: Prepared
    found: _Found
    running: list[int] = field(default_factory=list)

    def carry_out(self) -> Adoption:
        """Files are read by threads, a batch ahead of the one that is being published."""
        threads = ThreadPoolExecutor(READERS, thread_name_prefix="adopt")
        try:
            for batch, results in self._read_ahead(threads):
                self._publish(batch, results)
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
        report = self.found.report(done=True, running=PartitionSet.of(self.running))
        with self.ledger.transaction() as tx:
            data = {"step": report.step, "ranges": report.partitions, "files": report.files, "who": self.workspace.who}
            tx.event(ADOPTED, data=data)
        return report

    def _read_ahead(self, threads: ThreadPoolExecutor) -> Iterator[tuple[list[Old], list[Future[Result]]]]:
        batches = batched(self.found.old, AT_ONCE)
        ahead: list[tuple[list[Old], list[Future[Result]]]] = []
        while batch := next(batches, None):
            ahead.append((batch, [threads.submit(self._result, old) for old in batch]))
            if len(ahead) > 1:
                yield ahead.pop(0)
        yield from ahead

    def _publish(self, batch: Sequence[Old], results: Sequence[Future[Result]]) -> None:
        claimed = {i.claimed.claim.ordinal: i for i in self._adopter.claim({o.ordinal: o.known_at for o in batch})}
        self.running += [old.ordinal for old in batch if old.ordinal not in claimed]
        try:
            self._wait(results)
            made = [
                (claimed[old.ordinal], result.result())
                for old, result in zip(batch, results, strict=True)
                if old.ordinal in claimed
            ]
        except BaseException:
            self._adopter.give_back(list(claimed.values()))
            raise
        self._adopter.publish(made)

    def _wait(self, results: Sequence[Future[Result]]) -> None:
        """However long large files take, our lease is renewed meanwhile."""
        while wait(results, _LOOK_SECONDS).not_done:
            if self.lease.renewal_due:
                with self.ledger.transaction() as tx:
                    self.lease.renew(tx)

    def _result(self, old: Old) -> Result:
        """Read every byte once, for the digests; refused when a file is not what its footer was taken from."""
        started = self.ledger.clock.now().timestamp()
        files = []
        for file, footer in zip(old.files, old.footers, strict=True):
            digest, size_bytes = hashed(self.store, file.path)
            if size_bytes != file.size_bytes:
                message = f"{uri_of(self.store, file.path)} changed while it was read"
                raise RefusedError(message, "let whoever writes it end, then run the same command again")
            files.append([file.path, footer.rows, size_bytes, digest])
        ended = self.ledger.clock.now().timestamp()
        columns = old.footers[0].columns
        return {"files": files, "columns": columns, "rows": old.rows, "started": started, "ended": ended}

    @cached_property
    def _adopter(self) -> Adopter:
        prepared, node = self.prepared, self.found.node
        tasks = TaskMaker(
            graph=prepared.graph,
            snapshot=prepared.snapshot,
            node_ids=prepared.node_ids,
            source_versions=prepared.source_versions,
            clock=self.ledger.clock,
            logs=self.workspace.settings.state / "logs",
            backfill_id=ADOPTED,
            as_of_limits=False,
        )
        return Adopter(self.ledger, self.store, self.lease, tasks, node, prepared.code_versions[node.index])


@contextmanager
def _controlled(
    workspace: Workspace, ledger: Ledger, pipeline: str | Pipeline
) -> Iterator[tuple[ObjectStore, ControllerLease, Prepared]]:
    """As a controller that has settled what others left open."""
    store = workspace.own_store(ledger)
    lease = ControllerLease(ledger, workspace.who, workspace.settings.lease_seconds)
    try:
        prepared = workspace.prepared(ledger, pipeline)
        if any(reconcile(ledger, lease, store, prepared.graph, prepared.node_ids)):
            prepared = workspace.prepared(ledger, pipeline)
        yield store, lease, prepared
        with ledger.transaction() as tx:
            lease.end(tx)
    finally:
        lease.close()


def _step(prepared: Prepared, name: str) -> Node:
    node = prepared.graph.node(name)
    if node.kind is not NodeKind.STEP:
        message = f"{node.name} is no step: only what a step would make can be adopted"
        steps = ", ".join(n.name for n in prepared.graph.nodes if n.kind is NodeKind.STEP)
        raise UsageError(message, f"name one of {steps}")
    return node
