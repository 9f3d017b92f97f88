"""What readers see: `ls` and `show` it, `accept` what older code made; to take it back there is `rollback`.

For the command line: `ls(workspace, target, partitions, start=…, end=…)`, `show(workspace, dataset, partition)`,
`accept(workspace, target, partitions, start=…, end=…, yes=…)`, and `rollback.rollback(workspace, target, partitions,
start=…, end=…, to=…, yes=…)`. A target is `PIPELINE`, `PIPELINE.DATASET`, or a dataset alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from recoup.app.bound import bound
from recoup.app.code import code_version
from recoup.app.datasets import Dataset, select, undeclared
from recoup.app.targets import parse_target, shown_datasets
from recoup.app.workspace import Workspace
from recoup.lake.manifests import read_manifest
from recoup.lake.pointers import read_pointer
from recoup.ledger import planes
from recoup.ledger.cells import written
from recoup.ledger.facts import NodeId, Published
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import CorruptError, UsageError
from recoup.model.graph import Node, NodeKind
from recoup.model.keys import quoted
from recoup.model.manifest import Pointer
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Shown:
    """One publication; `run_id` None: from then on the partition showed nothing. Times are aware, UTC."""

    dataset: str
    partition: str
    run_id: str | None
    generation: int
    rows: int | None
    published_at: datetime
    token: int
    digest: str
    reason: str
    code_version: str
    state: str
    superseded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class History:
    """A partition's publications, newest first, and what its pointer says; `verdict` is a sentence.

    `pointer` is None where there is none, or where it cannot be read.
    """

    dataset: str
    partition: str
    generations: tuple[Shown, ...]
    pointer: Pointer | None
    agrees: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What would be blessed as made by today's code, or was (`done`): ranges by dataset."""

    ranges: dict[str, list[str]]
    count: int
    done: bool


def ls(
    workspace: Workspace,
    target: str | Pipeline,
    partitions: Sequence[str] = (),
    *,
    start: str | None = None,
    end: str | None = None,
) -> list[Shown]:
    """What is current, dataset by dataset, in the order of their partitions; as the ledger remembers it."""
    with workspace.reader() as reader:
        return [
            shown
            for found in shown_datasets(workspace, reader, target)
            for shown in _current(reader, found, partitions, start, end)
        ]


def show(workspace: Workspace, dataset: str, partition: str) -> History:
    """All that a partition ever showed, and whether its pointer agrees; UsageError when it never showed anything."""
    with workspace.reader() as reader:
        found = shown_datasets(workspace, reader, dataset)
        if len(found) != 1:
            message = f"{quoted(dataset)} is a pipeline; a history is that of one dataset"
            raise UsageError(message, f"name one of {', '.join(d.name for d in found)}")
        ordinal = found[0].partitions.ordinal(partition)
        history = reader.history(found[0].node, ordinal)
        open_intents = [row for row in reader.open_intents(found[0].node) if row.publication.ordinal == ordinal]
    if not history and not open_intents:
        message = f"{found[0].name} {partition} was never published"
        raise UsageError(message, f"`recoup publish ls {found[0].name}` shows what was")
    pointer, agrees, verdict = _compare(workspace, found[0], partition, history, open_intents)
    rows = tuple(shown_of(found[0], row) for row in history)
    return History(found[0].name, partition, rows, pointer, agrees, verdict)


def accept(
    workspace: Workspace,
    target: str | Pipeline,
    partitions: Sequence[str] = (),
    *,
    start: str | None = None,
    end: str | None = None,
    yes: bool = False,
    reason: str | None = None,
) -> Accepted:
    """Bless what older code made as if today's had made it; without `yes`, only say what that would be.

    A lake does not know of it: after `ledger rebuild` these are stale(code) again.
    """
    parsed = parse_target(workspace.settings, target)
    with workspace.reader() as reader:
        known = bound(workspace, reader, parsed.pipeline)  # before the transaction: who imports it keeps nobody waiting
        nodes = [known.graph.node(parsed.dataset)] if parsed.dataset else known.graph.nodes
        steps = [(node, known.node_ids[node.index]) for node in nodes if node.kind is NodeKind.STEP]
        older = _older(reader, steps, partitions, start, end)
    if yes and older:
        with workspace.ledger() as ledger, ledger.transaction() as tx:
            older = _older(LedgerReader(ledger.path, ledger.db), steps, partitions, start, end)
            for one in older:
                tx.accept_code(one.node_id, list(one.ordinals), one.version)
            cells = written((one.node_id, one.ordinals) for one in older)
            about = {"pipeline": known.pipeline.name, "ranges": _ranges(older), "cells": cells}
            tx.event("code accepted", data={**workspace.acting(reason), **about})
    return Accepted(_ranges(older), sum(len(one.ordinals) for one in older), done=yes)


