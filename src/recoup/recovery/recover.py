"""What puts the past right: for each failure whether it is tried again, and how; then all of it in an order that works.

Pure: failures, what is known beside them, and what the planner decided go in; frozen actions, each with its reason,
come out. What only a person can do is left to a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from recoup.model.failure import FAILS_AGAIN, Failure, FailureKind, RetryClass
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet

Places = Mapping[int, PartitionSet]
"""Partitions by the index of their node."""
READERS_NAMED = 2


class Verb(StrEnum):
    """What is done; in this order, where nothing else decides."""

    WAIT = "wait"
    FILL = "fill"
    RETRY = "retry"
    RERUN = "rerun"
    MAKE = "make"
    DELIVER = "deliver"


_RANK: Mapping[Verb, int] = {verb: rank for rank, verb in enumerate(Verb)}


@dataclass(frozen=True, slots=True)
class Action:
    """Partitions of one node that are put right alike, and why; `group` is the cause that they failed for."""

    verb: Verb
    node: int
    partitions: PartitionSet
    reason: str
    group: str = ""
    until: float | None = None
    """When the waiting is over; wall clock."""


# --- one failure


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside a failure itself."""

    changed: str = ""
    """What is another one than when it failed: `its code`, `what it reads`."""
    filled: bool = False
    """What it lacks is filled before it, by the same plan."""
    reset: bool = False
    """The quota that it met has begun anew, or will while the plan waits."""
    named: bool = False
    """A person has named its cause, and so says that it is mended."""
    forced: bool = False
    """A person wants it all the same, and has said why."""
    apart: str = ""
    """What it may know, where that is not what the rest of the plan may: an as-of mode."""
    more: str = ""
    """How much memory it may take this time, where a limit was in the way."""


class Way(StrEnum):
    """Who puts it right, and how."""

    RETRY = "retry"
    RERUN = "rerun"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done about a failure, and why."""

    way: Way
    reason: str


def treatment(failure: Failure, known: Known) -> Treatment:
    """Whether it is tried again; class C only when something is another one now, or a person says so."""
    way = Way.RERUN if failure.retry_class is RetryClass.NEW_RUN else Way.RETRY
    if known.apart:
        return Treatment(
            Way.PERSON, f"it may know no more than --as-of-mode {known.apart}: recover it apart from the rest"
        )
    if known.forced:
        return Treatment(way, "somebody insists")
    match failure.retry_class:
        case RetryClass.SAME_RUN:
            return Treatment(way, f"{failure.kind}: it may pass by itself")
        case RetryClass.NEW_RUN:
            return Treatment(way, f"{failure.kind}: a new run" + (f", with {known.more}" if known.more else ""))
        case RetryClass.NOT_BLINDLY:
            return _not_blindly(failure.kind, known)


def is_seen(kind: FailureKind) -> bool:
    """Whether recoup itself can see that such a failure was mended: by the code, or by what is read."""
    return kind in FAILS_AGAIN


def _not_blindly(kind: FailureKind, known: Known) -> Treatment:
    if known.changed:
        return Treatment(Way.RETRY, f"{known.changed} has changed since it failed")
    if known.filled:
        return Treatment(Way.RETRY, "what it lacked is filled first")
    if known.reset:
        return Treatment(Way.RETRY, "its quota begins anew")
    if is_seen(kind):
        return Treatment(Way.PERSON, "neither its code nor what it reads has changed since")
    if known.named:
        return Treatment(Way.RETRY, "its cause was named: it is said to be mended")
    return Treatment(Way.PERSON, "recoup cannot see whether that was mended")


# --- all of them


@dataclass(frozen=True, slots=True)
class Wound:
    """Partitions of one node that failed for one cause, and what is done about them."""

    node: int
    partitions: PartitionSet
    group: str
    failure: Failure
    treatment: Treatment


@dataclass(frozen=True, slots=True)
class Planned:
    """What the planner would run of one node."""

    node: int
    partitions: PartitionSet


@dataclass(frozen=True, slots=True)
class Need:
    """What only a person can do: about one cause, or for what an outside source lacks."""

    what: str
    """The kind of the failure; of a source, `source`."""
    message: str
    advice: str
    group: str
    where: Places
    blocks: Places = field(default_factory=dict)
    reason: str = ""
    """Why it is not tried."""
    is_seen: bool = False
    """Whether recoup sees by itself when it is done; else somebody has to say so, by naming the group."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the planned partitions are to the question: those `asked` about, and those `blocked` until now."""

    asked: Places
    blocked: Places
    taken_back: Mapping[int, Mapping[str, PartitionSet]] = field(default_factory=dict)
    """What is missing because somebody wanted it so, by the node's index and the reason."""


