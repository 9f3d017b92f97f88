"""What the actions of a plan read of each other: what is there, what is still awaited, and whether it is enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from recoup.engine.work import Extent, Flags, Status, Work, hulls
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import PartitionSet
from recoup.model.relation import Edge, Span, children, parents
from recoup.plan.plan import Plan
from recoup.plan.shortfall import same_shortfall, shortfall
from recoup.plan.snapshot import Snapshot


class Inputs:
    """The inputs of every action, by node and ordinal."""

    def __init__(self, graph: Graph, work: Sequence[Work], plan: Plan, snapshot: Snapshot) -> None:
        self.graph = graph
        self._work = work
        self._there: list[Flags] = []
        self._counted: list[Flags] = []
        self._expected: list[Flags] = []
        self._before: list[PartitionSet] = []
        for node in graph.nodes:
            state, ordinals = snapshot.states[node.index], plan.of(node.index)
            reach = Extent(self._reach(node, state.published | state.expected))
            before = state.published & ordinals
            if node.kind is NodeKind.DELIVERY:  # a table that follows already
                before = before & state.same_code - state.stale
            self._before.append(before)
            self._there.append(Flags(state.published - ordinals, reach))
            # What left the calendar is still there, but counts in no share.
            self._counted.append(Flags(state.published & state.expected - ordinals, reach))
            self._expected.append(Flags(state.expected, reach))

    def add(self, node: int, ordinal: int) -> None:
        """It is there now."""
        self._there[node].add(ordinal)
        self._counted[node].add(ordinal)

    def is_done(self, node: int, ordinal: int) -> bool:
        """Whether it is there, or nobody expects it."""
        return bool(self._there[node][ordinal] or not self._expected[node][ordinal])

    def unsettled(self, edge: Edge, node: Node, ordinal: int) -> int:
        """How many of one input are in the plan too, and have not settled."""
        if edge.is_whole:
            return 1  # for all of the parent's together, however many there are
        span = self._span(edge, node.index, ordinal)
        if self._reads_nothing(edge, span):
            span = range(ordinal, ordinal + 1)
        return self._work[edge.parent].count(span)

    def _span(self, edge: Edge, node: int, ordinal: int) -> range:
        return parents(
            edge.relation, self.graph.nodes[node].partitions, self.graph.nodes[edge.parent].partitions, ordinal
        )

    def _reads_nothing(self, edge: Edge, span: range) -> bool:
        """The lookback of a range's first partition is empty, and complete.

        It waits for the parent's own partition all the same: so its empty frame has the columns that others have.
        """
        return isinstance(edge.relation, Span) and not self._expected[edge.parent].count(span)

    def last_waits(self, reader: int, edge: Edge, at: int, ordinal: int) -> Sequence[int]:
        """The actions for which this was the last thing that they waited for."""
        work = self._work[reader]
        if not work.waiting:
            return ()
        ready = []
        for child in self._children(edge, reader, at, ordinal):
            waits = work.waiting.get(child)
            if waits is None:
                continue
            if waits == 1:
                del work.waiting[child]
                ready.append(child)
            else:
                work.waiting[child] = waits - 1
        return ready

    def _children(self, edge: Edge, reader: int, at: int, ordinal: int) -> Iterable[int]:
        work, partitions = self._work[reader], self.graph.nodes
        if edge.is_whole:
            return () if self._work[at].unsettled else tuple(work.waiting)
        readers = children(edge.relation, partitions[reader].partitions, partitions[at].partitions, ordinal)
        own_too = isinstance(edge.relation, Span) and ordinal not in readers
        if own_too and self._reads_nothing(edge, self._span(edge, reader, ordinal)):
            return (ordinal, *readers)
        return readers if len(readers) == 1 else chain.from_iterable(work.extent.inside(readers))

    def shortfall(self, node: int, ordinal: int) -> str | None:
        """Whether an input is not enough: a share only counts once all of it has settled."""
        if self._work[node].delivery:
            parent = self.graph.nodes[node].edges[0].parent
            status = self._work[parent].get(ordinal)
            return None if status in (Status.ABSENT, Status.SUCCEEDED) else self._lacking(parent, ordinal)
        for edge in self.graph.nodes[node].edges:
            parent_node, span = self.graph.nodes[edge.parent], self._span(edge, node, ordinal)
            if edge.is_single:
                if edge.complete > 0 and not self._there[edge.parent][span.start]:
                    return self._lacking(edge.parent, span.start)
                continue
            there, expected = self._counted[edge.parent], self._expected[edge.parent]
            need, have = expected.count(span), there.count(span)
            if have < edge.needed(need):
                return shortfall(edge, parent_node, expected.lacking(span, there), have, need)
        return None

    def _lacking(self, parent: int, ordinal: int) -> str:
        """Why an input's own partition is not enough: it may show what it did before, which is out of date."""
        if ordinal in self._before[parent]:
            return f"{self.graph.nodes[parent].name} was not made anew, and what it shows is out of date"
        return same_shortfall(self.graph.nodes[parent])

    def keeps(self, node: int, ordinal: int) -> bool:
        """A table holds what its step published before, and the step made nothing new: there is nothing to deliver."""
        parent = self.graph.nodes[node].edges[0].parent
        return self._work[node].delivery and ordinal in self._before[node] and ordinal in self._before[parent]

    def _reach(self, node: Node, known: PartitionSet) -> Iterator[range]:
        """The ordinals of this node that anything in the plan may look at: its readers, and its run's other steps."""
        grain, limits = self._work[node.index].grain, Extent(hulls(known))
        for work in self._work:
            if work.grain == grain:
                yield from work.extent.spans
        for reader, edge in self.graph.readers[node.index]:
            for span in self._work[reader].extent.spans:
                first, last = self._span(edge, reader, span.start), self._span(edge, reader, span.stop - 1)
                if first.step == 1:
                    yield from limits.inside(range(first.start, last.stop))
                else:  # one of each row
                    for begin, end in zip(first, last, strict=True):
                        yield from limits.inside(range(begin, end + 1))