@dataclass(frozen=True, slots=True)
class _Older:
    """What older code made of one step, and the version of today's."""

    node: Node
    node_id: NodeId
    version: str
    ordinals: PartitionSet


def _older(
    reader: LedgerReader,
    steps: Sequence[tuple[Node, NodeId]],
    partitions: Sequence[str],
    start: str | None,
    end: str | None,
) -> list[_Older]:
    found = []
    for node, node_id in steps:
        version, own = code_version(node), reader.planes([node_id])[node_id]
        asked = select(undeclared(node.partitions), own.get(planes.PUBLISHED, EMPTY), partitions, start, end)
        if ordinals := asked - own.get(planes.CODE + version, EMPTY):
            found.append(_Older(node, node_id, version, ordinals))
    return found


def _ranges(older: Sequence[_Older]) -> dict[str, list[str]]:
    return {one.node.name: one.node.partitions.ranges_text(one.ordinals) for one in older}


def _current(
    reader: LedgerReader, found: Dataset, partitions: Sequence[str], start: str | None, end: str | None
) -> Iterator[Shown]:
    own = reader.planes([found.node])[found.node].get(planes.PUBLISHED, EMPTY)
    asked = select(found.partitions, own, partitions, start, end)
    for run in asked.ranges():
        yield from (shown_of(found, row) for row in reader.current(found.node, run))


def shown_of(found: Dataset, row: Published) -> Shown:
    """A publication as people see it."""
    publication = row.publication
    return Shown(
        dataset=found.name,
        partition=found.partitions.name(publication.ordinal),
        run_id=row.run_id,
        generation=row.generation,
        rows=publication.rows,
        published_at=datetime.fromtimestamp(row.published_at, UTC),
        token=publication.token,
        digest=publication.digest,
        reason=publication.reason,
        code_version=publication.code_version,
        state=row.state,
        superseded_at=None if row.superseded_at is None else datetime.fromtimestamp(row.superseded_at, UTC),
    )


def _compare(
    workspace: Workspace,
    found: Dataset,
    partition: str,
    history: Sequence[Published],
    open_intents: Sequence[Published],
) -> tuple[Pointer | None, bool, str]:
    """The pointer, whether ledger and pointer say the same, and that as a sentence."""
    remembered = next((row for row in history if row.state == "current"), None)
    newest = next((row for row in [*open_intents, *history] if row.state in ("current", "intent")), None)
    if found.kind == "delivery" or (newest is not None and not newest.publication.nonce):
        return None, True, "it has no pointer: it is no table in the lake, and the ledger alone remembers it"
    try:
        pointer = read_pointer(workspace.store(), found.name, found.key, partition)
    except CorruptError as error:
        return None, False, f"{error.message}; readers are served what the ledger remembers"
    if pointer is None:
        return None, not remembered, "there is no pointer" + (", though the ledger remembers one" if remembered else "")
    if remembered and pointer.current.nonce == remembered.publication.nonce:
        trouble = _manifest_trouble(workspace, found, partition, remembered)
        return pointer, not trouble, f"pointer and ledger agree{trouble}"
    if pointer.current.nonce in {row.publication.nonce for row in open_intents}:
        return pointer, False, "the pointer has moved, and the ledger takes note of it with the next run"
    if pointer.current.run_id is None and (remembered is None or remembered.publication.run is None):
        return pointer, True, "pointer and ledger agree: nothing is shown"
    told = f"the pointer shows run {pointer.current.run_id} (token {pointer.current.token})"
    if remembered is None:
        return pointer, False, f"{told}, of which the ledger knows nothing"
    return (
        pointer,
        False,
        f"{told}, the ledger remembers run {remembered.run_id} (token {remembered.publication.token})",
    )


def _manifest_trouble(workspace: Workspace, found: Dataset, partition: str, row: Published) -> str:
    """What is wrong with the manifest of what is shown: readers do not need it, a rebuild of the ledger does."""
    if row.run_id is None:
        return ""
    try:
        there = read_manifest(workspace.store(), found.name, found.key, partition, row.run_id) is not None
    except CorruptError as error:
        return f", but {error.message}"
    return "" if there else f", but there is no manifest of run {row.run_id}"
