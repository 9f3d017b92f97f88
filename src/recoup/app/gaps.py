"""What the gate finds: expected partitions whose data is not there, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any

from recoup.model.errors import ExitCode
from recoup.model.graph import Graph, Node
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.touching import touching


class GapKind(StrEnum):
    """What is wrong with a partition's data."""

    NOT_PUBLISHED = "not-published"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    NO_ROWS = "no-rows"
    FEWER_ROWS = "fewer-rows"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Gap:
    """Partitions of a step, or of its table, that are not there in the same way; `why` tells of the first one."""

    node: Node
    kind: GapKind
    partitions: PartitionSet
    why: str

    def to_json(self) -> dict[str, Any]:
        """As ranges of keys, both ends included."""
        name = self.node.partitions.name
        ranges = [[name(run.start), name(run.stop - 1)] for run in self.partitions.ranges()]
        return {
            "step": self.node.name,
            "kind": str(self.kind),
            "why": self.why,
            "count": len(self.partitions),
            "ranges": ranges,
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """The calendar against the data, within a window; sets of `partitions`, the pipeline's own.

    `unread` says which calendars were out of reach; `unopened` is how many published partitions were taken at the
    ledger's word, which only the end of a run does.
    """

    pipeline: str
    partitions: Partitioning
    expected: PartitionSet
    missing: PartitionSet
    gaps: tuple[Gap, ...]
    waived: PartitionSet = EMPTY
    unread: tuple[str, ...] = ()
    unopened: int = 0
    stage: int = 1

    @property
    def is_complete(self) -> bool:
        """Nothing is missing, and everything could be asked."""
        return not self.gaps and not self.unread

    @property
    def verdict(self) -> str:
        """`complete` or `incomplete`."""
        return "complete" if self.is_complete else "incomplete"

    @property
    def status(self) -> str:
        """The verdict as the gate between two stages prints it."""
        return f"{'✅' if self.is_complete else '⚠️'} STAGE {self.stage} {self.verdict.upper()}"

    @property
    def there(self) -> int:
        """Of how many dates all data is there."""
        return len(self.expected) - len(self.missing)

    def to_json(self) -> dict[str, Any]:
        """What programs see of it."""
        return {
            "verdict": self.verdict,
            "gate_status": self.status,
            "dates": self.there,
            "missing_dates": len(self.missing),
            "expected_dates": len(self.expected),
            "waived_dates": len(self.waived),
            "unopened": self.unopened,
            "unread": list(self.unread),
            "missing": [self.partitions.name(ordinal) for ordinal in self.missing],
            "gaps": [gap.to_json() for gap in self.gaps],
        }

    @property
    def exit_code(self) -> ExitCode:
        """1 as long as anything is missing."""
        return ExitCode.DONE if self.is_complete else ExitCode.INCOMPLETE


@dataclass
class Gathered:
    """Gaps that are alike, put together."""

    _found: dict[tuple[int, GapKind], tuple[Node, list[int], str]] = field(default_factory=dict)

    def add(self, node: Node, kind: GapKind, ordinals: Iterable[int], why: str) -> None:
        """Some more partitions that are not there."""
        if ordinals := list(ordinals):
            self._found.setdefault((node.index, kind), (node, [], why))[1].extend(ordinals)

    def gaps(self) -> tuple[Gap, ...]:
        """Step by step, in the order of the graph."""
        found = sorted(self._found.items(), key=lambda item: item[0][0])
        return tuple(Gap(node, kind, PartitionSet.of(own), why) for (_, kind), (node, own, why) in found)


def dates_of(graph: Graph, wanted: Mapping[int, PartitionSet], now: datetime) -> PartitionSet:
    """Partitions of nodes, by the node's index, as partitions of the pipeline: days, where a month's step has a month.

    Where steps have the pipeline's own partitions, only those: a month touches days that no step expects.
    """
    nodes = [graph.nodes[index] for index in wanted]
    own = [wanted[node.index] for node in nodes if node.partitions.identity() == graph.anchor.identity()]
    if own:
        return reduce(or_, own)
    touched = (touching(wanted[node.index], node.partitions, graph.anchor, now) or EMPTY for node in nodes)
    return reduce(or_, touched, EMPTY) & graph.anchor.universe(now)


def missing_of(graph: Graph, gaps: Iterable[Gap], dates: PartitionSet, now: datetime) -> PartitionSet:
    """Of these dates those of which anything is not there."""
    lacking = EMPTY
    for gap in gaps:
        lacking |= touching(gap.partitions, gap.node.partitions, graph.anchor, now) or EMPTY
    return lacking & dates
