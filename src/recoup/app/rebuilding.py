"""From what a lake tells to the rows of a ledger, dataset by dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from recoup.app.lake_facts import LakePartition, Output, output_of, partitions_of
from recoup.engine.lost_manifests import mark_manifests
from recoup.engine.runs import grain_of
from recoup.lake.layout import summary as summary_path
from recoup.ledger import planes
from recoup.ledger.facts import NodeId
from recoup.ledger.registry import as_chunks, register_members, register_node
from recoup.ledger.restore import RestoredAttempt, RestoredPublication, Restoring, raise_tokens, restore_planes
from recoup.ledger.staleness import ROLLBACK, staleness
from recoup.ledger.verify import facts_planes
from recoup.ledger.writer import Ledger, Transaction
from recoup.model.errors import PartitionError
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.manifest import Generation, InputRead, Manifest
from recoup.model.partition import PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.model.static_partitioning import Static
from recoup.plan.request import Request
from recoup.ports import ObjectStore

NOTHING = PartitionSet(0)
PARTITIONS_AT_ONCE = 2_000
FENCED = "fenced"
"""The reason of a generation that publishes nothing: it only keeps a writer out that had vanished."""


@dataclass
class Rebuilding:
    """Fills a new ledger; what it found is counted, what it could not use is told in `trouble`."""

    ledger: Ledger
    store: ObjectStore
    trouble: list[str] = field(default_factory=list)
    published: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    generations: int = 0

    def fill(self, pipelines: Sequence[Pipeline]) -> None:
        """Everything in one transaction: it is there whole, or not at all."""
        with self.ledger.transaction() as tx:
            restoring = Restoring(self.ledger)
            known = [self._registered(tx, pipeline) for pipeline in pipelines]
            reads: dict[int, tuple[InputRead, ...]] = {}
            for graph, node_ids in known:
                for node in graph.nodes:
                    if node.kind is NodeKind.STEP:
                        _Dataset(self, restoring, graph, node, node_ids[node.index], reads).restore()
            shown = facts_planes(self.ledger.db)
            restoring.finish(_unfinished(known, shown))
            self._backfills(tx, restoring)
            present = self._sources(tx, known, reads)
            restore_planes(self.ledger, tx, self._stale(known, present, reads))
            raise_tokens(tx, restoring.highest_token)
            for pipeline in pipelines:
                mark_manifests(tx, pipeline.name)
            tx.event("ledger rebuilt", data={"attempts": self.attempts, "generations": self.generations})

    def _registered(self, tx: Transaction, pipeline: Pipeline) -> tuple[Graph, list[NodeId]]:
        graph = Graph.of(pipeline).bind(
            lambda p: p.bind(register_members(tx, f"{pipeline.name}/{p.key}", p.members)) if isinstance(p, Static) else p
        )
        node_ids = []
        for node in graph.nodes:
            label = node.step.label if node.step and node.kind is NodeKind.STEP else ""
            node_ids.append(
                register_node(
                    tx,
                    self.ledger,
                    name=node.name,
                    pipeline=pipeline.name,
                    kind=node.kind.value,
                    label=label or node.name,
                    partitioning=node.partitions.identity(),
                )
            )
        return graph, node_ids

    def _sources(
        self, tx: Transaction, known: Sequence[tuple[Graph, list[NodeId]]], reads: Mapping[int, tuple[InputRead, ...]]
    ) -> dict[NodeId, PartitionSet]:
        """What the sources had, by those who read them: the newest reader saw the newest version."""
        seen: dict[str, dict[str, str]] = {}
        for token in sorted(reads):
            for read in reads[token]:
                seen.setdefault(read.dataset, {})[read.partition] = read.digest
        present: dict[NodeId, PartitionSet] = {}
        for graph, node_ids in known:
            for node in graph.nodes:
                if node.kind is not NodeKind.SOURCE:
                    continue
                versions = {node.partitions.ordinal(key): version for key, version in seen.get(node.name, {}).items()}
                node_id = node_ids[node.index]
                present[node_id] = PartitionSet.of(versions)
                tx.set_plane(node_id, planes.PUBLISHED, as_chunks(present[node_id]))
                rows = [(node_id, ordinal, version) for ordinal, version in versions.items() if version]
                self.ledger.db.executemany("INSERT OR REPLACE INTO observations VALUES (?, ?, ?, 0)", rows)
        return present

    def _stale(
        self,
        known: Sequence[tuple[Graph, list[NodeId]]],
        present: Mapping[NodeId, PartitionSet],
        reads: Mapping[int, tuple[InputRead, ...]],
    ) -> dict[NodeId, PartitionSet]:
        stale: dict[NodeId, PartitionSet] = {}
        for graph, node_ids in known:
            for bounds in staleness(self.ledger.db, graph, node_ids, present, reads):
                stale[bounds.node] = bounds.must
        rows = self.ledger.db.execute(
            "SELECT node, ordinal FROM publications WHERE state = 'current' AND run IS NOT NULL AND reason LIKE ?",
            (f"{ROLLBACK}%",),
        )
        for node, ordinal in rows:
            stale[node] = stale.get(node, NOTHING) | PartitionSet.of([ordinal])
        return stale

    def _backfills(self, tx: Transaction, restoring: Restoring) -> None:
        """Those that attempts name; their summaries tell the rest."""
        for backfill_id, row in restoring.backfill_ids.items():
            stored = self.store.get(summary_path(backfill_id))
            began, ended, pipeline, actions = tx.execute(
                "SELECT min(a.claimed_at), max(a.ended_at), min(r.pipeline), count(*) FROM attempts a JOIN runs r USING (run)"
                " WHERE a.backfill = ?",
                (row,),
            ).fetchone()
            request, digest, state, told = Request(pipeline).to_json(), "", "interrupted", None
            try:
                body = json.loads(stored.data) if stored else None
                if body is not None:
                    request, digest = body["request"], Request.from_json(body["request"]).digest
                    state, actions = body["state"], body["counts"]["actions"]
                    told = json.dumps({"counts": body["counts"], "seconds": body["seconds"]})
            except (ValueError, KeyError, TypeError) as error:
                self.trouble.append(f"the summary of backfill {backfill_id} cannot be read: {error}")
            tx.execute(
                "INSERT INTO backfills (backfill, backfill_id, pipeline, request, digest, state, actions, created_at,"
                " ended_at, who, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)",
                (row, backfill_id, pipeline, json.dumps(request), digest, state, actions, began, ended, told),
            )


@dataclass
class _Dataset:
    """The rows of one dataset."""

    whole: Rebuilding
    restoring: Restoring
    graph: Graph
    node: Node
    node_id: NodeId
    reads: dict[int, tuple[InputRead, ...]]
    attempts: list[RestoredAttempt] = field(default_factory=list)
    publications: list[RestoredPublication] = field(default_factory=list)

    def restore(self) -> None:
        self.grain = grain_of(self.node.partitions)
        self.sources = {s.name for e in self.node.edges if (s := self.graph.nodes[e.parent]).kind is NodeKind.SOURCE}
        shown = 0
        for found in partitions_of(self.whole.store, self.node.name, self.whole.trouble):
            shown += self._partition(found)
            if len(self.attempts) >= PARTITIONS_AT_ONCE:
                self._write()
        self._write()
        self.whole.published[self.node.name] = shown

    def _write(self) -> None:
        self.restoring.write(self.grain, self.attempts, self.publications)
        self.whole.attempts += len(self.attempts)
        self.whole.generations += len(self.publications)
        self.attempts, self.publications = [], []

    def _partition(self, found: LakePartition) -> bool:
        """Rows for all that one partition's pointer and manifests tell; whether it shows something."""
        ordinal = self._ordinal(found)
        if ordinal is None:
            return False
        shown = list(self._generations(found, ordinal))
        tokens = {publication.token for publication in shown}
        newest = max(tokens, default=0)
        told = {manifest.token: manifest for manifest in found.manifests}
        for manifest in found.manifests:
            self._run(manifest.run_id, ordinal, found.partition, manifest.run_as_of)
            self.attempts.append(self._attempt(manifest, ordinal, newest, tokens))
        for publication in shown:
            if publication.token not in told:
                self._untold(publication, found.partition)
        self.publications += shown
        current = next((p for p in shown if p.state == "current" and p.run_id is not None), None)
        if current is not None and self.sources and current.token in told:
            self.reads[current.token] = tuple(i for i in told[current.token].inputs if i.dataset in self.sources)
        return current is not None

    def _ordinal(self, found: LakePartition) -> int | None:
        where = f"{self.node.name} {found.key}={found.partition}"
        if found.key != self.node.partitions.key:
            self.whole.trouble.append(f"{where} is not partitioned by {self.node.partitions.key}: left out")
            return None
        try:
            return self.node.partitions.ordinal(found.partition)
        except PartitionError as error:
            self.whole.trouble.append(f"{where} is left out: {error.message}")
            return None

    def _generations(self, found: LakePartition, ordinal: int) -> Iterator[RestoredPublication]:
        """Oldest first: those of the pointer, and what a step without a table did; each is over when the next begins."""
        rows = [row for row in (*self._of_pointer(found, ordinal), *self._without_table(found, ordinal)) if row]
        rows.sort(key=lambda row: row.token)
        first = rows[0].generation if rows else 1
        for place, row in enumerate(rows):
            following = rows[place + 1].published_at if place + 1 < len(rows) else None
            yield self._placed(row, first + place, following)

    def _placed(self, row: RestoredPublication, generation: int, until: float | None) -> RestoredPublication:
        state = row.state if until is None or row.state == "collected" else "past"
        return _with(row, generation, state, until)
