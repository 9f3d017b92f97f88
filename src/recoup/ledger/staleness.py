"""What must be stale, and what may be, from the facts: the input version stored with a publication against today's.

`must` holds partitions whose inputs differ from what they were made from. `may` adds those of which an input has
changed since, even if it was changed back, and those that were rolled back: it is what the ledger's writer marks, as
exactly as the facts tell, and what a rebuild restores.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from recoup.ledger.facts import NodeId
from recoup.ledger.reader import published_rows
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.manifest import InputRead, input_version
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import ALL, Edge, Newest, parents

ROLLBACK = "rollback"
"""How the reason of a publication begins that a person took back."""


@dataclass(frozen=True, slots=True)
class Staleness:
    """One node's bounds: `must` ⊆ stale ⊆ `may`; `unchecked` says which input could not be compared, and why."""

    node: NodeId
    must: PartitionSet
    may: PartitionSet
    unchecked: str = ""


@dataclass(slots=True)
class _Current:
    """What a node shows now, by ordinal."""

    digests: dict[int, str] = field(default_factory=dict)
    changed_at: dict[int, float] = field(default_factory=dict)
    made: list[_Made] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Made:
    """One publication that is shown, and when its inputs were pinned."""

    ordinal: int
    token: int
    input_version: str
    run_as_of: float
    claimed_at: float
    rolled_back: bool


@dataclass(frozen=True, slots=True)
class _Source:
    """What a source has said: versions ever seen, and what is there now."""

    versions: Mapping[int, str]
    seen_at: Mapping[int, float]
    present: PartitionSet


def staleness(
    db: sqlite3.Connection,
    graph: Graph,
    node_ids: Sequence[NodeId],
    present: Mapping[NodeId, PartitionSet],
    expected: Mapping[NodeId, PartitionSet],
    reads: Mapping[int, Sequence[InputRead]] | None = None,
) -> Iterator[Staleness]:
    """The bounds of each step and delivery of a pipeline; `present` holds what its sources have.

    `expected` holds what is on the calendars, as the last plan recorded it; without an entry everything is.
    `reads` holds, by token, what was read of sources, where manifests tell it; then nothing is left unchecked.
    """
    current = {
        node.index: _current(db, node_ids[node.index]) for node in graph.nodes if node.kind is not NodeKind.SOURCE
    }
    sources = {
        node.index: _source(db, node_ids[node.index], present) for node in graph.nodes if node.kind is NodeKind.SOURCE
    }
    for node in graph.nodes:
        if node.is_made:
            yield _Checking(db, graph, node_ids, current, sources, expected, reads or {}).node(node)


