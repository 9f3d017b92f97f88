"""How a pipeline stands: what is there, what failed, what is blocked and why; from a snapshot, by bitmaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import or_

from recoup.engine.lifted import Lifted
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.grid import Grid
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.touching import touching
from recoup.plan.snapshot import NodeState, Snapshot


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some partitions of a step were not tried."""

    text: str
    partitions: PartitionSet
    at: float = 0.0
    """When that was found, the last time."""


@dataclass(frozen=True, slots=True)
class StepInsight:
    """One step, or one delivery to a table, within the window.

    `complete` are those with which nothing is left to do; every other expected partition is in exactly one of
    `running`, `failed`, `blocked` and `missing`. `running` may hold complete ones, which are made again; `stale_code`
    and `stale_input` only hold complete ones. `waived` ones are complete, because somebody accepted their gap.
    """

    node: Node
    expected: PartitionSet
    complete: PartitionSet
    running: PartitionSet
    failed: Mapping[str, PartitionSet]
    blocked: PartitionSet
    missing: PartitionSet
    stale_code: PartitionSet
    stale_input: PartitionSet
    unexpected: PartitionSet
    waived: PartitionSet = EMPTY
    departed: PartitionSet = EMPTY
    """Of the unexpected ones those whose member is not there any more."""
    reasons: tuple[Reason, ...] = ()

    @property
    def stale(self) -> PartitionSet:
        """Out of date, for whatever reason."""
        return self.stale_code | self.stale_input

    @property
    def any_failed(self) -> PartitionSet:
        """Failed, of whatever kind."""
        everything = EMPTY
        for ordinals in self.failed.values():
            everything |= ordinals
        return everything


@dataclass(frozen=True, slots=True)
class Insight:
    """A pipeline within a window; its dates are the partitions of its own partitioning."""

    pipeline: str
    partitions: Partitioning
    dates: PartitionSet
    completed: PartitionSet
    steps: tuple[StepInsight, ...] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Nothing is left to do, in no step."""
        return all(step.complete == step.expected for step in self.steps)

    @property
    def remaining(self) -> int:
        """Dates of which at least one step is not complete."""
        return len(self.dates) - len(self.completed)

    @property
    def pct_complete(self) -> float:
        """Cut, never rounded up: 100.0 means all of them."""
        return math.floor(10_000 * len(self.completed) / len(self.dates)) / 100 if self.dates else 100.0


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: partitions of the pipeline's own partitioning; None for everything."""

    asked: PartitionSet | None = None

    def of(self, node: Node, anchor: Partitioning, now: datetime) -> PartitionSet | None:
        """The same window in a node's partitioning; None where there is no limit."""
        if self.asked is None:
            return None
        return touching(self.asked, anchor, node.partitions, now)


def insight(
    graph: Graph,
    snapshot: Snapshot,
    *,
    window: Window | None = None,
    steps: Sequence[str] = (),
    reasons: Mapping[int, Sequence[Reason]] | None = None,
) -> Insight:
    """How all steps stand, or those named with their deliveries; `reasons` are of the blocked, by the node's index."""
    looked_at, known = window or Window(), reasons or {}
    snapshot = _as_it_is_now(graph, snapshot, known)
    found = tuple(
        _step(node, graph, snapshot, looked_at.of(node, graph.anchor, snapshot.now), known.get(node.index, ()))
        for node in _chosen(graph, steps)
    )
    dates, lacking = EMPTY, EMPTY
    for step in found:
        dates |= _dates(step.node, graph, step.expected, snapshot.now)
    own = [step.expected for step in found if step.node.partitions.identity() == graph.anchor.identity()]
    dates &= reduce(or_, own) if own else graph.anchor.universe(snapshot.now)  # a month's step touches days of no step
    if looked_at.asked is not None:
        dates &= looked_at.asked
    for step in found:
        lacking |= _dates(step.node, graph, step.expected - step.complete, snapshot.now)
    return Insight(graph.pipeline, graph.anchor, dates, dates - lacking, found)


