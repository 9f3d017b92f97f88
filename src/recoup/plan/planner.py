"""From a Request and a Snapshot to a Plan; a pure function of what it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from recoup.model.errors import UsageError
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import Edge, Newest, parents
from recoup.plan.edges import read_by, readers_of
from recoup.plan.freshness import over_by, unfit
from recoup.plan.plan import Group, Plan, Verb
from recoup.plan.request import Only, Request
from recoup.plan.scope import Scope
from recoup.plan.shortfall import same_shortfall, shortfall, waived_shortfall
from recoup.plan.snapshot import NodeState, Snapshot


def make_plan(request: Request, graph: Graph, snapshot: Snapshot, within: PartitionSet | None = None) -> Plan:
    """Decide for each step, parents first: what is in scope, why, and whether it can be run.

    `within` is a stage of the request: only these of the pipeline's own partitions.
    """
    return _Planning(request, graph, snapshot, within).plan()


def fingerprint(request: Request, graph: Graph, snapshot: Snapshot) -> str:
    """A digest of the facts within the request's window and everything that it reads."""
    return _Planning(request, graph, snapshot).fingerprint()


@dataclass
class _Planning:
    request: Request
    graph: Graph
    snapshot: Snapshot
    within: PartitionSet | None = None

    def __post_init__(self) -> None:
        self.running: list[PartitionSet] = [EMPTY] * len(self.graph.nodes)
        self.groups: list[Group] = []
        self.pulled: list[PartitionSet] = [EMPTY] * len(self.graph.nodes)
        self.asked = Scope(self.request, self.graph, self.snapshot, self.within)
        self.scope = self._scope()

    def plan(self) -> Plan:
        kept: list[tuple[int, PartitionSet]] = []
        for node in self.graph.nodes:
            if not node.is_made or not self.scope[node.index]:
                continue
            self._decide(node)
            kept.append((node.index, self.scope[node.index] & self._state(node).published - self.running[node.index]))
        done = sum(len(ordinals) for _, ordinals in kept)
        return Plan(self.request, tuple(self.groups), self.fingerprint(), done, self._estimate(), tuple(kept))

    # --- scope: which partitions of which nodes are asked for

    def _selected(self) -> set[int]:
        if not self.request.steps:
            return {node.index for node in self.graph.nodes if node.is_made}
        chosen = {self._made(name).index for name in self.request.steps}
        deliveries = {n.index for n in self.graph.nodes if n.kind is NodeKind.DELIVERY and n.edges[0].parent in chosen}
        return chosen | deliveries

    def _made(self, name: str) -> Node:
        node = self.graph.node(name)
        if not node.is_made:
            message = f"{name!r} is a {node.kind.value}: somebody else makes it"
            raise UsageError(message, "name the step that reads it")
        return node

    def _scope(self) -> list[PartitionSet]:
        selected = self._selected()
        scope = [self.asked.of(node) if node.index in selected else EMPTY for node in self.graph.nodes]
        if self.request.include_upstream:
            self._widen(scope)
        return scope

    def _widen(self, scope: list[PartitionSet]) -> None:
        """Add, children first, what the wanted ones read and what is not there; and then its deliveries."""
        steps = [node for node in self.graph.nodes if node.kind is NodeKind.STEP]
        for node in reversed(steps):
            wanted = self._wanted(node, scope[node.index])
            for edge in node.edges:
                parent = self.graph.nodes[edge.parent]
                if not parent.is_made:
                    continue
                state = self._state(parent)
                lacking = self._needed(edge, node, parent, wanted) - state.published
                lacking -= self.asked.left_out(parent.partitions)
                self.pulled[parent.index] |= lacking
                scope[parent.index] |= lacking
        for node in self.graph.nodes:
            if node.kind is NodeKind.DELIVERY:
                scope[node.index] |= self.pulled[node.edges[0].parent]

    # --- decisions

    def _decide(self, node: Node) -> None:
        blocks = self._blocks(node)
        rest = self.scope[node.index]
        for reason, candidates in self._reasons(node):
            ordinals = candidates & rest
            rest -= ordinals
            self._group(node, Verb.RUN, ordinals - blocks.everything, reason)
            blocks.wanted |= ordinals
        for reason, ordinals in blocks.by_reason(blocks.wanted - self._asked_in_part(node)):
            self._group(node, Verb.BLOCK, ordinals, reason)

    def _asked_in_part(self, node: Node) -> PartitionSet:
        """A month of which some days were asked for is made when it can be, and nobody misses it when it cannot.

        Unless its step was asked for by name.
        """
        return EMPTY if self.request.steps else self.asked.in_part(node.partitions) - self.pulled[node.index]

    def _reasons(self, node: Node) -> Iterator[tuple[str, PartitionSet]]:
        """Why a partition would be run, the first reason that holds; what is left is done."""
        state, only = self._state(node), self.request.only
        for reason, ordinals in self.asked.again(node):
            yield reason, ordinals & state.published
        if node.kind is NodeKind.DELIVERY:
            yield from self._delivery_reasons(node, state)
            return
        pulled = self.pulled[node.index]  # whatever was asked for, what is needed upstream is made
        failed = state.expected if Only.FAILED in only else pulled
        yield from ((f"failed({kind})", ordinals & failed) for kind, ordinals in sorted(state.failed.items()))
        missing = state.expected if Only.MISSING in only else pulled
        yield "missing", missing - state.published - state.any_failed
        if Only.STALE in only:
            yield "stale(code)", state.published - state.same_code
            yield "stale(input)", state.stale
            for edge in node.edges:
                parent = self.graph.nodes[edge.parent]
                again = self.running[parent.index]
                touched = readers_of(edge, node, parent, again, state.published, self.snapshot.now)
                yield f"stale(input): {parent.name} runs again", touched & state.published

    def _delivery_reasons(self, node: Node, state: NodeState) -> Iterator[tuple[str, PartitionSet]]:
        """A table follows what is published, whatever was asked for."""
        parent = node.edges[0].parent
        held = state.published & state.same_code - state.stale
        due = state.stale | self._state(self.graph.nodes[parent]).published
        yield "undelivered", due - held - self.running[parent]
        yield f"follows {self.graph.nodes[parent].name}", self.running[parent]

    def _wanted(self, node: Node, scope: PartitionSet) -> PartitionSet:
        wanted = EMPTY
        for _, ordinals in self._reasons(node):
            wanted |= ordinals
        return wanted & scope

    def _blocks(self, node: Node) -> _Blocks:
        blocks = _Blocks()
        if node.kind is NodeKind.DELIVERY:
            return blocks
        wanted = self._wanted(node, self.scope[node.index])
        for edge in node.edges:
            parent = self.graph.nodes[edge.parent]
            state = self._state(parent)
            # What another controller is making, or will, is awaited: it is no reason to block.
            there = state.published | self.running[parent.index] | state.running | state.coming
            if edge.is_single:
                if edge.complete > 0:
                    lacking = wanted - self._whose_own(edge, node, parent, there)
                    blocks.add(waived_shortfall(parent), lacking & self._whose_own(edge, node, parent, state.waived))
                    blocks.add(same_shortfall(parent), lacking)
            else:
                self._count(node, edge, parent, there, wanted - blocks.everything, blocks)
                self._date(node, edge, parent, there & state.expected, wanted - blocks.everything, blocks)
        return blocks

    def _whose_own(self, edge: Edge, node: Node, parent: Node, ordinals: PartitionSet) -> PartitionSet:
        """The partitions whose one input, their own or the one around them, is among these."""
        return readers_of(edge, node, parent, ordinals, EMPTY, self.snapshot.now)

    def _count(
        self, node: Node, edge: Edge, parent: Node, there: PartitionSet, wanted: PartitionSet, blocks: _Blocks
    ) -> None:
        """Lookbacks and finer partitions: the share of the expected ones in each span."""
        if not wanted:
            return
        expected = self._state(parent).expected
        if not expected - there:
            return
        expected_in, there_in = expected.counts(), (there & expected).counts()
        for ordinal in wanted:
            span = parents(edge.relation, node.partitions, parent.partitions, ordinal)
            need, have = expected_in.count(span), there_in.count(span)
            if have < edge.needed(need):
                lacking = (expected - there).within(span)
                blocks.add(shortfall(edge, parent, lacking, have, need), PartitionSet.of((ordinal,)))

    def _date(
        self, node: Node, edge: Edge, parent: Node, there: PartitionSet, wanted: PartitionSet, blocks: _Blocks
    ) -> None:
        """Snapshots: whether the newest that is over at the run's moment is new enough."""
        newest, moments = edge.relation, self.snapshot.moments
        if not isinstance(newest, Newest) or not newest.snapshot or moments is None:
            return
        for ordinal in wanted:
            moment, all_of_it = moments(node, ordinal), parents(newest, node.partitions, parent.partitions, ordinal)
            last = there.within(over_by(all_of_it, parent.partitions, newest, moment)).last
            found = [] if last is None else [parent.partitions.name(last)]
            if reason := unfit(newest, parent, found, moment):
                blocks.add(reason, PartitionSet.of((ordinal,)))

    def _group(self, node: Node, verb: Verb, ordinals: PartitionSet, reason: str) -> None:
        if not ordinals:
            return
        if verb is Verb.RUN:
            self.running[node.index] |= ordinals
        self.groups.append(Group(node.index, verb, ordinals, reason))

    # --- what the plan rests on, and what it will take

    def fingerprint(self) -> str:
        read = list(self.scope)
        for node in self.graph.nodes:
            for edge in node.edges:
                parent = self.graph.nodes[edge.parent]
                read[parent.index] |= self._read_by(edge, node, parent, self.scope[node.index])
        digest = hashlib.sha256()
        for node in self.graph.nodes:
            window, state = read[node.index], self._state(node)
            if not window:
                continue
            digest.update(f"{node.name} {state.code_version}\n".encode())
            sets = {"expected": state.expected, "published": state.published, "stale": state.stale}
            sets |= {"same code": state.same_code} | {f"failed({kind})": o for kind, o in state.failed.items()}
            for name, ordinals in sorted(sets.items()):
                for index, chunk in (ordinals & window).chunks():
                    digest.update(f"{name} {index}\n".encode() + chunk)
        return digest.hexdigest()[:32]

    def _estimate(self) -> float | None:
        """Seconds of work by the history of each step; None when a step has none yet."""
        total = 0.0
        for node in self.graph.nodes:
            count, mean = len(self.running[node.index]), self._state(node).mean_seconds
            if count and mean is None:
                return None
            total += count * (mean or 0.0)
        return total

    # --- along an edge

    def _read_by(self, edge: Edge, child: Node, parent: Node, ordinals: PartitionSet) -> PartitionSet:
        state = self._state(parent)
        return read_by(edge, child, parent, ordinals, state.expected | state.published, self.snapshot.now)

    def _needed(self, edge: Edge, child: Node, parent: Node, ordinals: PartitionSet) -> PartitionSet:
        """What they read as far as it is expected; where any partition does, the newest if there is none."""
        state = self._state(parent)
        read = self._read_by(edge, child, parent, ordinals) & state.expected
        if not isinstance(edge.relation, Newest):
            return read
        newest = max(read - state.published, key=parent.partitions.rank, default=None)
        return EMPTY if newest is None or state.published else PartitionSet.of([newest])

    def _state(self, node: Node) -> NodeState:
        return self.snapshot.states[node.index]


class _Blocks:
    """What of a node cannot be run, by reason; a partition is named under its first one."""

    def __init__(self) -> None:
        self.reasons: dict[str, PartitionSet] = {}
        self.everything = EMPTY
        self.wanted = EMPTY

    def add(self, reason: str, ordinals: PartitionSet) -> None:
        new = ordinals - self.everything
        if new:
            self.reasons[reason] = self.reasons.get(reason, EMPTY) | new
            self.everything |= new

    def by_reason(self, wanted: PartitionSet) -> Iterator[tuple[str, PartitionSet]]:
        return ((reason, ordinals & wanted) for reason, ordinals in self.reasons.items())
