"""What the machine keeps of its plan: a byte for each action, a count for each that waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from recoup.model.failure import FailureKind
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import ROW_BITS, PartitionSet, row_of


class Status(IntEnum):
    """Where an action stands; the order matters: from SUCCEEDED on it has settled."""

    ABSENT = 0
    WAITING = 1
    READY = 2
    RUNNING = 3
    DELAYED = 4
    ELSEWHERE = 5
    SUCCEEDED = 6
    FAILED = 7
    BLOCKED = 8


@dataclass(frozen=True, slots=True)
class Settled:
    """A partition of which everything that was planned is over: the ends of its nodes, in the order of the graph."""

    node: int
    """One of them: they share their partitions."""
    ordinal: int
    outcomes: tuple[tuple[int, Status], ...]


_NO_ROW: Final = (0, 0, 0)


class Extent:
    """The ordinals that may be looked at, as places in one array: from the first to the last one of each row."""

    __slots__ = ("_rows", "size")

    def __init__(self, spans: Iterable[range]) -> None:
        hulls: dict[int, range] = {}
        for span in spans:
            for piece in _by_row(span):
                row = row_of(piece.start)
                hull = hulls.get(row, piece)
                hulls[row] = range(min(hull.start, piece.start), max(hull.stop, piece.stop))
        self._rows: dict[int, tuple[int, int, int]] = {}
        self.size = 0
        for row, hull in sorted(hulls.items()):
            self._rows[row] = (hull.start, hull.stop, self.size - hull.start)
            self.size += len(hull)

    @property
    def spans(self) -> list[range]:
        """What it covers, row by row."""
        return [range(start, stop) for start, stop, _ in self._rows.values()]

    def place(self, ordinal: int) -> int:
        """Where it stands in the array; for what lies outside the spare place at the end, which is always zero."""
        found = self._rows.get(ordinal >> ROW_BITS)
        if found is None or not found[0] <= ordinal < found[1]:
            return self.size
        return ordinal + found[2]

    def inside(self, span: range) -> Iterator[range]:
        """What of a span it covers."""
        return (range(start, stop) for start, stop, _ in self._cut(span))

    def places(self, span: range) -> Iterator[range]:
        """Where that stands in the array."""
        return (range(start + shift, stop + shift) for start, stop, shift in self._cut(span))

    def _cut(self, span: range) -> Iterator[tuple[int, int, int]]:
        if span.step != 1:
            for ordinal in span:
                start, stop, shift = self._rows.get(row_of(ordinal), _NO_ROW)
                if start <= ordinal < stop:
                    yield ordinal, ordinal + 1, shift
        elif span:
            rows = range(row_of(max(span.start, 0)), row_of(span.stop - 1) + 1)
            for row in rows if len(rows) <= len(self._rows) else self._rows:
                start, stop, shift = self._rows.get(row, _NO_ROW)
                start, stop = max(start, span.start), min(stop, span.stop)
                if start < stop:
                    yield start, stop, shift


class Flags:
    """One byte for each ordinal of an extent; what lies outside is zero."""

    __slots__ = ("bytes", "extent")

    def __init__(self, ordinals: PartitionSet, extent: Extent) -> None:
        self.extent = extent
        self.bytes = bytearray(extent.size + 1)
        mark(self.bytes, extent, ordinals, 1)

    def __getitem__(self, ordinal: int) -> int:
        return self.bytes[self.extent.place(ordinal)]

    def add(self, ordinal: int) -> None:
        """Set one, where it can be looked at."""
        place = self.extent.place(ordinal)
        if place < self.extent.size:
            self.bytes[place] = 1

    def count(self, span: range) -> int:
        """How many of the span are set."""
        return sum(self.bytes.count(1, places.start, places.stop) for places in self.extent.places(span))

    def lacking(self, span: range, there: Flags) -> PartitionSet:
        """Those of the span that are set here and not there."""
        inside = self.extent.inside(span)
        return PartitionSet.of(o for piece in inside for o in piece if self[o] and not there[o])


class Work:
    """The actions of one node."""

    __slots__ = (
        "delivery", "extent", "grain", "pool", "reasons", "status", "tries", "unsettled", "waiting"
    )  # fmt: skip

    def __init__(self, node: Node, ordinals: PartitionSet, grain: int) -> None:
        self.extent = Extent(hulls(ordinals))
        self.status = bytearray(self.extent.size + 1)
        self.unsettled = len(ordinals)
        self.waiting: dict[int, int] = {}
        self.tries: dict[tuple[int, FailureKind | None], int] = {}
        self.reasons: list[tuple[PartitionSet, str]] = []
        self.delivery = node.kind is NodeKind.DELIVERY
        self.pool = _pool(node)
        self.grain = grain

    def get(self, ordinal: int) -> int:
        return self.status[self.extent.place(ordinal)]

    def set(self, ordinal: int, status: Status) -> None:
        self.status[self.extent.place(ordinal)] = status

    def count(self, span: range) -> int:
        """How many actions the span holds."""
        return sum(
            len(places) - self.status.count(Status.ABSENT, places.start, places.stop)
            for places in self.extent.places(span)
        )

    def reason(self, ordinal: int) -> str:
        if len(self.reasons) == 1:
            return self.reasons[0][1]
        return next((text for ordinals, text in self.reasons if ordinal in ordinals), "missing")


def hulls(ordinals: PartitionSet) -> list[range]:
    """From the first to the last one of each row."""
    found = []
    for row, columns in ordinals.rows().items():
        base = row << ROW_BITS
        found.append(range(base + (columns.first or 0), base + (columns.last or 0) + 1))
    return found


def mark(array: bytearray, extent: Extent, ordinals: PartitionSet, value: int) -> None:
    """Write a value at the place of each of these that lies inside."""
    for run in ordinals.ranges():
        for places in extent.places(run):
            array[places.start : places.stop] = bytes([value]) * len(places)


def _by_row(span: range) -> Iterator[range]:
    """A span in pieces that lie in one row each; a row begins with nothing, so what reaches below it is cut."""
    if span.step != 1:
        yield from (range(ordinal, ordinal + 1) for ordinal in span)
        return
    if span and span.stop > 0:
        row = row_of(span.stop - 1)
        yield range(max(span.start, row << ROW_BITS), span.stop)


def _pool(node: Node) -> str:
    """Whose slots an action takes: its step's pool, the lane of an embedded database, or a server's own pool."""
    if node.kind is NodeKind.DELIVERY:
        return (node.sink.lane or node.sink.pool if node.sink else None) or ""
    return (node.step.pool if node.step else None) or ""


def grains_of(graph: Graph) -> list[int]:
    """Which nodes share runs: those of the same partitioning."""
    seen: dict[str, int] = {}
    return [seen.setdefault(repr(node.partitions.identity()), len(seen)) for node in graph.nodes]
