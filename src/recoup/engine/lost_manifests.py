"""Manifests that followed unsynced and did not arrive: written again from what the ledger knows.

A process that dies loses those that it had not written yet; a machine that dies may lose those of the last minute.
The mark in the ledger says up to which token all are known to be there. It never passes an attempt of another
controller that has not ended: that one writes its own, unless it dies before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recoup.engine.inflight import iso
from recoup.lake.manifests import read_manifest, write_manifest
from recoup.ledger.facts import NodeId, Published
from recoup.ledger.reader import LedgerReader
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import CorruptError
from recoup.model.failure import Failure
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.manifest import InputRead, Manifest
from recoup.model.relation import parents
from recoup.ports import ObjectStore

WRITEBACK_SECONDS = 60.0
"""By then a kernel has written back what nobody asked it to sync."""

_ATTEMPTS = """
SELECT a.token, a.ordinal, a.number, a.state, a.started_at, a.ended_at, a.rows, a.failure, a.code_version, a.claimed_at,
       a.peak_memory_bytes, a.cpu_seconds, r.run_id, r.run_as_of, r.limited, p.digest, p.input_version, b.backfill_id,
       m.mode, m.downstream
FROM attempts a JOIN runs r USING (run)
LEFT JOIN publications p ON p.token = a.token LEFT JOIN backfills b ON b.backfill = a.backfill
LEFT JOIN modes m ON m.backfill = a.backfill
"""
_ENDED = f"""{_ATTEMPTS}
WHERE a.node = ? AND a.token > ? AND a.state IN ('succeeded', 'failed') AND coalesce(p.nonce, '') = ''
  AND a.started_at IS NOT NULL AND a.token <= ? AND a.controller <> ?
ORDER BY a.token
"""
_OTHERS = "SELECT 1 FROM attempts WHERE token > ? AND controller <> ? LIMIT 1"
_FIRST_OF_LIVING = """
SELECT min(token) FROM attempts JOIN controllers USING (controller)
WHERE token > ? AND controller <> ? AND controllers.ended_at IS NULL
"""


def rewrite_lost_manifests(
    ledger: Ledger,
    controller: int,
    store: ObjectStore,
    graph: Graph,
    node_ids: Sequence[NodeId],
    since: int | None = None,
) -> int:
    """Write again what others left behind since the mark and has no manifest; up to which token all are there now.

    Our own are for us to write. Whoever begins looks after the dead, and whoever ends after those who died meanwhile.
    """
    reader = LedgerReader(ledger.path, ledger.db)
    since = _checked_up_to(reader, graph.pipeline) if since is None else since
    [(newest,)] = reader.query("SELECT coalesce(max(token), 0) FROM attempts")
    if not reader.query(_OTHERS, (since, controller)):
        return int(newest)
    [(first_of_living,)] = reader.query(_FIRST_OF_LIVING, (since, controller))
    up_to = int(newest) if first_of_living is None else int(first_of_living) - 1
    for node in graph.nodes:
        if node.kind is NodeKind.STEP:
            for manifest in _lost(reader, store, graph, node_ids, node, (since, up_to, controller)):
                write_manifest(store, node.partitions.key, manifest, sync=True)
    return up_to


def manifest_again(
    reader: LedgerReader, graph: Graph, node_ids: Sequence[NodeId], node: Node, published: Published
) -> Manifest:
    """The manifest of an attempt that published a table, from what the ledger knows."""
    publication = published.publication
    (row,) = reader.query(f"{_ATTEMPTS} WHERE a.token = ?", (publication.token,))
    inputs = _inputs(reader, graph, node_ids, node, publication.ordinal, row[9])
    told = _again(row, graph, node, node.partitions.name(publication.ordinal), inputs)
    return replace(told, outputs=publication.files, columns=publication.columns)


def mark_manifests(tx: Transaction, pipeline: str, token: int) -> None:
    """All manifests up to this token are written, though perhaps not yet on the disk."""
    value = json.dumps({"token": token, "boot": _boot_id(), "at": tx.now})
    tx.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"manifests:{pipeline}", value))


def _checked_up_to(reader: LedgerReader, pipeline: str) -> int:
    mark = json.loads(reader.meta(f"manifests:{pipeline}") or '{"token": 0, "boot": "", "at": 0}')
    if mark["boot"] == _boot_id():
        return int(mark["token"])
    before = mark["at"] - WRITEBACK_SECONDS
    rows = reader.query(
        "SELECT coalesce(max(token), 0) FROM attempts WHERE token <= ? AND ended_at < ?", (mark["token"], before)
    )
    return int(rows[0][0])


def _lost(
    reader: LedgerReader,
    store: ObjectStore,
    graph: Graph,
    node_ids: Sequence[NodeId],
    node: Node,
    among: tuple[int, int, int],
) -> Iterator[Manifest]:
    for row in reader.query(_ENDED, (node_ids[node.index], *among)):
        partition, run_id = node.partitions.name(row[1]), row[12]
        if not _is_there(store, node, partition, run_id, row[0]):
            yield _again(row, graph, node, partition, _inputs(reader, graph, node_ids, node, row[1], row[9]))


def _is_there(store: ObjectStore, node: Node, partition: str, run_id: str, token: int) -> bool:
    """Whole, and of this attempt or a later one of its run: one that a power cut has torn counts as lost."""
    try:
        found = read_manifest(store, node.name, node.partitions.key, partition, run_id)
    except CorruptError:
        return False
    return found is not None and found.token >= token


def _inputs(
    reader: LedgerReader, graph: Graph, node_ids: Sequence[NodeId], node: Node, ordinal: int, claimed_at: float
) -> tuple[InputRead, ...]:
    """What was current when it was claimed."""
    reads = []
    for edge in node.edges:
        parent = graph.nodes[edge.parent]
        span = parents(edge.relation, node.partitions, parent.partitions, ordinal)
        if parent.kind is NodeKind.SOURCE:
            seen = reader.observed_by(node_ids[parent.index], span, claimed_at)
            reads += [InputRead(parent.name, parent.partitions.name(o), "", version) for o, version in seen.items()]
            continue
        for found in reader.current_at(node_ids[parent.index], span, claimed_at):
            name = parent.partitions.name(found.publication.ordinal)
            reads.append(InputRead(parent.name, name, found.run_id or "", found.publication.digest))
    return tuple(reads)


def _again(row: tuple[Any, ...], graph: Graph, node: Node, partition: str, inputs: tuple[InputRead, ...]) -> Manifest:
    (
        token,
        _,
        number,
        state,
        started,
        ended,
        rows,
        failure,
        code,
        _,
        memory,
        cpu,
        run_id,
        as_of,
        limited,
        digest,
        version,
        backfill,
        mode,
        downstream,
    ) = row
    told = Failure.from_json(json.loads(failure)) if failure else None
    return Manifest(
        pipeline=graph.pipeline,
        dataset=node.name,
        partition=partition,
        run_id=run_id,
        run_as_of=iso(as_of),
        attempt=number,
        token=token,
        outcome="success" if state == "succeeded" else "failed",
        started_at=iso(started),
        ended_at=iso(ended),
        duration_seconds=round(ended - started, 6),
        code_version=code,
        input_version=version or "",
        inputs=inputs,
        rows=rows,
        digest=digest or "",
        failure={**told.to_json(), "advice": told.advice} if told else None,
        backfill_id=backfill,
        mode=mode,
        downstream=downstream,
        limited=bool(limited),
        peak_memory_bytes=memory,
        cpu_seconds=cpu,
    )


def _boot_id() -> str:
    """Changes when the machine starts again; "" where nobody tells."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.exists() else ""
