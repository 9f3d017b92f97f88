"""What is wrong now, by cause: which failures are one, and what each of them keeps from being made; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from recoup.engine.insight import Insight, StepInsight
from recoup.model.failure import Failure, FailureKind
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import Edge, Newest, children

Places = Mapping[int, PartitionSet]
"""Partitions by the index of their node."""


@dataclass(frozen=True, slots=True)
class Current:
    """How the last attempt at a partition failed."""

    node: int
    ordinal: int
    failure: Failure
    at: float
    run_id: str
    log: str | None = None
    attempts: int = 1


@dataclass(slots=True)
class Cause:
    """One thing that is wrong: `newest` tells it, `since` it is so, and `blocks` cannot be made because of it."""

    group: str
    newest: Current
    since: float
    where: dict[int, PartitionSet] = field(default_factory=dict)
    blocks: Places = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many partitions of steps."""
        return sum(map(len, self.where.values()))

    def add(self, current: Current) -> None:
        """One more partition that failed alike."""
        self.where[current.node] = self.where.get(current.node, EMPTY) | PartitionSet.of([current.ordinal])
        self.since = min(self.since, current.at)
        if current.at > self.newest.at:
            self.newest = current


def causes(found: Insight, graph: Graph, current: Iterable[Current]) -> list[Cause]:
    """Failures by fingerprint, then blocks that no failure explains by their reason; the newest first."""
    groups: dict[str, Cause] = {}
    for one in current:
        group = group_of(one.failure)
        groups.setdefault(group, Cause(group, one, one.at)).add(one)
    blocked = {step.node.index: step.blocked for step in found.steps}
    failed = {step.node.index: step.any_failed for step in found.steps}
    for cause in groups.values():
        cause.blocks = behind(graph, cause.where, blocked)
    for cause in _blocks(found.steps, graph, failed, blocked):
        cause.blocks = behind(graph, cause.where, blocked)
        groups[cause.group] = cause
    return sorted(groups.values(), key=lambda cause: (-cause.newest.at, -cause.count, cause.group))


def group_of(failure: Failure) -> str:
    """What its cause is called."""
    return failure.fingerprint or _named(failure)


def behind(graph: Graph, seeds: Places, blocked: Places) -> Places:
    """What is blocked because of these, by whatever way; parents come first in the graph, so once through is enough."""
    reached: dict[int, PartitionSet] = {}
    for node in graph.nodes:
        waiting = blocked.get(node.index, EMPTY) - seeds.get(node.index, EMPTY)
        for edge in node.edges if waiting else ():
            bad = seeds.get(edge.parent, EMPTY) | reached.get(edge.parent, EMPTY)
            if hit := _readers(graph, node, edge, bad, waiting):
                reached[node.index] = reached.get(node.index, EMPTY) | hit
    return reached


def _readers(graph: Graph, node: Node, edge: Edge, bad: PartitionSet, waiting: PartitionSet) -> PartitionSet:
    """Those that wait and may read one of the bad ones."""
    if not bad:
        return EMPTY
    if isinstance(edge.relation, Newest) or edge.is_whole:
        return waiting
    parent, hit = graph.nodes[edge.parent].partitions, EMPTY
    for ordinal in bad:
        hit |= waiting.within(children(edge.relation, node.partitions, parent, ordinal))
    return hit


def _blocks(steps: Sequence[StepInsight], graph: Graph, failed: Places, blocked: Places) -> Iterator[Cause]:
    """Where blocks begin: no input of theirs failed or is blocked itself. What they lack, nobody here tried to make."""
    bad = {index: failed.get(index, EMPTY) | blocked.get(index, EMPTY) for index in {*failed, *blocked}}
    together: dict[str, Cause] = {}
    for step in steps:
        node, first = step.node, step.blocked
        if node.kind is NodeKind.DELIVERY:
            continue
        for edge in node.edges:
            first -= _readers(graph, node, edge, bad.get(edge.parent, EMPTY), first)
        for reason in step.reasons:
            for ordinal in reason.partitions & first:
                failure = Failure(FailureKind.BLOCKED, reason.text)
                one = Current(node.index, ordinal, failure, reason.at, "")
                group = group_of(failure)
                together.setdefault(group, Cause(group, one, one.at)).add(one)
    yield from together.values()


def _named(failure: Failure) -> str:
    """A name for what has no fingerprint: its words without the numbers."""
    words = re.sub(r"\d+", "#", failure.message)
    return hashlib.sha256(f"{failure.kind}|{words}".encode()).hexdigest()[:12]
