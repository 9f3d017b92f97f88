"""Taking publications back: first what would go and what would come, then partition by partition, as a run would.

`rollback(workspace, target, partitions, start=…, end=…, to=…, backfill=…, yes=…) -> RollbackReport`; without `yes`
nothing is changed. Each move is an attempt of its own: claimed, intended, its pointer swapped, recorded; so tokens only
grow, and what was killed half-way is settled like any other run. The same command then does the rest: it finds the
rollback that was begun and not ended, and leaves alone what that one has moved already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recoup.app.asof import moment_of
from recoup.app.backfills import find, pipeline_of
from recoup.app.bound import Bound, bound
from recoup.app.redelivery import Redelivery
from recoup.app.rollback_memory import begin, begun, end
from recoup.app.rollback_moves import Asked, Move, RollbackPlan
from recoup.app.rollback_plan import plan_rollback
from recoup.app.targets import own_pipeline
from recoup.app.workspace import Workspace
from recoup.engine.inflight import intent_of
from recoup.engine.reconcile import reconcile
from recoup.engine.remembered import remembered
from recoup.lake.pointers import Superseded, publish
from recoup.ledger.cells import written
from recoup.ledger.facts import BackfillRow, Claim, Claimed, Publication, RunRow, Token
from recoup.ledger.leases import ControllerLease
from recoup.ledger.reader import LedgerReader
from recoup.ledger.staleness import ROLLBACK
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import ConflictError, ExitCode, RefusedError, UsageError
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.ports import ObjectStore

MOVES_AT_ONCE = 64
"""How many pointers move under one intent: so many may be in doubt when the machine dies."""


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """What of a pipeline would be moved, or (`done`) was; `undelivered` tells which tables could not follow."""

    pipeline: str
    plan: RollbackPlan
    done: bool
    moved: int = 0
    delivered: int = 0
    undelivered: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """1 when a table still holds what was taken back; the next `recoup run` delivers it."""
        return ExitCode.INCOMPLETE if self.undelivered else ExitCode.DONE


def rollback(
    workspace: Workspace,
    target: str | Pipeline | None,
    partitions: Sequence[str] = (),
    *,
    start: str | None = None,
    end: str | None = None,
    to: str | None = None,
    backfill: str | None = None,
    yes: bool = False,
    reason: str | None = None,
) -> RollbackReport:
    """Show again what the run before showed, or the run or the time `to` (`"none"`: nothing).

    With a `backfill` exactly what that one published and nobody has published again since goes back to what was before
    it, nothing included; without a target it is its whole pipeline.

    Where no run was before, a partition that was named shows nothing; of a window, or of all, it stays as it is.
    Of a whole pipeline only what its newest run made goes. A command that was carried out already does nothing: to go
    further back, name the run.

    RefusedError, before anything is changed, while one of the partitions runs or when the files of the earlier run
    are gone. Tables follow; what could not be delivered stays `undelivered` and is delivered by the next run.
    """
    _refuse_the_future(workspace, to)
    with workspace.reader() as reader:
        of = find(reader, backfill) if backfill is not None else None
        parsed = own_pipeline(workspace.settings, reader, _target(workspace, target, of))
    asked = Asked(parsed.dataset, tuple(partitions), start, end, to, of.backfill_id if of else None)
    if not yes:
        with workspace.reader() as reader:
            known = bound(workspace, reader, parsed.pipeline)
            half_way = begun(reader, known.pipeline.name, asked)
            chosen = plan_rollback(reader, workspace.store(), known, asked, half_way)
            return RollbackReport(_called(parsed.pipeline), chosen, done=False)
    with workspace.ledger() as ledger:
        store = workspace.own_store(ledger)
        lease = ControllerLease(ledger, workspace.who, workspace.settings.lease_seconds)
        try:
            report = _RollingBack(workspace, ledger, store, lease, workspace.acting(reason)).carry_out(
                parsed.pipeline, asked
            )
            with ledger.transaction() as tx:
                lease.end(tx)
            return report
        finally:
            lease.close()


def _target(workspace: Workspace, target: str | Pipeline | None, backfill: BackfillRow | None) -> str | Pipeline:
    if target is not None:
        return target
    if backfill is None:
        raise UsageError("what to roll back was not said", "name a pipeline or a step, or give --backfill ID")
    return pipeline_of(workspace, backfill)


def _called(pipeline: str | Pipeline) -> str:
    return pipeline.name if isinstance(pipeline, Pipeline) else pipeline


def _refuse_the_future(workspace: Workspace, to: str | None) -> None:
    moment = None if to is None else moment_of(to)
    if moment is not None and moment > workspace.clock.now().timestamp():
        raise UsageError(f"--to {to} is in the future", "give a time that has been; one without a zone is UTC")


@dataclass(frozen=True, slots=True)
class _RollingBack:
    workspace: Workspace
    ledger: Ledger
    store: ObjectStore
    lease: ControllerLease
    by: Mapping[str, str]

    def carry_out(self, pipeline: str | Pipeline, asked: Asked) -> RollbackReport:
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        known = bound(self.workspace, reader, pipeline)
        reconcile(self.ledger, self.lease, self.store, known.graph, known.node_ids)
        chosen = plan_rollback(reader, self.store, known, asked, begun(reader, known.pipeline.name, asked))
        if chosen.refused:
            message = f"nothing was rolled back: {chosen.refused[0]}" + _and_more(len(chosen.refused) - 1)
            raise RefusedError(message, chosen.remedy)
        rollback_id = chosen.begun
        if not rollback_id and not chosen.moves:
            return RollbackReport(_called(pipeline), chosen, done=True)
        if not rollback_id:
            with self.ledger.transaction() as tx:
                self.lease.hold(tx)
                cells = written((known.node_ids[move.node], PartitionSet.of([move.ordinal])) for move in chosen.moves)
                rollback_id = begin(tx, self.workspace.clock, self.by, known.pipeline.name, asked, chosen, cells)
        delivery = Redelivery(self.ledger, self.store, self.lease, known, self.workspace.settings, rollback_id)
        for node in known.graph.nodes:
            if node.kind is NodeKind.STEP:
                self._moves_of(known, [move for move in chosen.moves if move.node == node.index], rollback_id, delivery)
                self._settle(known, node, chosen.moved_before(node.index))
                delivery.catch_up(node, chosen.moved_before(node.index))
        with self.ledger.transaction() as tx:
            self.lease.hold(tx)
            end(tx, rollback_id)
        failures = tuple(delivery.failures)
        return RollbackReport(_called(pipeline), chosen, True, len(chosen.moves), delivery.delivered, failures)

    def _moves_of(self, known: Bound, moves: Sequence[Move], rollback_id: str, delivery: Redelivery) -> None:
        for first in range(0, len(moves), MOVES_AT_ONCE):
            batch = moves[first : first + MOVES_AT_ONCE]
            self._move(known, batch, rollback_id)
            delivery.follow(known.graph.nodes[batch[0].node], [move.ordinal for move in batch])

    def _move(self, known: Bound, batch: Sequence[Move], rollback_id: str) -> None:
        """Claim and intend, swap the pointers, record: three steps, each of which may be the last one."""
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            claimed = self._claim(tx, known, batch)
            new = [self._publication(move, ours.token, rollback_id) for move, ours in zip(batch, claimed, strict=True)]
            tx.intend(new)
        moved, error = self._swap(known, batch, new)
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            self._record(tx, known, batch, new, moved)
        if error is not None:
            raise error

    def _claim(self, tx: Transaction, known: Bound, batch: Sequence[Move]) -> list[Claimed]:
        """Take them all, unless somebody runs one of them, or has collected what it should go back to."""
        claims = []
        for move in batch:
            shown = move.after or move.before
            if tx.execute(_COLLECTED, (shown.publication.token,)).fetchone():
                message = f"{move.dataset} {move.partition}: `lake gc` has just collected run {shown.run_id}"
                raise RefusedError(message, "run the same command again to see what is left to do")
            assert shown.publication.run is not None
            run = RunRow(shown.publication.run, shown.run_id or "", move.partition, shown.publication.run_as_of)
            claims.append(Claim(known.node_ids[move.node], move.ordinal, run, ROLLBACK, shown.publication.code_version))
        claimed = tx.claim(claims, self.lease.controller, None)
        if len(claimed) < len(batch):
            message = f"{batch[0].dataset}: somebody has begun to run one of these partitions"
            raise RefusedError(message, "let it end, then run the same command again; it does the rest")
        return claimed

    def _publication(self, move: Move, token: Token, rollback_id: str) -> Publication:
        """What the earlier run published, under a token of its own; or nothing.

        A step without a table gets a pointer by it: nothing else in the lake would tell that it was taken back.
        """
        before, after = move.before.publication, move.after and move.after.publication
        return Publication(
            token=token,
            node=before.node,
            ordinal=before.ordinal,
            run=after.run if after else None,
            digest=after.digest if after else "",
            code_version=after.code_version if after else "",
            input_version=after.input_version if after else "",
            run_as_of=(after or before).run_as_of,
            nonce=self.workspace.clock.token_bytes(4).hex(),
            reason=rollback_id,
            rows=after.rows if after else None,
            files=after.files if after else (),
            columns=after.columns if after else {},
        )

    def _swap(
        self, known: Bound, batch: Sequence[Move], new: Sequence[Publication]
    ) -> tuple[set[Token], Exception | None]:
        """The tokens whose pointers have moved, and what stopped the others."""
        moved: set[Token] = set()
        now = self.workspace.clock.now().timestamp()
        for move, publication in zip(batch, new, strict=True):
            node, run_id = known.graph.nodes[move.node], move.after.run_id if move.after else None
            ledger_id, epoch = self.ledger.ledger_id, self.ledger.epoch
            intent = intent_of(node, move.partition, run_id, publication, ledger_id, epoch, now)
            trusted = remembered(self.ledger, move.dataset, move.partition, publication.node, move.ordinal)
            try:
                outcome = publish(self.store, intent, trusted)
            except Exception as error:  # noqa: BLE001 - raised again once what did move is recorded
                return moved, error
            if isinstance(outcome, Superseded):
                message = f"{move.dataset} {move.partition} was not rolled back: {outcome.because}"
                return moved, ConflictError(message, "run `recoup ledger adopt`, then the same command again")
            moved.add(publication.token)
        return moved, None

    def _settle(self, known: Bound, node: Node, ordinals: PartitionSet) -> None:
        """What moved before we were killed may have been recorded by somebody who did not know what it was."""
        if ordinals:
            with self.ledger.transaction() as tx:
                self.lease.hold(tx)
                for run in ordinals.ranges():
                    tx.mark_stale(known.node_ids[node.index], run)

    def _record(
        self, tx: Transaction, known: Bound, batch: Sequence[Move], new: Sequence[Publication], moved: set[Token]
    ) -> None:
        """What moved is published, and stale where it shows an earlier run: `--only stale` makes it again."""
        pairs = list(zip(batch, new, strict=True))
        tx.publish([(p, known.readers(known.graph.nodes[m.node], m.ordinal)) for m, p in pairs if p.token in moved])
        ended = [(p.token, p.node, p.ordinal) for _, p in pairs]
        tx.release([row for row in ended if row[0] in moved], state="succeeded")
        for _, node, ordinal in (row for row in ended if row[0] in moved):
            tx.mark_stale(node, range(ordinal, ordinal + 1))
        # In doubt, the intent stays open: whether its pointer moved is settled before the next run.
        tx.release([row for row in ended if row[0] not in moved], state="lost")


_COLLECTED = "SELECT 1 FROM publications WHERE token = ? AND state = 'collected'"


def _and_more(count: int) -> str:
    return f" (and {count} more)" if count else ""
