"""Which partitions of which datasets a Request asks for: by key, by window, or by the side of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from recoup.model.errors import PartitionError
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.touching import touching
from recoup.plan.ranges import ordinals_of
from recoup.plan.request import Request
from recoup.plan.snapshot import Snapshot

Asked = tuple[Partitioning, PartitionSet]
"""What was named, in the partitioning in which it was named: of a grid perhaps a time alone, or a member."""


@dataclass
class Scope:
    """A Request's partitions, in every partitioning of the graph."""

    request: Request
    graph: Graph
    snapshot: Snapshot
    within: PartitionSet | None = None
    """Of the pipeline's own partitions only these: a stage of what was asked for."""

    def __post_init__(self) -> None:
        anchor = self.graph.anchor
        self._excluded = self._excluded_ones()
        self._own = list(self._asked())
        if self.within is not None:
            self._own = [(anchor, self._in(self._own, anchor) & self.within)]
        if self._excluded:
            self._own = [(anchor, self._in(self._own, anchor) - self._excluded)]
        self._others = self._expected(anchor) - self._excluded - self._in(self._own, anchor)
        self._places = self._placed()

    def of(self, node: Node) -> PartitionSet:
        """What of a dataset was asked for: all of it where nothing was named, even what no other dataset reaches."""
        expected = self.snapshot.states[node.index].expected
        if self.request.places:
            return self._places.get(node.index, EMPTY) & expected
        if self.within is None and not (self.request.start or self.request.end or self.request.partitions):
            return expected - self.left_out(node.partitions)
        return self._in(self._own, node.partitions) & expected

    @property
    def partitions(self) -> PartitionSet:
        """The pipeline's own partitions that were asked for and are expected."""
        anchor = self.graph.anchor
        return self._in(self._own, anchor) & self._expected(anchor)

    def again(self, node: Node) -> Iterator[tuple[str, PartitionSet]]:
        """What is made anew though it is published, by the reason that was given."""
        for place in self.request.places:
            if place.again and place.step == node.name:
                yield place.again, ordinals_of(node, place.ranges)

    def in_part(self, partitioning: Partitioning) -> PartitionSet:
        """A month of which some days were asked for and others were not."""
        if not self._others or partitioning.identity() == self.graph.anchor.identity():
            return EMPTY
        return touching(self._others, self.graph.anchor, partitioning, self.snapshot.now) or EMPTY

    def left_out(self, partitioning: Partitioning) -> PartitionSet:
        """What lies in the excluded partitions alone."""
        if not self._excluded:
            return EMPTY
        anchor = self.graph.anchor
        others = anchor.universe(self.snapshot.now) - self._excluded
        return self._in([(anchor, self._excluded)], partitioning) - self._in([(anchor, others)], partitioning)

    def _in(self, asked: Iterable[Asked], partitioning: Partitioning) -> PartitionSet:
        """The same in another partitioning: what shares time or a member with it, such as the month of a day."""
        found = EMPTY
        for named_in, ordinals in asked:
            touched = touching(ordinals, named_in, partitioning, self.snapshot.now)
            if touched is None and not self.request.partitions:
                return partitioning.universe(self.snapshot.now)
            found |= touched or EMPTY
        return found

    def _asked(self) -> Iterator[Asked]:
        anchor, request, now = self.graph.anchor, self.request, self.snapshot.now
        if not request.partitions:
            yield anchor.asked(request.start, request.end, now)
        for key in request.partitions:
            self._check(key)
            yield anchor.asked(key, key, now)

    def _excluded_ones(self) -> PartitionSet:
        excluded = EMPTY
        for key in self.request.exclude:
            excluded |= self.graph.anchor.window(key, key, self.snapshot.now)
        return excluded

    def _placed(self) -> dict[int, PartitionSet]:
        """What was asked for exactly, by the node's index; a step's tables go with it."""
        found: dict[int, PartitionSet] = {}
        for place in self.request.places:
            node = self.graph.node(place.step)
            tables = (reader for reader, _ in self.graph.readers[node.index])
            own = [node.index, *(t for t in tables if self.graph.nodes[t].kind is NodeKind.DELIVERY)]
            for index in own:
                found[index] = found.get(index, EMPTY) | ordinals_of(node, place.ranges)
        return found

    def _check(self, key: str) -> None:
        """Refuse a key of which nothing is expected, or of which anything was waived."""
        anchor = self.graph.anchor
        named = anchor.window(key, key, self.snapshot.now)
        for ordinal in named & self._waived():
            message = f"partition {anchor.name(ordinal)} is waived: its gap was accepted"
            again = f"recoup waive {self.graph.pipeline} {anchor.name(ordinal)} --take-back"
            raise PartitionError(message, f"take that back first: `{again}`")
        if named and not named & self._expected(anchor):
            message = f"partition {key} is not expected: the calendar leaves it out"
            raise PartitionError(message, "choose a partition that is on the calendar, or change the calendar")

    def _expected(self, partitioning: Partitioning) -> PartitionSet:
        """What any dataset of that partitioning expects."""
        alike = [node for node in self.graph.nodes if node.partitions.identity() == partitioning.identity()]
        if not alike:
            return partitioning.universe(self.snapshot.now)
        expected = EMPTY
        for node in alike:
            expected |= self.snapshot.states[node.index].expected
        return expected

    def _waived(self) -> PartitionSet:
        """Where nothing is left to be made, because every gap was accepted."""
        waived, rest = EMPTY, EMPTY
        for node in self.graph.nodes:
            if node.kind is NodeKind.STEP and node.partitions.identity() == self.graph.anchor.identity():
                waived |= self.snapshot.states[node.index].waived
                rest |= self.snapshot.states[node.index].expected
        return waived - rest
