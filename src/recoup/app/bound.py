"""A pipeline and what the ledger calls its nodes, read without writing anything or asking any source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recoup.app.workspace import Workspace
from recoup.ledger.facts import NodeId, NodeRow
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Graph, Node, NodeKind
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
    known = reader.nodes()
    return Bound(pipeline, graph, [_id(node, known.get(node.name), pipeline.name) for node in graph.nodes])


def _id(node: Node, row: NodeRow | None, pipeline: str) -> NodeId:
    """By its name, unless it is another pipeline's that has the same one."""
    is_it = row and (row.pipeline == pipeline or row.kind == "source" or node.kind is NodeKind.DATASET)
    return row.node if row and is_it else UNKNOWN


def _ids(reader: LedgerReader, members: MemberSet) -> dict[str, int]:
    ids = reader.members(members.key)
    new = (member for member in members.listed or () if member not in ids)
    return ids | {member: number for number, member in enumerate(new, max(ids.values(), default=-1) + 1)}
