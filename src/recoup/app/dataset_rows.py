"""The rows of one dataset: what the pointers of its partitions show and showed, what manifests tell of tries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from recoup.app.lake_facts import LakePartition, Output, output_of, partitions_of
from recoup.engine.runs import grain_of
from recoup.ledger.facts import NodeId
from recoup.ledger.restore import RestoredAttempt, RestoredPublication, Restoring
from recoup.ledger.shown import named_reads
from recoup.model.errors import PartitionError
from recoup.model.failure import FailureKind
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.manifest import Generation, InputRead, Manifest
from recoup.model.relation import Newest, parents
from recoup.ports import ObjectStore

ROWS_AT_ONCE = 2_000
FENCED = "fenced"
"""The reason of a generation that publishes nothing: it only keeps a writer out that had vanished."""
WITHOUT_TABLE = "attempt:"
"""How the digest of an output begins that is no table."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A publication before its place in the history is known."""

    token: int
    run_id: str | None
    digest: str
    run_as_of: float
    published_at: float
    nonce: str
    reason: str
    output: Output | None


@dataclass
class DatasetRows:
    """Reads one dataset of a lake and writes its rows.

    `reads` holds what current outputs read of sources, by token; `unknown` are partitions of which nothing tells what
    they show, because their pointer is corrupt.
    """

    store: ObjectStore
    restoring: Restoring
    graph: Graph
    node: Node
    node_ids: Sequence[NodeId]
    trouble: list[str]
    published: int = 0
    attempt_count: int = 0
    generation_count: int = 0
    reads: dict[int, tuple[InputRead, ...]] = field(default_factory=dict)
    unknown: list[int] = field(default_factory=list)
    _attempts: list[RestoredAttempt] = field(default_factory=list)
    _publications: list[RestoredPublication] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._grain = grain_of(self.node.partitions)
        parents = [self.graph.nodes[edge.parent] for edge in self.node.edges]
        self._sources = {parent.name for parent in parents if parent.kind is NodeKind.SOURCE}

    @property
    def node_id(self) -> NodeId:
        """What the ledger calls the dataset."""
        return self.node_ids[self.node.index]

    def restore(self) -> None:
        """All partitions that can be understood."""
        for found in partitions_of(self.store, self.node.name, self.trouble):
            ordinal = self._ordinal(found)
            if ordinal is not None:
                self._partition(found, ordinal)
            if len(self._attempts) >= ROWS_AT_ONCE:
                self._write()
        self._write()

    def _write(self) -> None:
        self.restoring.write(self._grain, self._attempts, self._publications)
        self.attempt_count += len(self._attempts)
        self.generation_count += len(self._publications)
        self._attempts, self._publications = [], []

    def _ordinal(self, found: LakePartition) -> int | None:
        where = f"{self.node.name} {found.key}={found.partition}"
        if found.key != self.node.partitions.key:
            self.trouble.append(f"{where} is left out: {self.node.name} is partitioned by {self.node.partitions.key}")
            return None
        try:
            return self.node.partitions.ordinal(found.partition)
        except PartitionError as error:
            self.trouble.append(f"{where} is left out: {error.message}")
            return None

    def _partition(self, found: LakePartition, ordinal: int) -> None:
        """Rows for all that pointer and manifests tell."""
        drafts = self._known(found)
        shown = list(self._placed(found, ordinal, drafts))
        told = {manifest.token: manifest for manifest in found.manifests}
        for manifest in told.values():
            as_of = _seconds(manifest.run_as_of)
            self._run(manifest.run_id, ordinal, found.partition, as_of, limited=manifest.limited)
            self._attempts.append(self._attempt(manifest, ordinal, {draft.token for draft in drafts}, found))
        run_id = ""
        for publication in shown:
            run_id = publication.run_id or run_id
            self._run(run_id, ordinal, found.partition, publication.run_as_of)
            if publication.token not in told:
                self._attempts.append(_untold(publication, run_id))
        self._publications += shown
        if found.has_corrupt_pointer and not shown:
            self.unknown.append(ordinal)
        if shown and shown[-1].run_id is not None:
            self.published += 1
            manifest_of_it = told.get(shown[-1].token)
            if manifest_of_it is not None:
                self.restoring.remember(manifest_of_it.token, self._remembered(manifest_of_it, ordinal))
            if self._sources and manifest_of_it is not None:
                own = tuple(read for read in manifest_of_it.inputs if read.dataset in self._sources)
                self.reads[shown[-1].token] = own

    def _remembered(self, manifest: Manifest, ordinal: int) -> Iterator[tuple[NodeId, int]]:
        """What only the attempt knew: the newest that it read, and whose of another pipeline."""
        for edge in self.node.edges:
            parent, node_id = self.graph.nodes[edge.parent], self.node_ids[edge.parent]
            if isinstance(edge.relation, Newest):
                own = (read.partition for read in manifest.inputs if read.dataset == parent.name)
                yield from ((node_id, parent.partitions.ordinal(partition)) for partition in own)
            elif parent.kind is NodeKind.DATASET:
                span = parents(edge.relation, self.node.partitions, parent.partitions, ordinal)
                yield from ((node_id, read) for read in named_reads(span))

    def _known(self, found: LakePartition) -> list[_Draft]:
        """Oldest first, from the first that showed something; without a current one whose files are nowhere."""
        drafts = sorted(self._drafts(found), key=lambda draft: draft.token)
        if drafts and drafts[-1].run_id is not None and drafts[-1].output is None:
            what = f"{self.node.name} {found.partition}: run {drafts.pop().run_id} is current"
            self.trouble.append(f"{what}, but neither its manifest nor its files are there")
        while drafts and drafts[0].run_id is None:
            drafts.pop(0)
        return drafts

    def _drafts(self, found: LakePartition) -> Iterator[_Draft]:
        """What the pointer has shown, and what a step did that makes no table: the ledger alone publishes that."""
        for generation in found.pointer.generations if found.pointer else ():
            if generation.run_id is not None or generation.reason != FENCED:
                yield self._of_pointer(found, generation)
        for manifest in found.manifests:
            if manifest.outcome == "success" and manifest.digest.startswith(WITHOUT_TABLE):
                output = Output((), {}, manifest.rows, manifest.code_version, manifest.input_version)
                yield _Draft(
                    token=manifest.token,
                    run_id=manifest.run_id,
                    digest=manifest.digest,
                    run_as_of=_seconds(manifest.run_as_of),
                    published_at=_seconds(manifest.ended_at),
                    nonce="",
                    reason="",
                    output=output,
                )

    def _of_pointer(self, found: LakePartition, generation: Generation) -> _Draft:
        output = None if generation.run_id is None else output_of(self.store, found, self.node.name, generation)
        return _Draft(
            token=generation.token,
            run_id=generation.run_id,
            digest=generation.digest,
            run_as_of=_seconds(generation.run_as_of),
            published_at=_seconds(generation.published_at),
            nonce=generation.nonce,
            reason=generation.reason,
            output=output,
        )

    def _placed(self, found: LakePartition, ordinal: int, drafts: list[_Draft]) -> Iterator[RestoredPublication]:
        """Each is over when the next one begins, and the last is current."""
        oldest = found.pointer.generations[-1].number if found.pointer else 1
        for place, draft in enumerate(drafts):
            following = drafts[place + 1] if place + 1 < len(drafts) else None
            gone = draft.run_id is not None and draft.output is None
            output = draft.output or Output((), {}, None)
            yield RestoredPublication(
                token=draft.token,
                node=self.node_id,
                ordinal=ordinal,
                run_id=draft.run_id,
                generation=oldest + place,
                state="current" if following is None else "collected" if gone else "past",
                digest=draft.digest,
                run_as_of=draft.run_as_of,
                published_at=draft.published_at,
                superseded_at=following.published_at if following else None,
                nonce=draft.nonce,
                reason=draft.reason,
                rows=output.rows,
                files=output.files,
                columns=output.columns,
                code_version=output.code_version,
                input_version=output.input_version,
            )

    def _run(self, run_id: str, ordinal: int, partition: str, run_as_of: float, *, limited: bool = True) -> None:
        pipeline = self.graph.pipeline
        self.restoring.run(run_id, pipeline, self._grain, ordinal, partition, run_as_of, limited=limited)

    def _attempt(self, m: Manifest, ordinal: int, published: set[int], found: LakePartition) -> RestoredAttempt:
        return RestoredAttempt(
            token=m.token,
            node=self.node_id,
            ordinal=ordinal,
            run_id=m.run_id,
            number=m.attempt,
            state=_state(m, published),
            decision=_decision(m, found),
            code_version=m.code_version,
            started_at=_seconds(m.started_at),
            ended_at=_seconds(m.ended_at),
            rows=m.rows,
            failure={name: value for name, value in m.failure.items() if name != "advice"} if m.failure else None,
            backfill_id=m.backfill_id,
            peak_memory_bytes=m.peak_memory_bytes,
            cpu_seconds=m.cpu_seconds,
        )


def _untold(publication: RestoredPublication, run_id: str) -> RestoredAttempt:
    """A generation whose own manifest is not there: a rollback, or an earlier attempt of the same run."""
    return RestoredAttempt(
        token=publication.token,
        node=publication.node,
        ordinal=publication.ordinal,
        run_id=run_id,
        number=0,
        state="succeeded",
        decision=publication.reason,
        code_version=publication.code_version,
        started_at=None,
        ended_at=publication.published_at,
        rows=publication.rows,
    )


def _state(manifest: Manifest, published: set[int]) -> str:
    """A table that no pointer has shown, and that is newer than what it shows, was lost on its way."""
    if manifest.outcome != "success":
        kind = (manifest.failure or {}).get("kind")
        return str(kind) if kind in (FailureKind.LOST, FailureKind.CANCELLED) else "failed"
    is_shown = manifest.token in published or manifest.token < max(published, default=0)
    return "succeeded" if is_shown else "lost"


def _decision(manifest: Manifest, found: LakePartition) -> str:
    generations = found.pointer.generations if found.pointer else ()
    return next((g.reason for g in generations if g.token == manifest.token), "")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
