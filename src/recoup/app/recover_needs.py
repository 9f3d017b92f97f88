"""What only a person can do: mend a cause, fill a source, take a waiver back; with what waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from recoup.app.recover_look import Looked
from recoup.engine.causes import behind
from recoup.model.failure import ADVICE, FailureKind
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import Edge
from recoup.plan.edges import read_by, readers_of
from recoup.plan.plan import Group, Plan, Verb
from recoup.plan.shortfall import is_shortfall
from recoup.recovery.recover import Need, Places, Way, Wound, is_seen

SOURCE = "source"


def needs(looked: Looked, plan: Plan, wounds: Sequence[Wound], taken: Iterable[Need]) -> Iterator[Need]:
    """Causes, then what was taken back, then sources, then what is blocked for another reason."""
    graph = looked.prepared.graph
    blocks = [group for group in plan.groups if group.verb is Verb.BLOCK]
    blocked = _union((group.node, group.ordinals) for group in blocks)
    found = [*_causes(wounds), *taken, *_sources(looked, blocks)]
    explained: dict[int, PartitionSet] = {}
    for need in found:
        waiting = behind(graph, need.where, blocked)
        explained = _union([*explained.items(), *need.where.items(), *waiting.items()])
        yield replace(need, blocks=waiting)
    for group in blocks:
        rest = group.ordinals - explained.get(group.node, EMPTY)
        if rest and not _awaits(looked, group):
            advice = ADVICE[FailureKind.BLOCKED]
            yield Need(FailureKind.BLOCKED.value, group.reason, advice, "", {group.node: rest}, is_seen=True)


def lacking(looked: Looked, blocks: Iterable[Group], kind: NodeKind) -> dict[int, tuple[PartitionSet, Places]]:
    """What is missing of each dataset that others make, by its index, and who is blocked for it."""
    graph, now = looked.prepared.graph, looked.snapshot.now
    found: dict[int, tuple[PartitionSet, Mapping[int, PartitionSet]]] = {}
    for group in blocks:
        node = graph.nodes[group.node]
        for edge in node.edges:
            parent = graph.nodes[edge.parent]
            if parent.kind is kind and is_shortfall(group.reason, parent):
                missing = _missing(looked, edge, node, parent, group.ordinals)
                before, where = found.get(parent.index, (EMPTY, {}))
                own = group.ordinals
                if edge.is_single:
                    own &= readers_of(edge, node, parent, missing, EMPTY, now)
                found[parent.index] = before | missing, _union([*where.items(), (node.index, own)])
    return found


def _missing(looked: Looked, edge: Edge, node: Node, parent: Node, ordinals: PartitionSet) -> PartitionSet:
    state = looked.state(parent)
    read = read_by(edge, node, parent, ordinals, state.expected, looked.snapshot.now)
    wanted = read if edge.is_single else read & state.expected
    return wanted - state.published - state.coming


def _causes(wounds: Sequence[Wound]) -> Iterator[Need]:
    together: dict[str, list[Wound]] = {}
    for wound in wounds:
        if wound.treatment.way is Way.PERSON:
            together.setdefault(wound.group, []).append(wound)
    for group, own in together.items():
        failure = own[0].failure
        where = _union((wound.node, wound.partitions) for wound in own)
        yield Need(
            failure.kind.value,
            failure.message,
            failure.advice,
            group,
            where,
            reason=own[0].treatment.reason,
            is_seen=is_seen(failure.kind),
        )


def _sources(looked: Looked, blocks: Sequence[Group]) -> Iterator[Need]:
    for kind, word in ((NodeKind.SOURCE, "somebody else fills it"), (NodeKind.DATASET, "another pipeline makes it")):
        for index, (missing, where) in lacking(looked, blocks, kind).items():
            parent = looked.prepared.graph.nodes[index]
            texts = parent.partitions.ranges_text(missing, looked.state(parent).expected)
            message = f"{parent.name} lacks {', '.join(texts)}"
            advice = f"Fill {parent.name} first: {word}; then run the same command again."
            yield Need(SOURCE, message, advice, "", where, is_seen=True)


def _awaits(looked: Looked, group: Group) -> bool:
    """Whether it is blocked only until something that others are making is there."""
    node = looked.prepared.graph.nodes[group.node]
    return any(looked.busy[edge.parent] for edge in node.edges)


def _union(pairs: Iterable[tuple[int, PartitionSet]]) -> dict[int, PartitionSet]:
    found: dict[int, PartitionSet] = {}
    for node, ordinals in pairs:
        if ordinals:
            found[node] = found.get(node, EMPTY) | ordinals
    return found
