"""A pipeline and what the ledger calls its nodes, read without writing anything or asking any source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recoup.app.workspace import Workspace
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Graph, Node
from recoup.model.partitioning import MemberSet
from recoup.model.pipeline import Pipeline

UNKNOWN = NodeId(0)
"""What a node is called that the ledger has not met: it has no rows."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A graph whose members have the ledger's ids; `node_ids` go by the graph's node index."""

    pipeline: Pipeline
    graph: Graph
    node_ids: Sequence[NodeId]

    def readers(self, node: Node, ordinal: int) -> tuple[tuple[NodeId, range], ...]:
        """Who reads a partition of this node: they become stale when it changes."""
        return tuple((self.node_ids[reader], span) for reader, span in self.graph.touched_by(node.index, ordinal))


def bound(workspace: Workspace, reader: LedgerReader, name: str | Pipeline) -> Bound:
    """Load a pipeline and bind it to what the ledger knows of it."""
    pipeline, _ = workspace.pipeline(name)
    graph = Graph.of(pipeline).with_members(lambda members: _ids(reader, members))
    known = {n.name: n for n in reader.nodes().values() if n.pipeline == pipeline.name or n.kind == "source"}
    return Bound(pipeline, graph, [known[node.name].node if node.name in known else UNKNOWN for node in graph.nodes])


def _ids(reader: LedgerReader, members: MemberSet) -> dict[str, int]:
    ids = reader.members(members.key)
    for member in members.listed or ():
        ids.setdefault(member, len(ids))
    return ids