@dataclass(frozen=True, slots=True)
class _Checking:
    db: sqlite3.Connection
    graph: Graph
    node_ids: Sequence[NodeId]
    current: Mapping[int, _Current]
    sources: Mapping[int, _Source]
    expected: Mapping[NodeId, PartitionSet]
    reads: Mapping[int, Sequence[InputRead]]

    def node(self, node: Node) -> Staleness:
        node_id = self.node_ids[node.index]
        unversioned = [
            self.graph.nodes[e.parent].name
            for e in node.edges
            if e.parent in self.sources and not self.sources[e.parent].versions
        ]
        running = _running(self.db, node_id)
        must, may, unchecked = [], [], 0
        for made in self.current[node.index].made:
            idle = made.ordinal not in running
            comparable = not unversioned or made.token in self.reads
            unchecked += not comparable
            if idle and comparable and self._differs(node, made):
                must.append(made.ordinal)
            elif made.rolled_back or self._touched(node, made):
                may.append(made.ordinal)
        why = f"{', '.join(unversioned)} gives no versions" if unchecked else ""
        certain = PartitionSet.of(must)
        # With an attempt on the way, anything may be said of what is shown meanwhile.
        return Staleness(node_id, certain, certain | PartitionSet.of(may) | PartitionSet.of(running), why)

    def _differs(self, node: Node, made: _Made) -> bool:
        return made.input_version not in self._versions(node, made)

    def _versions(self, node: Node, made: _Made) -> Iterator[str]:
        """What the inputs add up to now; second and third, as a run with a limited view, or before a source shrank."""
        yield self._version(node, made, None, within_present=False)
        yield self._version(node, made, made.run_as_of, within_present=False)
        yield self._version(node, made, None, within_present=True)

    def _version(self, node: Node, made: _Made, as_of: float | None, *, within_present: bool) -> str:
        reads: list[InputRead] = []
        for edge in node.edges:
            parent = self.graph.nodes[edge.parent]
            span = self._span(node, edge, made)
            found = self._source_reads(edge, span, made, within_present=within_present)
            if found is None:
                span = self._on_calendar(edge, span)
                found = self._reads(edge, span) if as_of is None else self._reads_as_of(edge, span, as_of)
            reads += [InputRead(parent.name, parent.partitions.name(o), "", digest) for o, digest in found]
        return input_version(reads)

    def _span(self, node: Node, edge: Edge, made: _Made) -> Sequence[int]:
        """The parent's ordinals that it reads; of the newest, which one that was when it was claimed."""
        if isinstance(edge.relation, Newest):  # what that was, only the attempt knows
            asked = (self.node_ids[edge.parent], made.token)
            rows = self.db.execute("SELECT ordinal FROM reads WHERE node = ? AND token = ?", asked)
            return [row[0] for row in rows]
        span = parents(edge.relation, node.partitions, self.graph.nodes[edge.parent].partitions, made.ordinal)
        return span if span is not ALL else sorted(self._known(edge.parent))

    def _on_calendar(self, edge: Edge, span: Sequence[int]) -> Sequence[int]:
        """What of it would be read; of the newest that is what was read."""
        expected = self.expected.get(self.node_ids[edge.parent])
        if not expected or not edge.reads_expected or isinstance(edge.relation, Newest):
            return span
        kept = [ordinal for ordinal in span if ordinal in expected]
        return kept if len(kept) < len(span) else span

    def _known(self, parent: int) -> Iterable[int]:
        """All partitions of a parent that show anything, or of which a source has said anything."""
        source = self.sources.get(parent)
        return source.versions if source else self.current[parent].changed_at

    def _source_reads(
        self, edge: Edge, span: Sequence[int], made: _Made, *, within_present: bool
    ) -> list[tuple[int, str]] | None:
        source = self.sources.get(edge.parent)
        if source is None:
            return None
        if made.token in self.reads:
            parent = self.graph.nodes[edge.parent]
            own = {
                parent.partitions.ordinal(r.partition): r for r in self.reads[made.token] if r.dataset == parent.name
            }
            return [(o, source.versions.get(o, read.digest)) for o, read in own.items() if o in span]
        found = [(o, source.versions[o]) for o in span if o in source.versions]
        return [(o, version) for o, version in found if o in source.present] if within_present else found

    def _reads(self, edge: Edge, span: Sequence[int]) -> list[tuple[int, str]]:
        digests = self.current[edge.parent].digests
        return [(o, digests[o]) for o in span if o in digests]

    def _reads_as_of(self, edge: Edge, span: Sequence[int], as_of: float) -> list[tuple[int, str]]:
        node = self.node_ids[edge.parent]
        pieces = [span] if isinstance(span, range) else [range(ordinal, ordinal + 1) for ordinal in span]
        rows = (row for piece in pieces for row in published_rows(self.db, node, piece, as_of))
        return [(row.publication.ordinal, row.publication.digest) for row in rows]

    def _touched(self, node: Node, made: _Made) -> bool:
        """Whether an input changed, or a source's version was seen, since this one's inputs were pinned."""
        for edge in node.edges:
            span = self._span(node, edge, made)
            source = self.sources.get(edge.parent)
            moments = source.seen_at if source else self.current[edge.parent].changed_at
            if any(moments.get(o, 0.0) >= made.claimed_at for o in span):
                return True
            if edge.reads_expected and self._calendar_changed(node, edge, made):
                return True
        return False

    def _calendar_changed(self, node: Node, edge: Edge, made: _Made) -> bool:
        """Whether a partition that it might have read came or left since then."""
        parent = self.graph.nodes[edge.parent]
        span = parents(edge.relation, node.partitions, parent.partitions, made.ordinal)
        rows = self.db.execute(
            "SELECT ordinal FROM calendar_changes WHERE node = ? AND ordinal BETWEEN ? AND ? AND at >= ?",
            (self.node_ids[parent.index], span[0], span[-1], made.claimed_at),
        )
        return any(ordinal in span for (ordinal,) in rows)


def _current(db: sqlite3.Connection, node: NodeId) -> _Current:
    found = _Current()
    rows = db.execute(
        "SELECT p.ordinal, p.token, p.run, p.digest, p.input_version, p.run_as_of, p.published_at, p.reason,"
        " a.claimed_at FROM publications p LEFT JOIN attempts a USING (token) WHERE p.node = ? AND p.state = 'current'",
        (node,),
    )
    for ordinal, token, run, digest, version, run_as_of, published_at, reason, claimed_at in rows:
        found.changed_at[ordinal] = published_at
        if run is not None:
            found.digests[ordinal] = digest
            made = _Made(ordinal, token, version, run_as_of, claimed_at or published_at, reason.startswith(ROLLBACK))
            found.made.append(made)
    _unless_republished_alike(db, node, found)
    return found


def _unless_republished_alike(db: sqlite3.Connection, node: NodeId, found: _Current) -> None:
    """What was published again with the same digest has not changed by that: its change lies further back."""
    unsettled = dict(found.digests)
    rows = db.execute(
        "SELECT ordinal, digest, published_at FROM publications WHERE node = ? AND state = 'past'"
        " ORDER BY ordinal, token DESC",
        (node,),
    )
    for ordinal, digest, published_at in rows:
        if unsettled.get(ordinal) == digest:
            found.changed_at[ordinal] = published_at
        else:
            unsettled.pop(ordinal, None)


def _source(db: sqlite3.Connection, node: NodeId, present: Mapping[NodeId, PartitionSet]) -> _Source:
    rows = db.execute("SELECT ordinal, version, observed_at FROM observations WHERE node = ?", (node,)).fetchall()
    versions = {ordinal: version for ordinal, version, _ in rows}
    return _Source(versions, {ordinal: at for ordinal, _, at in rows}, present.get(node, EMPTY))


def _running(db: sqlite3.Connection, node: NodeId) -> set[int]:
    """What is being made, or may have been: its pointer has not been asked yet."""
    rows = db.execute(
        "SELECT ordinal FROM attempts WHERE node = :node AND state = 'running'"
        " UNION SELECT ordinal FROM publications WHERE node = :node AND state = 'intent'",
        {"node": node},
    )
    return {row[0] for row in rows}
