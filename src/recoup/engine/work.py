"""What the machine keeps of its plan: a byte for each action, a count for each that waits."""

from __future__ import annotations

from enum import IntEnum

from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import PartitionSet


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


class Flags:
    """One byte for each ordinal of a range; what lies outside is zero."""

    __slots__ = ("bytes", "lo")

    def __init__(self, ordinals: PartitionSet, lo: int, hi: int) -> None:
        self.lo = lo
        self.bytes = bytearray(max(hi - lo, 0))
        for run in ordinals.within(lo, hi).ranges():
            self.bytes[run.start - lo : run.stop - lo] = b"\x01" * len(run)

    def __getitem__(self, ordinal: int) -> int:
        place = ordinal - self.lo
        return self.bytes[place] if 0 <= place < len(self.bytes) else 0

    def __setitem__(self, ordinal: int, value: int) -> None:
        place = ordinal - self.lo
        if 0 <= place < len(self.bytes):
            self.bytes[place] = value

    def count(self, span: range) -> int:
        """How many of the span are set."""
        return self.bytes.count(1, max(span.start - self.lo, 0), max(span.stop - self.lo, 0))

    def lacking(self, span: range, there: Flags) -> PartitionSet:
        """Those of the span that are set here and not there."""
        return PartitionSet.of(o for o in span if self[o] and not there[o])


class Work:
    """The actions of one node."""

    __slots__ = ("attempts", "delivery", "grain", "lo", "losses", "pool", "reasons", "status", "waiting")

    def __init__(self, node: Node, ordinals: PartitionSet, grain: int) -> None:
        self.lo = ordinals.first or 0
        size = (ordinals.last or 0) + 1 - self.lo if ordinals else 0
        self.status = bytearray(size)
        self.waiting: dict[int, int] = {}
        self.attempts: dict[int, int] = {}
        self.losses: dict[int, int] = {}
        self.reasons: list[tuple[PartitionSet, str]] = []
        self.delivery = node.kind is NodeKind.DELIVERY
        self.pool = _pool(node)
        self.grain = grain

    @property
    def span(self) -> range:
        """From the first to behind the last action."""
        return range(self.lo, self.lo + len(self.status))

    def get(self, ordinal: int) -> int:
        place = ordinal - self.lo
        return self.status[place] if 0 <= place < len(self.status) else Status.ABSENT

    def reason(self, ordinal: int) -> str:
        if len(self.reasons) == 1:
            return self.reasons[0][1]
        return next((text for ordinals, text in self.reasons if ordinal in ordinals), "missing")


def _pool(node: Node) -> str:
    """Whose slots an action takes: its step's pool, or the lane of an embedded database."""
    if node.kind is NodeKind.DELIVERY:
        return (node.sink.lane if node.sink else None) or ""
    return (node.step.pool if node.step else None) or ""


def grains_of(graph: Graph) -> list[int]:
    """Which nodes share runs: those of the same partitioning."""
    seen: dict[str, int] = {}
    return [seen.setdefault(repr(node.partitions.identity()), len(seen)) for node in graph.nodes]
