"""The members of a pipeline's partitions: who there is, and who arrives or goes by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recoup.app.arrivals import member_sides
from recoup.app.backfills import at_work
from recoup.app.bound import bound
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.ledger.registry import register_members
from recoup.ledger.registry import remove_member as forget_member
from recoup.model.errors import RefusedError, UsageError
from recoup.model.graph import Graph
from recoup.model.keys import quoted
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


def remove_member(workspace: Workspace, pipeline: str, name: str, key: str | None) -> MemberSet:
    """Take out one that was typed wrongly; refused when there is anything of it, or a plan may still name it."""
    loaded, _ = workspace.pipeline(pipeline)
    side = _open_side(Graph.of(loaded), pipeline, key)
    with workspace.ledger_for(pipeline) as ledger:
        if at_work(workspace, LedgerReader(ledger.path, ledger.db)):
            message = f"{quoted(name)} stays for now: a run is under way, and its plan may name it"
            raise RefusedError(message, "let it end, or cancel its backfill, then run the same command again")
        with ledger.transaction() as tx:
            forget_member(tx, side.key, name)
            tx.event("member removed", data={"who": workspace.who, "key": side.key, "member": name})
            known = register_members(tx, side.key, ())
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
    raise UsageError(f"the members of {pipeline!r} do not change by hand: {told}", "declare rc.Dynamic(key=…)")


def _arrives(side: Members) -> str:
    if not isinstance(side, Dynamic):
        return "declared"
    return "listed" if side.listing is not None else "added"
