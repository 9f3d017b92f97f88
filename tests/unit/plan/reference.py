"""The planner once more, partition by partition and in plain sets: slow, and easy to believe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.relation import Edge, Enclosing, Every, Newest, Same, Span, Within
from recoup.plan.request import Only, Request
from recoup.plan.snapshot import Snapshot

Decision = tuple[str, str]
"""A verb and the beginning of a reason."""


@dataclass
class Reference:
    """What is decided for each (node, ordinal)."""

    request: Request
    graph: Graph
    snapshot: Snapshot

    def __post_init__(self) -> None:
        self.pulled: set[tuple[int, int]] = set()
        self.decided: dict[tuple[int, int], Decision] = {}
        self.scope: set[tuple[int, int]] = set()
        self.done = 0

    def decide(self) -> dict[tuple[int, int], Decision]:
        self.scope = {(node.index, o) for node in self.graph.nodes if self.selected(node) for o in self.asked(node)}
        if self.request.include_upstream:
            self.pull()
        for node in self.graph.nodes:
            for ordinal in sorted(o for n, o in self.scope if n == node.index):
                reason = self.reason(node, ordinal)
                block = self.block(node, ordinal) if reason and node.kind is NodeKind.STEP else None
                if reason and not (block and self.in_part(node, ordinal)):
                    self.decided[node.index, ordinal] = ("block", block) if block else ("run", reason)
                if not self.runs(node.index, ordinal) and ordinal in self.snapshot.states[node.index].published:
                    self.done += 1
        return self.decided

    def runs(self, node: int, ordinal: int) -> bool:
        return self.decided.get((node, ordinal), ("", ""))[0] == "run"

    def selected(self, node: Node) -> bool:
        steps = self.request.steps
        if node.kind is NodeKind.SOURCE:
            return False
        delivers = node.kind is NodeKind.DELIVERY and self.graph.nodes[node.edges[0].parent].name in steps
        return not steps or node.name in steps or delivers

    def days(self) -> set[int]:
        days, request = self.graph.anchor, self.request
        if request.partitions:
            asked = {days.ordinal(key) for key in request.partitions}
        else:
            first = 0 if request.start is None else days.ordinal(request.start)
            last = 39 if request.end is None else days.ordinal(request.end)
            asked = set(range(first, last + 1))
        return asked - self.excluded()

    def excluded(self) -> set[int]:
        return {self.graph.anchor.ordinal(key) for key in self.request.exclude}

    def asked(self, node: Node) -> set[int]:
        asked = self.days()
        if node.partitions is not self.graph.anchor:
            asked = {self.month(node, day) for day in asked}
        return asked & set(self.snapshot.states[node.index].expected)

    def month(self, node: Node, day: int) -> int:
        return self.graph.anchor.whole(day, node.partitions)

    def in_part(self, node: Node, ordinal: int) -> bool:
        """Whether only some of the days in a month that is not asked for by itself were asked for."""
        if node.partitions is self.graph.anchor or self.request.steps or (node.index, ordinal) in self.pulled:
            return False
        alike = [n.index for n in self.graph.nodes if n.partitions is self.graph.anchor]
        days = [day for day in range(40) if not alike or any(day in self.snapshot.states[n].expected for n in alike)]
        others = set(days) - self.excluded() - self.days()
        return any(self.month(node, day) == ordinal for day in others)

    def left_out(self, node: Node, ordinal: int) -> bool:
        """Whether it lies in the excluded days alone."""
        if node.partitions is self.graph.anchor:
            return ordinal in self.excluded()
        return all(day in self.excluded() for day in range(40) if self.month(node, day) == ordinal)

    def pull(self) -> None:
        for node in reversed(self.graph.nodes):
            for ordinal in [o for n, o in self.scope if n == node.index]:
                if node.kind is not NodeKind.STEP or not self.reason(node, ordinal):
                    continue
                for edge in node.edges:
                    parent, state = self.graph.nodes[edge.parent], self.snapshot.states[edge.parent]
                    for read in self.reads(edge, node, ordinal):
                        lacking = read in state.expected and read not in state.published
                        if parent.kind is not NodeKind.SOURCE and lacking and not self.left_out(parent, read):
                            self.pulled.add((parent.index, read))
            self.scope |= self.pulled
        for node in self.graph.nodes:
            if node.kind is NodeKind.DELIVERY:
                self.scope |= {(node.index, o) for n, o in self.pulled if n == node.edges[0].parent}

    def reason(self, node: Node, ordinal: int) -> str | None:
        state, only = self.snapshot.states[node.index], self.request.only
        if node.kind is NodeKind.DELIVERY:
            return self.delivery_reason(node, ordinal)
        pulled = (node.index, ordinal) in self.pulled
        kinds = [kind for kind in sorted(state.failed) if ordinal in state.failed[kind]]
        if kinds and (Only.FAILED in only or pulled):
            return f"failed({kinds[0]})"
        if not kinds and ordinal not in state.published and (Only.MISSING in only or pulled):
            return "missing"
        return self.stale_reason(node, ordinal) if Only.STALE in only and ordinal in state.published else None

    def stale_reason(self, node: Node, ordinal: int) -> str | None:
        state = self.snapshot.states[node.index]
        if ordinal not in state.same_code:
            return "stale(code)"
        if ordinal in state.stale:
            return "stale(input)"
        for edge in node.edges:
            if any(self.runs(edge.parent, read) for read in self.reads(edge, node, ordinal)):
                return f"stale(input): {self.graph.nodes[edge.parent].name} runs again"
        return None

    def delivery_reason(self, node: Node, ordinal: int) -> str | None:
        parent = node.edges[0].parent
        state, made = self.snapshot.states[node.index], self.snapshot.states[parent].published
        if self.runs(parent, ordinal):
            return f"follows {self.graph.nodes[parent].name}"
        held = ordinal in state.published and ordinal in state.same_code and ordinal not in state.stale
        return "undelivered" if not held and (ordinal in made or ordinal in state.stale) else None

    def block(self, node: Node, ordinal: int) -> str | None:
        for edge in node.edges:
            parent, state = self.graph.nodes[edge.parent], self.snapshot.states[edge.parent]
            there = {o for o in self.reads(edge, node, ordinal) if o in state.published or self.runs(edge.parent, o)}
            if isinstance(edge.relation, Same | Enclosing):
                if not there:
                    return f"{parent.name} {'has no such partition' if parent.source else 'is not there'}"
                continue
            expected = {o for o in self.reads(edge, node, ordinal) if o in state.expected}
            needed = math.ceil(round(edge.complete * len(expected), 6))
            if len(there & expected) < needed:
                return f"{parent.name}: {len(there & expected)} of {len(expected)} there, {needed} needed; missing "
        return None

    def reads(self, edge: Edge, node: Node, ordinal: int) -> set[int]:
        match edge.relation:
            case Same():
                return {ordinal}
            case Span(length, trailing):
                last = ordinal if trailing else ordinal - 1
                return {o for o in range(last - length + 1, last + 1) if o >= 0}
            case Within():
                return {day for day in range(80) if self.month(node, day) == ordinal}
            case Enclosing():
                return {self.month(self.graph.nodes[edge.parent], ordinal)}
            case Every() | Newest():
                return set(range(80))
            case _:
                assert_never(edge.relation)
