"""What a recovery has to know of one pipeline: how it stands, what failed, what has changed since, who is at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from recoup.app.backfills import ACTIVE, as_they_stand, at_work
from recoup.app.bound import Bound
from recoup.app.coming import with_coming
from recoup.app.failed import LastAttempt, last_attempts
from recoup.app.prepare import Prepared
from recoup.app.status import look
from recoup.app.workspace import Workspace
from recoup.engine.causes import Cause, causes
from recoup.engine.insight import Insight
from recoup.engine.surroundings import ownership
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.failure import FailureKind, RetryClass
from recoup.model.graph import Node
from recoup.model.grid import Grid
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import parents
from recoup.model.touching import touching
from recoup.plan.request import Request
from recoup.plan.snapshot import NodeState, Snapshot

_NEWER: Final = """
SELECT ordinal, max(at) FROM (
    SELECT ordinal, published_at AS at FROM publications
    WHERE node = :node AND state = 'current' AND published_at > :since
    UNION ALL
    SELECT ordinal, observed_at FROM observations WHERE node = :node AND observed_at > :since
) GROUP BY ordinal
"""
_NEWEST: Final = """
WHERE pipeline = ?
AND (state IN ('running', 'paused') OR backfill = (SELECT max(backfill) FROM backfills WHERE pipeline = ?))
"""


@dataclass(frozen=True)
class Looked:
    """One pipeline at one moment; sources have been asked."""

    name: str
    """As it was typed, or as recoup.toml has it."""
    prepared: Prepared
    found: Insight
    lasts: Sequence[LastAttempt]
    causes: Sequence[Cause]
    busy: Mapping[int, PartitionSet]
    """What somebody else is making, or will make, by the node's index."""
    by: str
    """The backfill that is at it."""
    newest_mode: str
    """What the newest backfill may know."""
    newer: Mapping[int, Mapping[int, float]]
    """When each partition that is read became another one, by the node's index, since the first of these failures.

    Only of those that are not tried again blindly.
    """

    @property
    def snapshot(self) -> Snapshot:
        """The facts that the planner is given."""
        return self.prepared.snapshot

    def state(self, node: Node) -> NodeState:
        """The facts of one node."""
        return self.snapshot.states[node.index]

    def as_of_mode(self, wanted: Mapping[int, PartitionSet]) -> str:
        """What these may know: as their newest failure might, else as the newest backfill may."""
        failed = [one for one in self.lasts if one.current.ordinal in wanted.get(one.current.node, EMPTY)]
        return max(failed, key=lambda one: one.current.at).as_of_mode if failed else self.newest_mode

    def changed(self, last: LastAttempt) -> str:
        """What is another one than when it failed: its code, what it reads, or nothing."""
        if last.run is None:
            return ""
        node, evidence = self.prepared.graph.nodes[last.current.node], last.current.failure.evidence
        if last.current.failure.kind is FailureKind.PERMISSION and "path" in evidence:
            now = ownership(evidence["path"])
            if now != {name: value for name, value in evidence.items() if name in now}:
                return "what it may do there"
        if last.code_version != self.prepared.code_versions[node.index]:
            return "its code"
        for edge in node.edges:
            if newer := self.newer.get(edge.parent):
                parent = self.prepared.graph.nodes[edge.parent].partitions
                span = parents(edge.relation, node.partitions, parent, last.current.ordinal)
                of_it = span if len(span) < len(newer) else (ordinal for ordinal in newer if ordinal in span)
                if any(newer.get(ordinal, 0.0) > last.claimed_at for ordinal in of_it):
                    return "what it reads"
        return ""

    @cached_property
    def tried(self) -> PartitionSet | None:
        """Between the first and the last date of which anything was tried: a gap in it was forgotten. None: nothing."""
        anchor, now = self.prepared.graph.anchor, self.snapshot.now
        alike = [step for step in self.found.steps if step.node.partitions.identity() == anchor.identity()]
        tried = EMPTY
        for step in alike or self.found.steps:  # a month touches days that nobody has tried
            own = step.expected - step.missing - step.waived
            tried |= touching(own, step.node.partitions, anchor, now) or EMPTY
        if not tried:
            return None
        if isinstance(anchor, Grid):
            times, _ = anchor.sides(tried)
            return anchor.product(_hull(times), anchor.members.universe(now))
        return _hull(tried) if anchor.is_time else anchor.universe(now)


def looked(workspace: Workspace, ledger: Ledger, name: str, request: Request) -> Looked:
    """Ask the sources about what is requested, then read what the ledger holds."""
    prepared = with_coming(workspace, ledger, workspace.prepared(ledger, name, request))
    reader = LedgerReader(ledger.path, ledger.db)
    live = at_work(workspace, reader)
    known = Bound(prepared.pipeline, prepared.graph, prepared.node_ids)
    found, _ = look(workspace, reader, known, live)
    lasts = [one for step in found.steps for one in last_attempts(reader, step, known.node_ids[step.node.index])]
    busy = {index: state.running | state.coming for index, state in enumerate(prepared.snapshot.states)}
    together = causes(found, known.graph, [one.current for one in lasts])
    newer = _newer(
        reader, prepared, [one for one in lasts if one.current.failure.retry_class is RetryClass.NOT_BLINDLY]
    )
    rows = as_they_stand(reader.backfills(_NEWEST, (prepared.pipeline.name,) * 2), live)
    by = next((row.backfill_id for row in rows if row.state in ACTIVE), "")
    mode = rows[0].request.get("as_of_mode", "now") if rows else "now"
    return Looked(name, prepared, found, lasts, together, busy, by, mode, newer)


def _newer(reader: LedgerReader, prepared: Prepared, lasts: Iterable[LastAttempt]) -> dict[int, dict[int, float]]:
    """One question for each node that is read, not one for each failure."""
    since: dict[int, float] = {}
    for last in lasts:
        for parent in _read(prepared, last.current.node):
            since[parent] = min(since.get(parent, last.claimed_at), last.claimed_at)
    return {
        parent: dict(reader.query(_NEWER, {"node": prepared.node_ids[parent], "since": at}))
        for parent, at in since.items()
    }


def _read(prepared: Prepared, node: int) -> Iterator[int]:
    return (edge.parent for edge in prepared.graph.nodes[node].edges)


def _hull(ordinals: PartitionSet) -> PartitionSet:
    first, last = ordinals.first, ordinals.last
    return EMPTY if first is None or last is None else PartitionSet.of_range(range(first, last + 1))
