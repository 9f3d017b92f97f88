"""A pipeline made ready to plan: registered in the ledger, its members bound, its facts taken at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from recoup.app.calendars import expected
from recoup.app.code import code_version, same_code
from recoup.app.held import held
from recoup.app.moments import moments
from recoup.app.notebook import Table, page, ranges_text
from recoup.app.observing import listed, presence
from recoup.app.outside import Outside
from recoup.app.presence import Presence
from recoup.app.waived import waived_of
from recoup.ledger import planes as plane_names
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.ledger.registry import record_expected, record_presence, register_dataset, register_members, register_node
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.pipeline import Pipeline
from recoup.plan.plan import Group, Plan, Verb
from recoup.plan.reach import sources_within
from recoup.plan.request import Request
from recoup.plan.snapshot import NodeState, Snapshot


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that the planner and the engine need to know of a pipeline; lists go by the graph's node index."""

    pipeline: Pipeline
    graph: Graph
    node_ids: Sequence[NodeId]
    code_versions: Sequence[str]
    snapshot: Snapshot
    others: frozenset[int] = frozenset()
    """Backfills that run elsewhere; what they have still to make is `coming` in the snapshot."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from."""

    plan: Plan
    prepared: Prepared

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        plan = self.plan
        blocked = f"{plan.blocked:,} blocked · " if plan.blocked else ""
        headline = f"{plan.request.pipeline}: {plan.actions:,} to run · {blocked}{plan.done:,} done"
        rows = [self._row(group) for group in plan.groups]
        return page(headline, [Table(["step", "what", "count", "partitions", "why"], rows)])

    def _row(self, group: Group) -> tuple[str, str, int, str, str]:
        node, expected = self.prepared.graph.nodes[group.node], self.prepared.snapshot.states[group.node].expected
        where = ranges_text(node.partitions.ranges_text(group.ordinals, expected))
        verb = "blocked" if group.verb is Verb.BLOCK else "run"
        return node.name, verb, len(group.ordinals), where, group.reason


def prepare(
    ledger: Ledger, pipeline: Pipeline, outside: Outside, now: datetime, request: Request | None = None
) -> Prepared:
    """Ask calendars and sources, record what they say, and read the planes; unchanged facts are not written again.

    Sources are asked about what the request may read; without one about all.
    """
    graph = _bound(ledger, Graph.of(pipeline).with_partitions(listed))
    calendars = _calendars(graph, now, outside)
    asked = _asked(request, graph, calendars, now)
    sources = {index: presence(graph.nodes[index], wanted, outside) for index, wanted in asked.items()}
    with ledger.transaction() as tx:
        node_ids = [register(tx, ledger, pipeline.name, node) for node in graph.nodes]
        for node, mask in zip(graph.nodes, calendars, strict=True):
            if node.kind is not NodeKind.DATASET:  # whoever makes it says what is expected of it
                record_expected(tx, pipeline.name, node_ids[node.index], mask, _spans_over(graph, node_ids, node))
        for index, seen in sources.items():
            readers = _readers(graph, node_ids, index, seen)
            record_presence(tx, node_ids[index], asked[index], seen.present, seen.versions, readers)
    versions = [code_version(node) for node in graph.nodes]
    reader = LedgerReader(ledger.path, ledger.db)
    planes, durations = reader.planes(node_ids), reader.durations()
    states = tuple(
        _state(
            held(graph, node, planes[node_id], outside, calendars[node.index], ask=True),
            calendars[node.index],
            versions[node.index],
            durations.get(node_id),
            waived_of(node, node_ids, planes),
        )
        for node, node_id in zip(graph.nodes, node_ids, strict=True)
    )
    known = moments(reader, pipeline, graph, states, request, now)
    return Prepared(pipeline, graph, node_ids, versions, Snapshot(states, now, known))


def _asked(
    request: Request | None, graph: Graph, calendars: Sequence[PartitionSet], now: datetime
) -> Mapping[int, PartitionSet]:
    if request is not None:
        return sources_within(request, graph, calendars, now)
    return {node.index: calendars[node.index] for node in graph.nodes if node.kind is NodeKind.SOURCE}


def _calendars(graph: Graph, now: datetime, outside: Outside) -> list[PartitionSet]:
    """What each node's calendar expects, by the node's index; one that several share is read once."""
    read: dict[Partitioning, PartitionSet] = {}
    for node in graph.nodes:
        if node.partitions not in read:
            read[node.partitions] = expected(node.partitions, now, outside)
    return [read[node.partitions] for node in graph.nodes]


def register(tx: Transaction, ledger: Ledger, pipeline: str, node: Node) -> NodeId:
    """What the ledger calls a node."""
    if node.kind is NodeKind.DATASET:
        return register_dataset(tx, ledger, node.name, node.partitions.identity())
    label = node.step.label if node.step and node.kind is NodeKind.STEP else ""
    return register_node(
        tx,
        ledger,
        name=node.name,
        pipeline=pipeline,
        kind=node.kind.value,
        label=label or node.name,
        partitioning=node.partitions.identity(),
    )


def _bound(ledger: Ledger, graph: Graph) -> Graph:
    """With the members' ids; a transaction of its own, and none where there are no members."""
    if all(node.partitions.member_side is None for node in graph.nodes):
        return graph
    with ledger.transaction() as tx:
        return graph.with_members(lambda members: register_members(tx, members.key, members.listed or ()))


def _spans_over(
    graph: Graph, node_ids: Sequence[NodeId], node: Node
) -> Callable[[range], Iterator[tuple[NodeId, range]]]:
    """Who would become stale, for each run of partitions whose calendar changes."""
    return lambda run: ((node_ids[reader], span) for reader, span in graph.spans_over(node.index, run))


def _readers(
    graph: Graph, node_ids: Sequence[NodeId], index: int, seen: Presence
) -> Mapping[int, list[tuple[NodeId, range]]]:
    """Who would become stale, for each partition of a source that knows versions."""
    return {
        ordinal: [(node_ids[reader], span) for reader, span in graph.touched_by(index, ordinal)]
        for ordinal in seen.versions
    }


def _state(
    planes: Mapping[str, PartitionSet],
    expected_now: PartitionSet,
    version: str,
    mean_seconds: float | None,
    waived: PartitionSet,
) -> NodeState:
    nothing = EMPTY
    failed = {
        name.removeprefix(plane_names.FAILED): ordinals
        for name, ordinals in planes.items()
        if name.startswith(plane_names.FAILED) and ordinals
    }
    return NodeState(
        expected=expected_now - waived,
        waived=expected_now & waived,
        published=planes.get(plane_names.PUBLISHED, nothing),
        stale=planes.get(plane_names.STALE, nothing),
        same_code=same_code(version, planes),
        blocked=planes.get(plane_names.BLOCKED, nothing),
        running=planes.get(plane_names.RUNNING, nothing),
        failed=failed,
        code_version=version,
        mean_seconds=mean_seconds,
    )