def ordered(graph: Graph, planned: Sequence[Planned], wounds: Sequence[Wound], around: Around) -> Iterator[Action]:
    """What is planned as actions with their reasons; parents first, so an order that works."""
    runs: dict[int, PartitionSet] = {}
    for group in planned:
        runs[group.node] = runs.get(group.node, EMPTY) | group.partitions
    for index in sorted(runs):
        node = graph.nodes[index]
        found = list(_of_node(node, runs, [w for w in wounds if w.node == index], graph, around))
        yield from sorted(found, key=lambda action: (_RANK[action.verb], action.partitions.first or 0))


def _of_node(node: Node, runs: Places, wounds: Iterable[Wound], graph: Graph, around: Around) -> Iterator[Action]:
    rest = runs[node.index]
    for wound in wounds:
        if own := wound.partitions & rest:
            verb = Verb.RERUN if wound.treatment.way is Way.RERUN else Verb.RETRY
            yield Action(verb, node.index, own, wound.treatment.reason, wound.group)
            rest -= own
    if node.kind is NodeKind.DELIVERY:
        made = runs.get(node.edges[0].parent, EMPTY)
        if alone := rest - made:
            yield Action(Verb.DELIVER, node.index, alone, "published, and not in the table")
        if follows := rest & made:
            yield Action(Verb.DELIVER, node.index, follows, f"follows {graph.nodes[node.edges[0].parent].name}")
        return
    if was := rest & around.blocked.get(node.index, EMPTY):
        comes = any(edge.parent in runs for edge in node.edges)
        now = "and what it lacked comes first" if comes else "and nothing stands in its way now"
        yield Action(Verb.MAKE, node.index, was, f"it was blocked, {now}")
    yield from _gaps(node, rest - was, runs, graph, around)


def _gaps(node: Node, rest: PartitionSet, runs: Places, graph: Graph, around: Around) -> Iterator[Action]:
    """What is there for no failure: by who wanted it so, who asked, or who reads it."""
    for reason, taken in around.taken_back.get(node.index, {}).items():
        if own := rest & taken:
            yield Action(Verb.FILL, node.index, own, reason)
            rest -= own
    asked = around.asked.get(node.index, EMPTY)
    if gap := rest & asked:
        yield Action(Verb.FILL, node.index, gap, "it is missing")
    if upstream := rest - asked:
        yield Action(Verb.FILL, node.index, upstream, _needed_by(node, runs, graph))


def _needed_by(node: Node, runs: Places, graph: Graph) -> str:
    """Who of the plan reads it."""
    readers = [graph.nodes[reader] for reader, _ in graph.readers[node.index]]
    names = list(dict.fromkeys(r.name for r in readers if r.kind is NodeKind.STEP and r.index in runs))
    if not names:
        return "its partition is filled whole"
    more = ", …" if len(names) > READERS_NAMED else ""
    return f"{', '.join(names[:READERS_NAMED])}{more} {'reads' if len(names) == 1 else 'read'} it"


def halves(partitions: PartitionSet) -> tuple[PartitionSet, PartitionSet] | None:
    """The earlier and the later half of a window; None where one partition is all that there is."""
    ordinals = list(partitions)
    middle = len(ordinals) // 2
    return (PartitionSet.of(ordinals[:middle]), PartitionSet.of(ordinals[middle:])) if middle else None
