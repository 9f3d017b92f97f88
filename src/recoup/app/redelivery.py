"""Tables follow a rollback: each partition is delivered again as it shows now, and recorded like any delivery."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from recoup.app.bound import Bound
from recoup.app.code import code_version
from recoup.app.plugins import open_sink
from recoup.app.settings import Settings
from recoup.lake.data_files import uri_of
from recoup.ledger import planes
from recoup.ledger.facts import Claim, Claimed, Failed, Measured, NodeId, Publication, Published, RunRow, Succeeded
from recoup.ledger.leases import ControllerLease
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.errors import UnreachableError
from recoup.model.graph import Node, NodeKind
from recoup.model.manifest import InputRead, input_version
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.redact import redactor
from recoup.ports import Delivery, Held, ObjectStore, Sink
from recoup.recovery.classify import classify


@dataclass
class Redelivery:
    """Delivers in this process, one partition after the other; what fails is told and left to the next run."""

    ledger: Ledger
    store: ObjectStore
    lease: ControllerLease
    known: Bound
    settings: Settings
    decision: str
    delivered: int = 0
    failures: list[str] = field(default_factory=list)
    unreachable: set[int] = field(default_factory=set)

    def follow(self, step: Node, ordinals: Iterable[int]) -> None:
        """Deliver these partitions of a step to every table that holds, or once held, them."""
        self._deliver_each(step, PartitionSet.of(ordinals), only_stale=False)

    def catch_up(self, step: Node, ordinals: PartitionSet) -> None:
        """The same for partitions that were moved before, and whose tables were not told any more."""
        self._deliver_each(step, ordinals, only_stale=True)

    def _deliver_each(self, step: Node, ordinals: PartitionSet, *, only_stale: bool) -> None:
        for node in self._deliveries(step):
            own = self._planes(self.known.node_ids[node.index])
            holds = own.get(planes.PUBLISHED, EMPTY)
            held_once = own.get(planes.POINTED, EMPTY) - holds
            if only_stale:
                holds &= own.get(planes.STALE, EMPTY)
            shown = self._planes(self.known.node_ids[step.index]).get(planes.PUBLISHED, EMPTY)
            if wanted := (holds | (held_once & shown)) & ordinals:
                if node.index in self.unreachable:
                    self._leave(node, len(wanted))
                else:
                    self._deliver(node, step, wanted)

    def _deliveries(self, step: Node) -> Iterator[Node]:
        for reader, _ in self.known.graph.readers[step.index]:
            node = self.known.graph.nodes[reader]
            if node.kind is NodeKind.DELIVERY:
                yield node

    def _planes(self, node: NodeId) -> Mapping[str, PartitionSet]:
        return LedgerReader(self.ledger.path, self.ledger.db).planes([node])[node]

    def _deliver(self, node: Node, step: Node, ordinals: PartitionSet) -> None:
        assert node.sink is not None
        with _opened(node.sink.to_json(), self.settings) as sink:
            for done, ordinal in enumerate(ordinals, start=1):
                try:
                    self._one(node, step, ordinal, sink)
                except _NotDeliveredError as error:
                    self.failures.append(str(error))
                    rest = len(ordinals) - done
                    if rest and isinstance(error.__cause__, UnreachableError):
                        self._leave(node, rest)
                        return

    def _leave(self, node: Node, rest: int) -> None:
        """A server that does not answer would be waited for with each partition anew."""
        self.unreachable.add(node.index)
        self.failures.append(f"{node.name}: {rest} more were left out; `recoup run` delivers them")

    def _one(self, node: Node, step: Node, ordinal: int, sink: Sink) -> None:
        partition = node.partitions.name(ordinal)
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            shown = tx.pins(self.known.node_ids[step.index], range(ordinal, ordinal + 1))
            run = self._run(node, ordinal, partition, shown)
            claim = Claim(self.known.node_ids[node.index], ordinal, run, self.decision, code_version(node))
            claimed = tx.claim([claim], self.lease.controller, None)
        if not claimed:
            raise _NotDeliveredError(f"{node.name} {partition}: somebody else is delivering it")
        started_at = self.ledger.clock.now().timestamp()
        try:
            held = sink.deliver(self._delivery(node, step, partition, claimed[0], shown))
        except Exception as error:
            self._failed(claimed[0], error, started_at)
            raise _NotDeliveredError(f"{node.name} {partition}: {error}") from error
        self._succeeded(claimed[0], step, partition, shown, held, started_at)
        self.delivered += 1

    def _run(self, node: Node, ordinal: int, partition: str, shown: Sequence[Published]) -> RunRow:
        """The run that the table will hold; when it will hold nothing, the one that it held."""
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        rows = shown or list(reader.current(self.known.node_ids[node.index], range(ordinal, ordinal + 1)))
        publication = rows[0].publication
        assert publication.run is not None
        return RunRow(publication.run, rows[0].run_id or "", partition, publication.run_as_of)

    def _delivery(self, node: Node, step: Node, partition: str, ours: Claimed, shown: Sequence[Published]) -> Delivery:
        current = shown[0] if shown else None
        return Delivery(
            dataset=step.name,
            key=node.partitions.key,
            partition=partition,
            run_id=current.run_id if current else None,
            token=ours.token,
            digest=current.publication.digest if current else "",
            files=tuple(uri_of(self.store, file.path) for file in current.publication.files) if current else (),
            storage_options=self.store.storage_options(),
            member_key=side.key if (side := node.partitions.member_side) else None,
        )

    def _succeeded(
        self, ours: Claimed, step: Node, partition: str, shown: Sequence[Published], held: Held, started_at: float
    ) -> None:
        reads = [InputRead(step.name, partition, row.run_id or "", row.publication.digest) for row in shown]
        publication = Publication(
            token=ours.token,
            node=ours.claim.node,
            ordinal=ours.claim.ordinal,
            run=ours.claim.run.run if shown else None,
            digest=shown[0].publication.digest if shown else "",
            code_version=ours.claim.code_version,
            input_version=input_version(reads),
            run_as_of=ours.claim.run.run_as_of,
            reason=ours.claim.decision,
            rows=held.rows,
        )
        with self.ledger.transaction() as tx:
            tx.succeed([Succeeded(publication, Measured(started_at, tx.now, rows=held.rows))])

    def _failed(self, ours: Claimed, error: Exception, started_at: float) -> None:
        with self.ledger.transaction() as tx:
            measured = Measured(started_at, tx.now)
            tx.fail(
                [
                    Failed(
                        ours.token,
                        ours.claim.node,
                        ours.claim.ordinal,
                        classify(error, redact=redactor(os.environ)),
                        measured,
                    )
                ]
            )


class _NotDeliveredError(Exception):
    """One partition of one table did not follow."""


@contextmanager
def _opened(spec: Mapping[str, Any], settings: Settings) -> Iterator[Sink]:
    """The sink for a block; closed at its end, so that people can query."""
    sink = open_sink(spec, settings)
    try:
        yield sink
    finally:
        sink.close()
