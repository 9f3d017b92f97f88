"""What of a pipeline is not as it should be, as far as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recoup.app.recover_asked import Asked
from recoup.app.recover_look import Looked
from recoup.app.recover_lost import Lost
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.touching import touching


@dataclass(frozen=True)
class RecoverScope:
    """By window, by steps and by causes; where none was named, all."""

    looked: Looked
    asked: Asked
    lost: Lost

    def wrong(self) -> dict[int, PartitionSet]:
        """What failed, is blocked, was forgotten, or is published and not there; by the node's index."""
        found: dict[int, PartitionSet] = {}
        chosen, window = self._chosen(), self.asked.window(self.looked.prepared.graph.anchor, self.looked.snapshot.now)
        for step in self.looked.found.steps:
            index = step.node.index
            if index in chosen:
                missing = step.missing & self._gaps(index)
                wrong = step.any_failed | step.blocked | missing | self.lost.of(index)
                own = self._in(window, index)
                if wrong := (wrong if own is None else wrong & own) & self._of_causes(index):
                    found[index] = wrong
        return found

    def in_part(self, wrong: Mapping[int, PartitionSet]) -> dict[int, PartitionSet]:
        """A month of which some days were asked for, and others were not; unless its step was named."""
        graph, now = self.looked.prepared.graph, self.looked.snapshot.now
        window = self.asked.window(graph.anchor, now)
        others = EMPTY if window is None or self.asked.steps else self.looked.found.dates - window
        found: dict[int, PartitionSet] = {}
        for index, ordinals in wrong.items():
            partitions = graph.nodes[index].partitions
            if others and partitions.identity() != graph.anchor.identity():
                found[index] = ordinals & (touching(others, graph.anchor, partitions, now) or EMPTY)
        return {index: ordinals for index, ordinals in found.items() if ordinals}

    def untried(self, wanted: Mapping[int, PartitionSet]) -> int:
        """What nobody has tried, and no gap either."""
        if self.asked.is_narrow:
            return 0
        return sum(len(step.missing - wanted.get(step.node.index, EMPTY)) for step in self.looked.found.steps)

    def _chosen(self) -> frozenset[int]:
        graph = self.looked.prepared.graph
        if not self.asked.steps:
            return frozenset(node.index for node in graph.nodes)
        steps = {graph.node(name).index for name in self.asked.steps}
        tables = (node for node in graph.nodes if node.kind is NodeKind.DELIVERY)
        return frozenset({*steps, *(table.index for table in tables if table.edges[0].parent in steps)})

    def _gaps(self, index: int) -> PartitionSet:
        """Where what is missing counts as forgotten: anywhere in a window that was named, else amid what was tried."""
        graph, now = self.looked.prepared.graph, self.looked.snapshot.now
        everything = graph.nodes[index].partitions.universe(now)
        if self.asked.names_time(graph.anchor, now):
            return everything
        if self.looked.tried is None:
            return EMPTY
        own = self._in(self.looked.tried, index)
        return everything if own is None else own

    def _of_causes(self, index: int) -> PartitionSet:
        """What the named causes have to do with; without any, everything."""
        if not self.asked.groups:
            return self.looked.prepared.graph.nodes[index].partitions.universe(self.looked.snapshot.now)
        found = EMPTY
        for cause in self.looked.causes:
            if self.asked.names(cause.group):
                found |= cause.where.get(index, EMPTY) | cause.blocks.get(index, EMPTY)
        return found

    def _in(self, window: PartitionSet | None, index: int) -> PartitionSet | None:
        """A window of the pipeline's own partitions in a node's; None where there is no limit."""
        graph = self.looked.prepared.graph
        if window is None:
            return None
        return touching(window, graph.anchor, graph.nodes[index].partitions, self.looked.snapshot.now)
