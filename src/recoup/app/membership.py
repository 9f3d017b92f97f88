"""The members of a pipeline's partitions: who there is, and who arrives by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recoup.app.arrivals import member_sides
from recoup.app.bound import bound
from recoup.app.workspace import Workspace
from recoup.ledger.registry import register_members
from recoup.model.errors import UsageError
from recoup.model.graph import Graph
from recoup.model.member_names import check_members
from recoup.model.member_partitionings import Dynamic, Members


@dataclass(frozen=True, slots=True)
class MemberSet:
    """One set of members; `arrives` says how a new one comes: declared, listed, or added."""

    key: str
    kind: str
    arrives: str
    members: tuple[str, ...]


def members(workspace: Workspace, pipeline: str) -> list[MemberSet]:
    """Each set that the pipeline's partitions name, as the ledger knows it."""
    with workspace.reader() as reader:
        graph = bound(workspace, reader, pipeline).graph
    return [MemberSet(side.key, side.kind, _arrives(side), side.members) for side in member_sides(graph)]


def add_members(workspace: Workspace, pipeline: str, names: Sequence[str], key: str | None) -> MemberSet:
    """They are planned for from now on; those that are there already stay as they are."""
    loaded, _ = workspace.pipeline(pipeline)
    graph = Graph.of(loaded)
    side = _open_side(graph, pipeline, key)
    checked = check_members(dict.fromkeys(names))
    graph.check_members(side.key, checked)
    with workspace.ledger_for(pipeline) as ledger, ledger.transaction() as tx:
        known = register_members(tx, side.key, dict.fromkeys(names))
        tx.event("members added", data={"who": workspace.who, "key": side.key, "members": list(names)})
    return MemberSet(side.key, side.kind, _arrives(side), tuple(known))


def _open_side(graph: Graph, pipeline: str, key: str | None) -> Members:
    sides = [side for side in member_sides(graph) if key in (None, side.key)]
    open_ones = [side for side in sides if isinstance(side, Dynamic) and side.listing is None]
    if len(open_ones) == 1:
        return open_ones[0]
    if open_ones:
        message = f"pipeline {pipeline!r} has several sets of members that arrive"
        raise UsageError(message, f"say which with --key: {', '.join(side.key for side in open_ones)}")
    told = "; ".join(f"those of {side.key} are {_arrives(side)}" for side in sides) or "it has none"
    raise UsageError(f"nobody can be added to the members of {pipeline!r}: {told}", "declare rc.Dynamic(key=…)")


def _arrives(side: Members) -> str:
    if not isinstance(side, Dynamic):
        return "declared"
    return "listed" if side.listing is not None else "added"
