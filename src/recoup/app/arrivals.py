"""The members that arrived while a run was under way: its plan was made before anybody knew them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recoup.app.prepare import Planned
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.errors import RecoupError
from recoup.model.graph import Graph, Node
from recoup.model.grid import Grid
from recoup.model.member_partitionings import Members
from recoup.model.partition import PartitionSet, row_of
from recoup.plan.plan import Verb
from recoup.plan.planner import make_plan


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who arrived, and how much of theirs the same request would run now; None where nobody could plan it."""

    members: tuple[str, ...]
    to_run: int | None


def arrivals(workspace: Workspace, ledger: Ledger, planned: Planned) -> Arrivals | None:
    """Those that the ledger knows and the plan did not; nothing is asked anew when there are none."""
    reader = LedgerReader(ledger.path, ledger.db)
    known = {side.key: dict(side.ids) for side in member_sides(planned.prepared.graph)}
    new = {
        key: {member: given for member, given in reader.members(key).items() if member not in ids}
        for key, ids in known.items()
    }
    names = tuple(dict.fromkeys(member for ids in new.values() for member in ids))
    return Arrivals(names, _to_run(workspace, ledger, planned, new)) if names else None


def member_sides(graph: Graph) -> Iterator[Members]:
    """Each set of members that its partitions name, once."""
    seen: set[str] = set()
    for partitions in [graph.anchor, *(node.partitions for node in graph.nodes)]:
        side = partitions.member_side
        if isinstance(side, Members) and side.key not in seen:
            seen.add(side.key)
            yield side


def _to_run(workspace: Workspace, ledger: Ledger, planned: Planned, new: Mapping[str, Mapping[str, int]]) -> int | None:
    request, pipeline = planned.plan.request, planned.prepared.pipeline
    try:
        prepared = workspace.prepared(ledger, pipeline, request)
        plan = make_plan(request, prepared.graph, prepared.snapshot)
    except RecoupError:
        return None  # the run itself is over, and what it did is durable
    groups = [group for group in plan.groups if group.verb is Verb.RUN]
    return sum(_theirs(prepared.graph.nodes[group.node], group.ordinals, new) for group in groups)


def _theirs(node: Node, ordinals: PartitionSet, new: Mapping[str, Mapping[str, int]]) -> int:
    side = node.partitions.member_side
    ids = frozenset(new.get(side.key, {}).values()) if side else frozenset()
    is_grid = isinstance(node.partitions, Grid)
    return sum((row_of(ordinal) if is_grid else ordinal) in ids for ordinal in ordinals) if ids else 0
