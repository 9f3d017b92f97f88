"""What a plan leaves as it is, and which run made it so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from recoup.app.prepare import Planned
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader

MOST_NAMED: Final = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """One partition that is published already."""

    step: str
    partition: str
    run_id: str


def kept(workspace: Workspace, planned: Planned) -> list[Kept]:
    """The first hundred, in the order of the graph; `planned.plan.done` counts all."""
    if not planned.plan.done:
        return []
    with workspace.reader() as reader:
        return list(islice(_kept(reader, planned), MOST_NAMED))


def _kept(reader: LedgerReader, planned: Planned) -> Iterator[Kept]:
    prepared = planned.prepared
    for index, ordinals in planned.plan.kept:
        node = prepared.graph.nodes[index]
        for run in ordinals.ranges():
            for found in reader.current(prepared.node_ids[index], run[:MOST_NAMED]):
                yield Kept(node.name, node.partitions.name(found.publication.ordinal), found.run_id or "")
