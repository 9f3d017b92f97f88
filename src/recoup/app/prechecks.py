"""What preflight asks about a plan: are its sources complete, can it run, do its tables fit, is there room for it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from recoup.app.checks import Check, guarded
from recoup.app.doctor import LITTLE_BYTES
from recoup.app.prepare import Planned
from recoup.app.reach_checks import where_it_should_be
from recoup.app.rehearsal import delivery_of, rehearsed, table_name
from recoup.app.scratch import Scratch
from recoup.app.workspace import Workspace
from recoup.lake.disk import free_bytes
from recoup.ledger.facts import Published
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.edges import read_by
from recoup.plan.plan import Verb
from recoup.plan.reach import sources_within
from recoup.ports import ObjectStore

LOOKED_AT: Final = 200
"""So many of a step's newest publications tell how large one is."""
ACTION_BYTES: Final = 2_000
"""What an attempt and its publication take in the ledger, indexes and events included."""
_SHOWN: Final = 5


def source_checks(planned: Planned, root: Path) -> Iterator[Check]:
    """Of each source, and each dataset of another pipeline: expected and present partitions that the request reads."""
    for node, asked in _read(planned).items():
        state = planned.prepared.snapshot.states[node.index]
        missing = asked - state.published
        there, share = len(asked) - len(missing), (len(asked) - len(missing)) / len(asked) if asked else 1.0
        told = f"{there:,} of {len(asked):,} expected are there ({_percent(share)})"
        if missing:
            named = _some(node.partitions.ranges_text(missing, state.expected))
            remedy = "have them made upstream, or leave their dates out with --exclude"
            where = where_it_should_be(root, node, missing.first or 0)
            yield Check(f"upstream {node.name}", "fail", f"{told}; missing {named}{where}", remedy)
        else:
            yield Check(f"upstream {node.name}", "pass", told)


def _read(planned: Planned) -> Mapping[Node, PartitionSet]:
    """What others make and the request reads."""
    graph, snapshot, request = planned.prepared.graph, planned.prepared.snapshot, planned.plan.request
    expected = [state.expected for state in snapshot.states]
    found = {graph.nodes[i]: asked for i, asked in sources_within(request, graph, expected, snapshot.now).items()}
    for node in graph.nodes:
        if node.kind is NodeKind.DATASET:
            asked = EMPTY
            for reader, edge in graph.readers[node.index]:
                wanted = planned.plan.of(reader) | planned.plan.of(reader, Verb.BLOCK)
                own = expected[node.index]
                asked |= read_by(edge, graph.nodes[reader], node, wanted, own, snapshot.now) & own
            found[node] = asked
    return {node: asked for node, asked in found.items() if graph.readers[node.index] and asked}


def plan_checks(planned: Planned) -> Iterator[Check]:
    """How much would run, and what could not."""
    plan, nodes = planned.plan, planned.prepared.graph.nodes
    told = f"{plan.actions:,} to run, {plan.blocked:,} blocked, {plan.done:,} done"
    blocked = [group for group in plan.groups if group.verb is Verb.BLOCK]
    if not blocked:
        yield Check("plan", "pass", told)
        return
    first = blocked[0]
    where = _some(nodes[first.node].partitions.ranges_text(first.ordinals))
    remedy = "fill what is missing first, for instance with --include-upstream; `recoup plan` names them all"
    yield Check("plan", "fail", f"{told}: {nodes[first.node].name} {where}: {first.reason}", remedy)


def table_checks(copy: Scratch, store: ObjectStore, planned: Planned) -> Iterator[Check]:
    """Each table against what its step last published: the columns that it has lost, or that have another type."""
    graph, chosen = planned.prepared.graph, {*planned.plan.request.steps}
    for delivery in graph.nodes:
        if delivery.kind is not NodeKind.DELIVERY:
            continue
        step = graph.nodes[delivery.edges[0].parent]
        if chosen and step.name not in chosen:
            continue
        name = f"table {table_name(delivery)}"
        yield from guarded(name, _table(copy, store, planned, name, step, delivery))


def _table(
    copy: Scratch, store: ObjectStore, planned: Planned, name: str, step: Node, delivery: Node
) -> Iterator[Check]:
    last = _newest(copy, planned, step)
    if last is None:
        yield Check(name, "pass", "nothing was delivered to it yet")
        return
    key, columns = step.partitions.name(last.publication.ordinal), last.publication.columns
    rows, fine = delivery_of(store, step, last.publication, last.run_id), f"has all {len(columns)} columns of {key}"
    yield rehearsed(copy.workspace.settings, name, delivery, rows, fine)


def _newest(copy: Scratch, planned: Planned, step: Node) -> Published | None:
    last = planned.prepared.snapshot.states[step.index].published.last
    if last is None:
        return None
    reader = LedgerReader(copy.ledger.path, copy.ledger.db)
    found = list(reader.current(planned.prepared.node_ids[step.index], range(last, last + 1)))
    return found[0] if found and found[0].publication.files else None


# --- room


def room_checks(workspace: Workspace, copy: Scratch, planned: Planned, sizes: Mapping[int, int]) -> Iterator[Check]:
    """Free space against what the plan will write, by the sizes of earlier partitions, else of the trial's."""
    settings = workspace.settings
    yield _room("ledger", settings.state, planned.plan.actions * ACTION_BYTES, "")
    if "://" in settings.lake:
        yield Check("room in the lake", "pass", "a bucket has no end")
        return
    needed, guessed = 0, []
    for node in planned.prepared.graph.nodes:
        count = len(planned.plan.of(node.index)) if node.kind is NodeKind.STEP else 0
        if count:
            mean = _mean_size(copy, planned, node) or sizes.get(node.index)
            needed += count * (mean or 0)
            guessed += [] if mean is not None else [node.name]
    note = f"; nothing is known of {', '.join(guessed)} yet" if guessed else ""
    yield _room("lake", Path(settings.lake), needed, note)


def _room(what: str, path: Path, needed: int, note: str) -> Check:
    free = free_bytes(path)
    told = f"about {_size(needed)} needed, {_size(free)} free{note}"
    name = f"room for the {what}"
    if free < max(needed, LITTLE_BYTES):
        return Check(name, "fail", told, f"make room on the disk of {path}, or fill a shorter window")
    return Check(name, "unknown" if note and not needed else "pass", told)


def _mean_size(copy: Scratch, planned: Planned, node: Node) -> int | None:
    """Of its newest publications."""
    published = planned.prepared.snapshot.states[node.index].published
    if published.last is None:
        return None
    newest = sorted(published)[-LOOKED_AT:]
    reader = LedgerReader(copy.ledger.path, copy.ledger.db)
    found = reader.current(planned.prepared.node_ids[node.index], range(newest[0], newest[-1] + 1))
    sizes = [sum(file.size_bytes for file in one.publication.files) for one in found]
    return sum(sizes) // len(sizes) if sizes else None


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - the next unit begins there
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _percent(share: float) -> str:
    """Never 100 % of something that is not complete."""
    return f"{min(share, 0.9999 if share < 1 else 1.0):.2%}"


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:_SHOWN]) + (f" and {len(texts) - _SHOWN} more ranges" if len(texts) > _SHOWN else "")
