"""Carries a plan out: asks the machine, writes the ledger, hands tasks to workers, moves pointers.

One thread. While a transaction is being committed, results gather in the workers' sockets; the next turn of the loop
takes all of them into one transaction. That is the whole group commit: nothing waits for a timer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from recoup.engine import events
from recoup.engine.budgets import STARVED_SECONDS, Budgets
from recoup.engine.claims import Claims
from recoup.engine.consequences import Consequences
from recoup.engine.events import Block, Broken, Counts, Pause
from recoup.engine.inflight import Inflight, Whose, intent_of, manifest_of
from recoup.engine.machine import Machine
from recoup.engine.neighbours import Neighbours
from recoup.engine.outages import Outages
from recoup.engine.publisher import Publisher, PublishOutcome
from recoup.engine.reconcile import reconcile
from recoup.engine.remembered import remembered
from recoup.engine.runs import RunBook
from recoup.engine.stopping import Progress, Stopping
from recoup.engine.tasks import TaskMaker
from recoup.engine.turn import Turn
from recoup.ledger import planes
from recoup.ledger.backfills import IN_FORCE, set_state, wish_of
from recoup.ledger.facts import (
    Blocked,
    Controls,
    Failed,
    Measured,
    NodeId,
    Publication,
    Succeeded,
)
from recoup.ledger.leases import ControllerLease
from recoup.ledger.registry import register_members
from recoup.ledger.transaction import Transaction
from recoup.ledger.watermarks import forget
from recoup.ledger.writer import Ledger
from recoup.model.errors import CommitUnknownError
from recoup.model.failure import Failure, FailureKind
from recoup.model.graph import Graph, NodeKind
from recoup.model.manifest import Manifest, Pointer
from recoup.model.redact import Redact, redact
from recoup.ports import Clock, Executor, Lost, TaskEvent
from recoup.recovery.classify import classify

LOOK_SECONDS = 0.2
"""How often the loop looks at wishes and at other controllers when nothing else wakes it."""
NEIGHBOUR_SECONDS = 1.0
"""How often it looks whether those that share its slots are still alive."""
MANIFESTS_AT_ONCE = 256


@dataclass
class Runner:
    """One backfill, from its plan to its end."""

    whose: Whose
    backfill: int
    graph: Graph
    node_ids: Sequence[NodeId]
    code_versions: Sequence[str]
    machine: Machine
    budgets: Budgets
    outages: Outages
    ledger: Ledger
    lease: ControllerLease
    executor: Executor
    publisher: Publisher
    tasks: TaskMaker
    runs: RunBook
    clock: Clock
    stopping: Stopping
    observe: Callable[[Progress], None]
    controls: Controls
    redact: Redact = redact
    others: frozenset[int] = frozenset()
    _inflight: dict[int, Inflight] = field(default_factory=dict)
    _manifests: list[tuple[Manifest, str]] = field(default_factory=list)
    _looked_at: float = 0.0
    _waiting: bool = False

    def __post_init__(self) -> None:
        self._neighbours = Neighbours(self.lease.controller, self.graph, self.node_ids, self.code_versions, self.others)
        self._claims = Claims(
            self.graph,
            self.node_ids,
            self.code_versions,
            self.machine,
            self._neighbours,
            self.tasks,
            self.runs,
            self.lease.controller,
            self.backfill,
        )
        self._consequences = Consequences(
            self.graph, self.node_ids, self.backfill, self.runs, self.budgets, self.outages, self.stopping
        )
        self._ledger_id, self._epoch = self.ledger.ledger_id, self.ledger.epoch

    def run(self, blocked: Iterable[Blocked]) -> Counts:
        """Until everything has settled, or somebody stops it; what we want is said before workers are started."""
        self._apply(self.controls)
        with self._transaction() as tx:
            tx.block(list(blocked), self.backfill)
            self.budgets.load(tx, self.clock.monotonic(), claims=self.stopping.claims)
        self.executor.open()
        self.executor.watch(self.publisher.fileno)
        self.stopping.wake = self.publisher.wake
        while not self._over():
            self._look()
            if self.stopping.at_once:
                break
            self._turn(self.executor.wait(self._patience()))
        self._write_manifests(at_least=1)
        self._abandon()
        return self.machine.counts

    def _over(self) -> bool:
        return self.machine.done or (self.stopping.ends and not self.machine.running)

    def _patience(self) -> float:
        """How long the loop may sleep: not at all while there is room and work."""
        now = self.clock.monotonic()
        if self._can_start(now):
            return 0.0
        due = self.machine.next_due(now)
        patience = STARVED_SECONDS if self.budgets.starved else LOOK_SECONDS
        return patience if due is None else min(patience, due - now)

    def _can_start(self, now: float) -> bool:
        if not self.stopping.claims or not self.executor.room():
            return False
        return self.machine.can_take(now, self.executor.idle())

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        """One change of state, refused as a whole when somebody has taken over."""
        with self.ledger.transaction() as tx:
            self.lease.hold(tx)
            yield tx

    # --- one turn of the loop

    def _turn(self, happened: Sequence[TaskEvent]) -> None:
        outcomes = self.publisher.outcomes()
        now = self.clock.monotonic()
        shares = self.budgets.due(now, claims=self.stopping.claims)
        if not (happened or outcomes or shares or self._can_start(now) or self.lease.renewal_due):
            return
        turn = Turn()
        with self._transaction() as tx:
            now = self.clock.monotonic()  # the same moment as the transaction's own
            for event in happened:
                self._take_result(tx, turn, event)
            for outcome in outcomes:
                self._take_outcome(tx, turn, outcome)
            turn.record(tx, self.outages)
            started = self._claim(tx, turn, now)
            self._consequences.record(tx, turn.instructions)
            if self.lease.renewal_due:
                self.lease.renew(tx)
        self._act(turn, started)

    def _take_result(self, tx: Transaction, turn: Turn, event: TaskEvent) -> None:
        inflight = self._inflight[event.token]
        if isinstance(event, Lost):
            failure = inflight.killed or inflight.lost(event)
            self._fail(turn, inflight, failure, inflight.measure_lost(event.evidence, tx.now))
            return
        inflight.result = event.body
        inflight.measured = inflight.measure(event.body, tx.now)
        if "failure" in event.body:
            self._fail(turn, inflight, Failure.from_json(event.body["failure"]), inflight.measured)
            return
        if over := inflight.over_memory(event.body):
            self._fail(turn, inflight, over, inflight.measured)
            return
        for key, members in event.body.get("members", {}).items():
            register_members(tx, key, members)
        self.tasks.learn(inflight.node.index, inflight.measured.ended_at - inflight.measured.started_at)
        inflight.publication = inflight.publish(event.body, self.node_ids[inflight.node.index])
        if inflight.publication.nonce:
            turn.intents.append((inflight, inflight.publication))
        else:
            self._succeed(turn, inflight, inflight.publication, inflight.measured)
            self._keep_manifest(inflight, inflight.measured, "success", None)

    def _take_outcome(self, tx: Transaction, turn: Turn, outcome: PublishOutcome) -> None:
        inflight = self._inflight[outcome.token]
        assert inflight.publication is not None
        assert inflight.measured is not None
        if outcome.error is None:
            self._succeed(turn, inflight, inflight.publication, inflight.measured)
            return
        if not isinstance(outcome.error, CommitUnknownError):
            tx.forget_intents([inflight.claimed.token])
            forget(tx, [inflight.claimed.token])
        self._fail(turn, inflight, classify(outcome.error, redact=self.redact), inflight.measured)

    def _succeed(self, turn: Turn, inflight: Inflight, publication: Publication, measured: Measured) -> None:
        node, ordinal = inflight.node, publication.ordinal
        readers = tuple((self.node_ids[reader], span) for reader, span in self.graph.touched_by(node.index, ordinal))
        turn.succeeded.append(Succeeded(publication, measured, readers))
        turn.instructions += self.machine.handle(events.Succeeded(node.index, ordinal))
        turn.advances += inflight.advances()
        turn.over.append(inflight.token)

    def _fail(self, turn: Turn, inflight: Inflight, failure: Failure, measured: Measured) -> None:
        node, claim = inflight.node, inflight.claimed.claim
        state = {FailureKind.LOST: "lost", FailureKind.CANCELLED: "cancelled"}.get(failure.kind, "failed")
        token = inflight.claimed.token
        turn.failed.append(Failed(token, self.node_ids[node.index], claim.ordinal, failure, measured, state))
        turn.over.append(token)
        if inflight.killed:  # stopped by a person: nothing is blocked by it, it is just not done
            turn.instructions += self.machine.handle(events.Released(node.index, claim.ordinal))
        else:
            now, chance, wall = self.clock.monotonic(), self.clock.random(), self.clock.now().timestamp()
            event = events.Failed(node.index, claim.ordinal, failure, now, chance, wall)
            turn.instructions += self.machine.handle(event)
        inflight.publication = None
        self._keep_manifest(inflight, measured, "failed", failure)

    def _claim(self, tx: Transaction, turn: Turn, now: float) -> list[Inflight]:
        """Take what is ready, as far as there is room."""
        self.budgets.load(tx, now, claims=self.stopping.claims)
        room = self.executor.room() if self.stopping.claims else 0
        starts = self.machine.take(room, now, self.executor.idle()) if room > 0 else []
        if not starts:
            return []
        taking = self._claims.take(tx, starts, now)
        turn.instructions += taking.instructions
        self._inflight.update((inflight.token, inflight) for inflight in taking.started)
        self.budgets.save(tx, now)
        return taking.started

    def _act(self, turn: Turn, started: Sequence[Inflight]) -> None:
        """Everything that had to wait until the transaction was durable."""
        self.executor.submit([self.tasks.task(inflight) for inflight in started])
        now = self.clock.now().timestamp()
        if any(inflight.claimed.number > 1 for inflight, _ in turn.intents):
            self._write_manifests(at_least=1)
        for inflight, publication in turn.intents:
            assert inflight.measured is not None
            manifest = manifest_of(self.whose, inflight, inflight.measured, "success", None)
            run_id = inflight.claimed.claim.run.run_id
            intent = intent_of(
                inflight.node, inflight.partition, run_id, publication, self._ledger_id, self._epoch, now
            )
            self.publisher.publish(intent, manifest, inflight.node.partitions.key, self._trusted(inflight, publication))
        for token in turn.over:
            del self._inflight[token]
        self._write_manifests(at_least=MANIFESTS_AT_ONCE)
        if any(isinstance(i, Broken | Pause) for i in turn.instructions):
            self._give_back()
        if turn.over or turn.instructions or self.machine.has_settled:
            self._tell(turn)

    def _trusted(self, inflight: Inflight, publication: Publication) -> Pointer | None:
        """What the ledger remembers of the pointer; a partition that never had one costs nothing."""
        if not self.ledger.planes.has(publication.node, planes.POINTED, publication.ordinal):
            return None
        name = inflight.node.name
        return remembered(self.ledger, name, inflight.partition, publication.node, publication.ordinal)

    def _tell(self, turn: Turn) -> None:
        blocks = tuple(i for i in turn.instructions if isinstance(i, Block))
        retries = tuple(i for i in turn.instructions if isinstance(i, events.Retry))
        # What was only claimed ahead does not run yet.
        running, paused = min(self.machine.running, self.executor.busy()), self.stopping.paused
        counts, waiting, settled = self.machine.counts, self._waiting, self.machine.take_settled()
        self.observe(Progress(counts, running, paused, tuple(turn.failed), blocks, retries, waiting, settled))

    # --- manifests that follow

    def _keep_manifest(self, inflight: Inflight, measured: Measured, outcome: str, failure: Failure | None) -> None:
        if inflight.node.kind is NodeKind.DELIVERY:
            return  # it made nothing in the lake; the table's own record says what it holds
        manifest = manifest_of(self.whose, inflight, measured, outcome, failure)
        self._manifests.append((manifest, inflight.node.partitions.key))

    def _write_manifests(self, at_least: int) -> None:
        if len(self._manifests) >= at_least:
            self.publisher.write_manifests(self._manifests)
            self._manifests = []

    # --- wishes, signals, other controllers

    def _look(self) -> None:
        wish, controls = wish_of(self.ledger, self.backfill)
        self._heed(wish)
        if controls != self.controls:
            self._apply(controls)
            with self._transaction() as tx:
                tx.event(IN_FORCE, backfill=self.backfill)
        if not self.stopping.claims:
            self._give_back()
        waiting = self.budgets.starved and not self.machine.running
        if waiting != self._waiting:
            self._waiting = waiting
            self._tell(Turn())
        now = self.clock.monotonic()
        if now - self._looked_at >= self._look_interval():
            self._looked_at = now
            self._look_elsewhere()

    def _look_interval(self) -> float:
        """How often others are looked at: those that we wait for, or that may be dead and hold what we share."""
        if self.machine.elsewhere or self.budgets.starved:
            return LOOK_SECONDS
        return NEIGHBOUR_SECONDS if self.budgets.contested else math.inf

    def _heed(self, wish: str) -> None:
        stopping = self.stopping
        if wish == "cancel" and not stopping.cancelled:
            stopping.cancelled = True
            stopping.asked_at = stopping.asked_at or self.clock.now().timestamp()
            self._kill_all(Failure(FailureKind.CANCELLED, "the backfill was cancelled"))
        elif (wish == "pause") != stopping.paused:
            stopping.paused = wish == "pause"
            with self._transaction() as tx:
                set_state(tx, self.backfill, "paused" if stopping.paused else "running")
            running = min(self.machine.running, self.executor.busy())
            self.observe(Progress(self.machine.counts, running, stopping.paused))

    def _apply(self, controls: Controls) -> None:
        """How it is to be carried out from now on."""
        self.controls = controls
        self.machine.queues.spacing.delay = controls.delay_seconds or 0.0
        self.budgets.set(controls)

    def _give_back(self) -> None:
        """What was claimed ahead and has not begun is as if it had not been claimed."""
        tokens = self.executor.take_back()
        if not tokens:
            return
        given = [self._inflight.pop(token) for token in tokens]
        turn = Turn()
        with self._transaction() as tx:
            tx.release([(i.claimed.token, i.claimed.claim.node, i.claimed.claim.ordinal) for i in given])
            for inflight in given:
                event = events.Released(inflight.node.index, inflight.claimed.claim.ordinal)
                turn.instructions += self.machine.handle(event)
            self._consequences.record(tx, turn.instructions)

    def _kill_all(self, why: Failure) -> None:
        self._give_back()
        for inflight in self._inflight.values():
            if inflight.publication is None:
                inflight.killed = why
                self.executor.kill(inflight.token)

    def _abandon(self) -> None:
        """Stopped at once: pointers that are moving arrive, what still runs is ended, and the ledger says so."""
        rest = [i for i in self._inflight.values() if i.publication is None]
        if rest:
            self.executor.close()
        while self.publisher.pending:
            self.publisher.wait(LOOK_SECONDS)
            self._turn([])
        if not rest:
            return
        why = Failure(FailureKind.CANCELLED, "the backfill was stopped")
        with self._transaction() as tx:
            now = Measured(tx.now, tx.now)
            tx.fail(
                [
                    Failed(i.claimed.token, i.claimed.claim.node, i.claimed.claim.ordinal, why, now, "cancelled")
                    for i in rest
                ]
            )

    def _look_elsewhere(self) -> None:
        """How the actions stand that other controllers took; those of a dead one are ours to take."""
        reconcile(self.ledger, self.lease, self.publisher.store, self.graph, self.node_ids)
        turn = Turn()
        with self._transaction() as tx:
            for node, ordinal in self.machine.elsewhere:
                node_id = self.node_ids[node]
                if tx.plane_has(node_id, planes.RUNNING, ordinal):
                    continue
                event = self._neighbours.ended(tx, node, ordinal)
                if (
                    isinstance(event, events.Released)
                    and self.machine.awaits(node, ordinal)
                    and self._neighbours.go_on(tx)
                ):
                    continue  # they have it in their plans, and have not come to it
                if event:
                    turn.instructions += self.machine.handle(event)
            self._consequences.record(tx, turn.instructions)
        if turn.instructions or self.machine.has_settled:
            self._tell(turn)