def _as_it_is_now(graph: Graph, snapshot: Snapshot, reasons: Mapping[int, Sequence[Reason]]) -> Snapshot:
    """Without the blocks whose reason holds no longer; what is left of them is missing."""
    states, lifted = list(snapshot.states), Lifted(graph, snapshot)
    for index, of_node in reasons.items():
        node = graph.nodes[index]
        for reason in of_node:
            blocked = reason.partitions & states[index].blocked
            if gone := lifted.of(node, reason.text, blocked):
                states[index] = replace(states[index], blocked=states[index].blocked - gone)
    return replace(snapshot, states=tuple(states))


def _chosen(graph: Graph, steps: Sequence[str]) -> Iterator[Node]:
    """All but sources; a step's deliveries go with it."""
    wanted = {graph.node(name).index for name in steps}
    for node in graph.nodes:
        follows = node.kind is NodeKind.DELIVERY and node.edges[0].parent in wanted
        if node.is_made and (not steps or node.index in wanted or follows):
            yield node


def _dates(node: Node, graph: Graph, ordinals: PartitionSet, now: datetime) -> PartitionSet:
    """In the pipeline's own partitions; what cannot be said in them counts for the step alone."""
    return touching(ordinals, node.partitions, graph.anchor, now) or EMPTY


def _step(
    node: Node, graph: Graph, snapshot: Snapshot, window: PartitionSet | None, reasons: Sequence[Reason]
) -> StepInsight:
    state = snapshot.states[node.index]
    needed = state.expected | state.waived
    expected = needed if window is None else needed & window
    running, waived = state.running & expected, state.waived & expected
    made = _complete(node, snapshot) & expected - waived
    complete = made | waived
    rest = expected - complete - running
    failed = dict(_shares(state, rest))
    for ordinals in failed.values():
        rest -= ordinals
    waiting = _waiting(node, snapshot) & rest
    blocked = state.blocked & rest | waiting
    shown = state.published - needed
    unexpected = shown if window is None else shown & window
    return StepInsight(
        node=node,
        expected=expected,
        complete=complete,
        running=running,
        failed=failed,
        blocked=blocked,
        missing=rest - blocked,
        stale_code=made - state.same_code,
        stale_input=made & state.stale,
        unexpected=unexpected,
        waived=waived,
        departed=_departed(node.partitions, unexpected, needed),
        reasons=(*_within(reasons, blocked - waiting), *_within(_behind(node, graph, waiting), waiting)),
    )


def _departed(partitions: Partitioning, unexpected: PartitionSet, needed: PartitionSet) -> PartitionSet:
    """Those of a member of which nothing is expected; of a member that is there, only days are not."""
    if isinstance(partitions, Grid):
        (times, members), (_, there) = partitions.sides(unexpected), partitions.sides(needed)
        return unexpected & partitions.product(times, members - there)
    return EMPTY if partitions.member_side is None else unexpected


def _complete(node: Node, snapshot: Snapshot) -> PartitionSet:
    """Published, and the last try did not fail; a table holds what is current."""
    state = snapshot.states[node.index]
    there = state.published - state.any_failed
    if node.kind is NodeKind.DELIVERY:
        parent = snapshot.states[node.edges[0].parent].published
        return there & state.same_code & parent - state.stale
    return there


def _waiting(node: Node, snapshot: Snapshot) -> PartitionSet:
    """What a table cannot show because its step failed or is blocked; nobody writes that down for deliveries."""
    if node.kind is not NodeKind.DELIVERY:
        return EMPTY
    parent = snapshot.states[node.edges[0].parent]
    return (parent.blocked | parent.any_failed) - parent.published


def _behind(node: Node, graph: Graph, waiting: PartitionSet) -> Iterator[Reason]:
    if waiting:
        yield Reason(f"{graph.nodes[node.edges[0].parent].name} is not there", waiting)


def _shares(state: NodeState, rest: PartitionSet) -> Iterator[tuple[str, PartitionSet]]:
    for kind, ordinals in sorted(state.failed.items()):
        if here := ordinals & rest:
            yield kind, here
            rest -= here


def _within(reasons: Iterable[Reason], blocked: PartitionSet) -> Iterator[Reason]:
    for reason in reasons:
        if here := reason.partitions & blocked:
            yield Reason(reason.text, here, reason.at)
