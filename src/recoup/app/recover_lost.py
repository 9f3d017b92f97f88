"""What the ledger has as published and the data does not: files that are gone or torn, rows that a table lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from recoup.app.data_there import DataThere
from recoup.app.gaps import Gap, GapKind
from recoup.app.gate import gate
from recoup.app.recover_asked import Asked
from recoup.app.recover_look import Looked
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.failure import FailureKind
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.edges import read_by
from recoup.recovery.recover import Need

MADE_AGAIN: Final = frozenset({GapKind.UNREADABLE, GapKind.NO_ROWS, GapKind.FEWER_ROWS})
"""What a new run, or a new delivery, puts right."""
UNREAD: Final = frozenset({FailureKind.MISSING, FailureKind.CORRUPT})
"""Kinds of failure behind which an input may be gone or torn that counts as published."""
_WHY: Final[Mapping[GapKind, str]] = {
    GapKind.UNREADABLE: "its file is gone or cannot be read",
    GapKind.NO_ROWS: "the table has no rows of it",
    GapKind.FEWER_ROWS: "the table has fewer rows than were published",
}
_ADVICE: Final[Mapping[GapKind, str]] = {
    GapKind.EMPTY: "See why the step returned no rows; where that is as it should be, say `may_be_empty=True`.",
    GapKind.UNKNOWN: "See that it answers, then run the same command again.",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """What is to be made again though it is published, by the node's index and the reason."""

    places: Mapping[int, Mapping[str, PartitionSet]]
    needs: tuple[Need, ...] = ()
    """What no run would change."""

    def of(self, node: int) -> PartitionSet:
        """All of one node."""
        found = EMPTY
        for ordinals in self.places.get(node, {}).values():
            found |= ordinals
        return found


def lost(workspace: Workspace, ledger: Ledger, looked: Looked, asked: Asked) -> Lost:
    """In a window that was named all data is looked at; else only what failures say they have not found."""
    gaps = list(_below(workspace, ledger, looked))
    if asked.has_window:
        found = gate(
            workspace, looked.name, start=asked.start, end=asked.end, partitions=asked.partitions, steps=asked.steps
        )
        gaps += [gap for gap in found.gaps if gap.kind is not GapKind.NOT_PUBLISHED]
    places: dict[int, dict[str, PartitionSet]] = {}
    for gap in gaps:
        if gap.kind in MADE_AGAIN:
            own = places.setdefault(gap.node.index, {})
            own[_WHY[gap.kind]] = own.get(_WHY[gap.kind], EMPTY) | gap.partitions
    return Lost(places, tuple(_need(gap) for gap in gaps if gap.kind in _ADVICE))


def _below(workspace: Workspace, ledger: Ledger, looked: Looked) -> Iterator[Gap]:
    """What a failure lacks is published, perhaps: is it there?"""
    graph, now = looked.prepared.graph, looked.snapshot.now
    reader = LedgerReader(ledger.path, ledger.db)
    there = DataThere(workspace, reader, workspace.store(), graph, looked.prepared.node_ids)
    for node in graph.nodes:
        lacking = PartitionSet.of(
            last.current.ordinal
            for last in looked.lasts
            if last.current.node == node.index and last.current.failure.kind in UNREAD
        )
        for edge in node.edges if lacking else ():
            parent = graph.nodes[edge.parent]
            if parent.kind is NodeKind.STEP:
                published = looked.state(parent).published
                there.look(parent, read_by(edge, node, parent, lacking, published, now) & published)
    yield from (gap for gap in there.gathered.gaps() if gap.kind is GapKind.UNREADABLE)


def _need(gap: Gap) -> Need:
    return Need(str(gap.kind), gap.why, _ADVICE[gap.kind], "", {gap.node.index: gap.partitions}, is_seen=True)
