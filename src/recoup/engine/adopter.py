"""Publishes what no step made: partitions that were there before, many at a time, each as if an attempt had made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recoup.engine.inflight import Inflight, Whose, intent_of, manifest_of
from recoup.engine.publisher import put_manifest
from recoup.engine.remembered import remembered
from recoup.engine.runs import grain_of, new_run_id
from recoup.engine.tasks import TaskMaker
from recoup.lake import layout
from recoup.lake.pointers import PublishIntent, Superseded, next_pointer, publish
from recoup.ledger.facts import ADOPTED, Claim, Succeeded
from recoup.ledger.leases import ControllerLease
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import ConflictError
from recoup.model.graph import Node
from recoup.model.manifest import Manifest
from recoup.ports import ObjectStore

Result = Mapping[str, Any]
"""What an attempt comes to, as a worker tells it: `files`, `columns`, `rows`, `started`, `ended`."""


@dataclass(frozen=True)
class Adopter:
    """For one step; claims first, and publishes what it is then given."""

    ledger: Ledger
    store: ObjectStore
    lease: ControllerLease
    tasks: TaskMaker
    node: Node
    code_version: str

    def claim(self, wanted: Mapping[int, float]) -> list[Inflight]:
        """Take these ordinals, each as of its moment; what somebody else is running is missing from the answer."""
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            claims = [self._claim(tx, ordinal, as_of) for ordinal, as_of in wanted.items()]
            claimed = tx.claim(claims, self.lease.controller, None)
            return [self.tasks.pinned(tx, ours, self.node)[0] for ours in claimed]

    def give_back(self, claimed: Sequence[Inflight]) -> None:
        """As if they had not been claimed."""
        with self.ledger.transaction() as tx:
            self.lease.hold(tx)
            tx.release([(i.claimed.token, i.claimed.claim.node, i.claimed.claim.ordinal) for i in claimed])

    def publish(self, made: Sequence[tuple[Inflight, Result]]) -> None:
        """Intend, write manifests and then pointers, record: four steps, each of which may be the last one."""
        now = self.ledger.clock.now().timestamp()
        for inflight, result in made:
            inflight.measured = inflight.measure(result, now)
            inflight.publication = inflight.publish(result, inflight.claimed.claim.node)
        ours = [inflight for inflight, _ in made]
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            tx.intend([self._succeeded(inflight).publication for inflight in ours])
        self._write_manifests(ours)
        self._move_pointers(ours)
        with self.ledger.transaction() as tx:
            self.lease.hold(tx)
            tx.succeed([self._succeeded(inflight) for inflight in ours])

    @cached_property
    def _grain(self) -> str:
        return grain_of(self.node.partitions)

    @cached_property
    def _owner(self) -> tuple[str, int]:
        return self.ledger.ledger_id, self.ledger.epoch

    def _claim(self, tx: Transaction, ordinal: int, as_of: float) -> Claim:
        """In a run of its own, which is over with it: what is made later of this partition knows other things."""
        run_id, name = new_run_id(self.ledger.clock), self.node.partitions.name(ordinal)
        run = tx.past_run(run_id, self.tasks.graph.pipeline, self._grain, ordinal, name, as_of)
        return Claim(self.tasks.node_ids[self.node.index], ordinal, run, ADOPTED, self.code_version)

    def _write_manifests(self, ours: Sequence[Inflight]) -> None:
        key = self.node.partitions.key
        manifests = {_manifest_key(key, m): m for m in map(self._manifest, ours)}
        for place in self.store.put_all_new([(place, m.to_bytes()) for place, m in manifests.items()]):
            put_manifest(self.store, key, manifests[place])

    def _move_pointers(self, ours: Sequence[Inflight]) -> None:
        """New ones together; where there is one already, it is swapped like that of any run."""
        key = self.node.partitions.key
        intents = {layout.pointer(self.node.name, key, i.partition): (self._intent(i), i) for i in ours}
        new = [(place, next_pointer(None, intent).to_bytes()) for place, (intent, _) in intents.items()]
        for place in self.store.put_all_new(new):
            intent, inflight = intents[place]
            claim = inflight.claimed.claim
            trusted = remembered(self.ledger, self.node.name, inflight.partition, claim.node, claim.ordinal)
            outcome = publish(self.store, intent, trusted)
            if isinstance(outcome, Superseded):
                message = f"{self.node.name} {inflight.partition} was not adopted: {outcome.because}"
                raise ConflictError(message, "run `recoup ledger adopt`, then the same command again")

    def _manifest(self, inflight: Inflight) -> Manifest:
        assert inflight.measured is not None
        return manifest_of(Whose(self.tasks.graph.pipeline), inflight, inflight.measured, "success", None)

    def _intent(self, inflight: Inflight) -> PublishIntent:
        assert inflight.publication is not None
        run_id, now = inflight.claimed.claim.run.run_id, self.ledger.clock.now().timestamp()
        ledger_id, epoch = self._owner
        return intent_of(self.node, inflight.partition, run_id, inflight.publication, ledger_id, epoch, now)

    def _succeeded(self, inflight: Inflight) -> Succeeded:
        assert inflight.publication is not None
        assert inflight.measured is not None
        graph, ids, ordinal = self.tasks.graph, self.tasks.node_ids, inflight.claimed.claim.ordinal
        readers = tuple((ids[reader], span) for reader, span in graph.touched_by(self.node.index, ordinal))
        return Succeeded(inflight.publication, inflight.measured, readers)


def _manifest_key(key: str, manifest: Manifest) -> str:
    return layout.manifest(manifest.dataset, key, manifest.partition, manifest.run_id)
