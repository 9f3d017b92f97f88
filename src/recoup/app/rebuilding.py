"""From what a lake tells to the rows of a ledger, dataset by dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from recoup.app.dataset_rows import DatasetRows
from recoup.app.lake_facts import partitions_of
from recoup.app.prepare import register
from recoup.engine.lost_manifests import mark_manifests
from recoup.engine.runs import grain_of
from recoup.lake.layout import summary as summary_path
from recoup.lake.waivers import AcceptedGaps, read_waivers
from recoup.ledger import planes
from recoup.ledger.facts import NodeId, Waiver
from recoup.ledger.firings import note_mode
from recoup.ledger.registry import as_chunks, register_members
from recoup.ledger.restore import Restoring, raise_tokens, restore_planes
from recoup.ledger.staleness import staleness
from recoup.ledger.transaction import Transaction
from recoup.ledger.verify import facts_planes
from recoup.ledger.writer import Ledger
from recoup.model.errors import RecoupError
from recoup.model.graph import Graph, NodeKind
from recoup.model.manifest import InputRead
from recoup.model.member_partitionings import Dynamic
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.plan.request import Request
from recoup.ports import ObjectStore


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
            unknown: list[tuple[NodeId, int]] = []
            for graph, node_ids in known:
                for node in graph.nodes:
                    if node.kind is NodeKind.STEP:
                        rows = DatasetRows(self.store, restoring, graph, node, node_ids, self.trouble)
                        rows.restore()
                        self.published[node.name] = rows.published
                        self.attempts += rows.attempt_count
                        self.generations += rows.generation_count
                        reads |= rows.reads
                        unknown += [(node_ids[node.index], ordinal) for ordinal in rows.unknown]
            restoring.show_nothing(unknown, tx.now)
            shown = facts_planes(self.ledger.db)
            restoring.finish(_unfinished(known, shown))
            self._backfills(tx, restoring)
            present = self._sources(tx, known, reads)
            restore_planes(self.ledger, tx, self._stale(known, present, reads))
            self._waivers(tx, known)
            raise_tokens(tx, restoring.highest_token)
            for pipeline in pipelines:
                mark_manifests(tx, pipeline.name, restoring.highest_token)
            tx.event("ledger rebuilt", data={"attempts": self.attempts, "generations": self.generations})

    def _waivers(self, tx: Transaction, known: Sequence[tuple[Graph, list[NodeId]]]) -> None:
        """Gaps that were accepted, as the lake was last told; what has been published since is none any more."""
        for graph, node_ids in known:
            try:
                for gaps in read_waivers(self.store, graph.pipeline):
                    self._waive(tx, graph, node_ids, gaps)
            except RecoupError as error:  # corrupt, or of a partition that there is no more
                self.trouble.append(error.message)

    def _waive(self, tx: Transaction, graph: Graph, node_ids: list[NodeId], gaps: AcceptedGaps) -> None:
        node = graph.node(gaps.dataset)
        node_id, at = node_ids[node.index], datetime.fromisoformat(gaps.at).timestamp()
        ordinals = [node.partitions.ordinal(name) for name in gaps.partitions]
        lacking = [ordinal for ordinal in ordinals if not tx.plane_has(node_id, planes.PUBLISHED, ordinal)]
        tx.waive([Waiver(node_id, ordinal, gaps.reason, gaps.who, at) for ordinal in lacking])

    def _registered(self, tx: Transaction, pipeline: Pipeline) -> tuple[Graph, list[NodeId]]:
        unbound = Graph.of(pipeline)
        for key, members in self._arrived(unbound).items():
            register_members(tx, key, members)
        graph = unbound.with_members(lambda members: register_members(tx, members.key, members.listed or ()))
        node_ids = [register(tx, self.ledger, pipeline.name, node) for node in graph.nodes]
        return graph, node_ids

    def _arrived(self, graph: Graph) -> dict[str, list[str]]:
        """The members that only a ledger knew: as many as have anything in the lake."""
        arrived: dict[str, list[str]] = {}
        for node in graph.nodes:
            side = node.partitions.member_side
            if isinstance(side, Dynamic) and side.listed is None and node.kind is NodeKind.STEP:
                for found in partitions_of(self.store, node.name, []):
                    arrived.setdefault(side.key, []).append(found.partition.rpartition("/")[2])
        return {key: list(dict.fromkeys(members)) for key, members in arrived.items()}

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
            for bounds in staleness(self.ledger.db, graph, node_ids, present, {}, reads):
                stale[bounds.node] = bounds.may
        return stale

    def _backfills(self, tx: Transaction, restoring: Restoring) -> None:
        """Those that attempts name; their summaries tell the rest."""
        for backfill_id, row in restoring.backfill_ids.items():
            stored = self.store.get(summary_path(backfill_id))
            began, ended, pipeline, actions = tx.execute(
                "SELECT min(a.claimed_at), max(a.ended_at), min(r.pipeline), count(*)"
                " FROM attempts a JOIN runs r USING (run) WHERE a.backfill = ?",
                (row,),
            ).fetchone()
            request, digest, state, told = Request(pipeline).to_json(), "", "interrupted", None
            mode: tuple[str, str] | None = None
            try:
                body = json.loads(stored.data) if stored else None
                if body is not None:
                    request, digest = body["request"], Request.from_json(body["request"]).digest
                    state, actions = body["state"], body["counts"]["actions"]
                    told = json.dumps({"counts": body["counts"], "seconds": body["seconds"]})
                    mode = (body["mode"], body["downstream"]) if "mode" in body else None
            except (ValueError, KeyError, TypeError) as error:
                self.trouble.append(f"the summary of backfill {backfill_id} cannot be read: {error}")
            tx.execute(
                "INSERT INTO backfills (backfill, backfill_id, pipeline, request, digest, state, actions, created_at,"
                " ended_at, who, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)",
                (row, backfill_id, pipeline, json.dumps(request), digest, state, actions, began, ended, told),
            )
            if mode is not None:
                note_mode(tx, row, *mode)


def _unfinished(
    known: Sequence[tuple[Graph, list[NodeId]]], shown: Mapping[NodeId, Mapping[str, PartitionSet]]
) -> dict[tuple[str, str], PartitionSet]:
    """Partitions that lack one of their steps, by pipeline and grain: their newest runs are gone on with."""
    rest: dict[tuple[str, str], PartitionSet] = {}
    for graph, node_ids in known:
        by_grain: dict[str, list[PartitionSet]] = {}
        for node in graph.nodes:
            if node.kind is NodeKind.STEP:
                there = shown.get(node_ids[node.index], {}).get(planes.PUBLISHED, EMPTY)
                by_grain.setdefault(grain_of(node.partitions), []).append(there)
        for grain, sets in by_grain.items():
            somewhere, everywhere = EMPTY, sets[0]
            for there in sets:
                somewhere, everywhere = somewhere | there, everywhere & there
            tried = [shown.get(i, {}).get(planes.TRIED, EMPTY) for i in node_ids]
            for there in tried:
                somewhere |= there
            rest[graph.pipeline, grain] = somewhere - everywhere
    return rest
