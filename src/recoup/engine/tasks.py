"""From a claim to a task: the inputs are pinned in the claim's own transaction, so that nothing can slip in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recoup.engine.inflight import Inflight
from recoup.lake.layout import is_staged
from recoup.ledger import planes
from recoup.ledger.facts import Claim, Claimed, NodeId, Published
from recoup.ledger.shown import named_reads
from recoup.ledger.transaction import Transaction
from recoup.ledger.watermarks import pinned as watermark
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.keys import encoded_member
from recoup.model.manifest import InputRead, input_version
from recoup.model.partition import PartitionSet
from recoup.model.relation import Edge, Newest, parents
from recoup.plan.freshness import over_by, unfit
from recoup.plan.request import Request
from recoup.plan.shortfall import TOO_LATE, shortfall
from recoup.plan.snapshot import Snapshot
from recoup.ports import Clock, Task

FIRST_GUESS_SECONDS = 1.0
MEMORY_OF_DURATIONS = 0.2


@dataclass(frozen=True, slots=True)
class _Pinned:
    """What one argument reads, and what the worker must be told of it."""

    reads: Sequence[InputRead]
    given: Mapping[str, object]
    lacking: str = ""


@dataclass
class TaskMaker:
    """Knows what a worker must be told."""

    graph: Graph
    snapshot: Snapshot
    node_ids: Sequence[NodeId]
    clock: Clock
    logs: Path
    backfill_id: str
    request: Request
    _seconds: dict[int, float] = field(default_factory=dict)

    @property
    def as_of_limits(self) -> bool:
        """Whether a run may know only what was published up to its own moment."""
        return self.request.as_of_mode != "now"

    def pin(self, tx: Transaction, claimed: Claimed, node: Node) -> Inflight | str:
        """The attempt with what it will read; or why it cannot run after all."""
        inflight, lacking = self.pinned(tx, claimed, node)
        return lacking or inflight

    def pinned(self, tx: Transaction, claimed: Claimed, node: Node) -> tuple[Inflight, str]:
        """The attempt with what it would read, and why that is not enough; for what is there already it need not be."""
        partition = claimed.claim.run.partition
        reads: list[InputRead] = []
        given: dict[str, Mapping[str, object]] = {}
        delivery, lacking = None, ""
        for edge in node.edges:
            if node.kind is NodeKind.DELIVERY:
                delivery, read = self._held_by(tx, edge, claimed.claim)
                reads += read
                continue
            pinned = self._input(tx, edge, node, claimed)
            lacking = lacking or pinned.lacking
            given[edge.argument] = pinned.given
            reads += pinned.reads
        version = input_version(reads) if reads else ""
        nonce = self.clock.token_bytes(4).hex()
        log = f"{self.logs}/{self.backfill_id}/{node.name}/{encoded_member(partition)}.{claimed.token}.log"
        inflight = Inflight(claimed, node, partition, tuple(reads), version, given, delivery, nonce, log)
        if node.kind is NodeKind.STEP and node.step and node.step.watermark is not None:
            inflight.watermark = watermark(tx, node.step.watermark)
        return inflight, lacking

    def task(self, inflight: Inflight) -> Task:
        """What travels to the worker: ids, a token and paths, as JSON."""
        claim, node = inflight.claimed.claim, inflight.node
        body: dict[str, object] = {
            "node": node.index,
            "partition": inflight.partition,
            "ordinal": claim.ordinal,
            "run_id": claim.run.run_id,
            "run_as_of": claim.run.run_as_of,
            "attempt": inflight.claimed.number,
            "nonce": inflight.nonce,
            "log": inflight.log,
            "backfill_id": self.backfill_id,
        }
        if inflight.watermark is not None:
            body["watermark"] = inflight.watermark.value_microseconds
        if inflight.delivery is not None:
            anew = any(place.again and place.again == claim.decision for place in self.request.places)
            body["delivery"] = {**inflight.delivery, "token": inflight.token, "anew": anew}
        elif inflight.given:
            body["inputs"] = inflight.given
        step = node.step if node.kind is NodeKind.STEP else None
        return Task(
            token=inflight.token,
            body=body,
            lane=node.sink.lane if node.kind is NodeKind.DELIVERY and node.sink else None,
            expected_seconds=self._seconds.get(node.index, FIRST_GUESS_SECONDS),
            timeout_seconds=step.timeout_seconds if step else None,
            memory_bytes=self.request.memory_of(step.memory_bytes) if step else None,
        )

    def learn(self, node: int, seconds: float) -> None:
        """How long this step takes lately: short ones are queued ahead of the workers."""
        old = self._seconds.get(node, seconds)
        self._seconds[node] = old + MEMORY_OF_DURATIONS * (seconds - old)

    def _input(self, tx: Transaction, edge: Edge, node: Node, claimed: Claimed) -> _Pinned:
        """What one argument reads."""
        parent, run_as_of = self.graph.nodes[edge.parent], claimed.claim.run.run_as_of
        span = parents(edge.relation, node.partitions, parent.partitions, claimed.claim.ordinal)
        if isinstance(edge.relation, Newest):
            span = over_by(span, parent.partitions, edge.relation, run_as_of)
        if parent.kind is NodeKind.SOURCE:
            pinned = self._of_source(tx, edge, parent, span)
        else:
            found = self._current(tx, edge, parent, span, run_as_of)
            lacking = self._too_late(edge, parent, span, found)
            if not found and not tx.has_any(self.node_ids[parent.index], planes.POINTED):
                lacking = f"nothing of {parent.name} is there yet"  # an empty frame would not even have its columns
            pinned = _Pinned(_reads(parent, found), self._files(tx, parent, found), lacking or "")
        if isinstance(edge.relation, Newest):
            keys = [read.partition for read in pinned.reads]
            lacking = unfit(edge.relation, parent, keys, run_as_of)
            pinned = replace(pinned, lacking=pinned.lacking or lacking or "")
            tx.remember_reads(claimed.token, self.node_ids[parent.index], map(parent.partitions.ordinal, keys))
        elif parent.kind is NodeKind.DATASET:  # who makes it does not know who reads it
            tx.remember_reads(claimed.token, self.node_ids[parent.index], named_reads(span))
        return pinned

    def _held_by(self, tx: Transaction, edge: Edge, claim: Claim) -> tuple[Mapping[str, object], list[InputRead]]:
        """What the table should hold: the current run, or nothing where nothing is published."""
        parent = self.graph.nodes[edge.parent]
        found = self._current(tx, edge, parent, range(claim.ordinal, claim.ordinal + 1), claim.run.run_as_of)
        return _delivery(parent, found), _reads(parent, found)

    def _current(self, tx: Transaction, edge: Edge, parent: Node, span: range, run_as_of: float) -> Sequence[Published]:
        """What is current of what it may read, as far as the run may know it; of a span, what is expected."""
        node, as_of = self.node_ids[parent.index], run_as_of if self.as_of_limits else None
        if isinstance(edge.relation, Newest):
            return tx.newest(node, span, as_of)
        found = tx.pins(node, span, as_of)
        if not edge.reads_expected:
            return found
        return [published for published in found if tx.is_expected(node, published.publication.ordinal)]

    def _files(self, tx: Transaction, parent: Node, found: Sequence[Published]) -> dict[str, object]:
        """The pinned files; with their columns where all have the same, so that nobody needs to read their footers."""
        names = [_name(parent, p) for p in found]
        return {"partitions": names, **self._paths(tx, parent, found)}

    def _paths(self, tx: Transaction, parent: Node, found: Sequence[Published]) -> dict[str, object]:
        paths = [file.path for p in found for file in p.publication.files]
        if not paths:
            return {"files": [], "columns": tx.columns_of(self.node_ids[parent.index])} if not found else {"files": []}
        given: dict[str, object] = {"files": paths}
        first = found[0].publication.columns
        if all(p.publication.columns == first for p in found):
            given["columns"] = dict(first)
        if not all(map(is_staged, paths)):
            name = parent.partitions.name
            given["partition_of"] = {f.path: name(p.publication.ordinal) for p in found for f in p.publication.files}
        return given

    def _of_source(self, tx: Transaction, edge: Edge, source: Node, span: range) -> _Pinned:
        """What the source had when anybody asked it last; it may no longer have what the plan counted on."""
        there, versions = tx.observed(self.node_ids[source.index], span)
        if edge.reads_expected:
            there &= self.snapshot.states[source.index].expected
        gone = self.snapshot.states[source.index].published.within(span) - there
        lacking = f"{source.name} no longer has {', '.join(source.partitions.ranges_text(gone))}" if gone else ""
        if isinstance(edge.relation, Newest):
            there = PartitionSet.of([there.last] if there.last is not None else [])
        named = [(ordinal, source.partitions.name(ordinal)) for ordinal in there]
        reads = [InputRead(source.name, name, "", versions.get(ordinal, "")) for ordinal, name in named]
        return _Pinned(reads, {"partitions": [name for _, name in named]}, lacking)

    def _too_late(self, edge: Edge, parent: Node, span: range, found: Sequence[Published]) -> str | None:
        """The machine counted what is published; of that, some may have been made from later knowledge."""
        if not self.as_of_limits:
            return None
        expected = self.snapshot.states[parent.index].expected.within(span)
        need = len(span) if edge.is_single else len(expected)
        if len(found) >= edge.needed(need):
            return None
        lacking = expected - PartitionSet.of(p.publication.ordinal for p in found)
        reason = shortfall(edge, parent, lacking, len(found), need)
        return f"{reason} {TOO_LATE}"


def _name(parent: Node, found: Published) -> str:
    return parent.partitions.name(found.publication.ordinal)


def _reads(parent: Node, found: Sequence[Published]) -> list[InputRead]:
    return [InputRead(parent.name, _name(parent, p), p.run_id or "", p.publication.digest) for p in found]


def _delivery(parent: Node, found: Sequence[Published]) -> dict[str, object]:
    """What the table should hold: the current run, or nothing where nothing is published."""
    if not found:
        return {"dataset": parent.name, "run_id": None, "digest": "", "files": []}
    current = found[0]
    files = [file.path for file in current.publication.files]
    return {"dataset": parent.name, "run_id": current.run_id, "digest": current.publication.digest, "files": files}
