"""Backfills that nobody runs any more, though something of them is left to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from recoup.ledger.facts import BackfillRow
from recoup.model.errors import RecoupError
from recoup.model.graph import Graph
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.plan import Verb
from recoup.plan.planner import make_plan
from recoup.plan.request import Request
from recoup.plan.snapshot import NodeState, Snapshot

LOOKED_AT: Final = 20
"""So many of the newest that were interrupted."""


def left_undone(rows: Sequence[BackfillRow], graph: Graph, snapshot: Snapshot) -> Iterator[BackfillRow]:
    """Newest first, as they were given; of what several have left the newest one is told."""
    told: dict[int, PartitionSet] = {}
    for row in [row for row in rows if row.state == "interrupted"][:LOOKED_AT]:
        left = _left(row, graph, snapshot)
        if any(ordinals - told.get(node, EMPTY) for node, ordinals in left.items()):
            yield row
            told = {node: told.get(node, EMPTY) | left.get(node, EMPTY) for node in told.keys() | left.keys()}


def _left(row: BackfillRow, graph: Graph, snapshot: Snapshot) -> Mapping[int, PartitionSet]:
    """What it would run now; what failed, or is blocked, `recoup why` tells of."""
    try:
        request = Request.from_json(row.request)
        # What is published and was to be made again, only the data can tell: recover looks at them.
        request = replace(request, places=tuple(replace(place, again="") for place in request.places))
        plan = make_plan(request, graph, snapshot)
    except RecoupError:  # it asked for what is not declared any more
        return {}
    return {node.index: plan.of(node.index, Verb.RUN) - _not_to_do(snapshot.states[node.index]) for node in graph.nodes}


def _not_to_do(state: NodeState) -> PartitionSet:
    found = state.running | state.blocked
    for ordinals in state.failed.values():
        found |= ordinals
    return found
