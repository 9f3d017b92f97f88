"""What a turn of the loop takes up: of what is ready, what nobody else makes, with its inputs pinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from recoup.engine import events
from recoup.engine.events import Instruction, Start
from recoup.engine.inflight import Inflight
from recoup.engine.machine import Machine
from recoup.engine.neighbours import Neighbours
from recoup.engine.runs import RunBook
from recoup.engine.tasks import TaskMaker
from recoup.ledger import planes
from recoup.ledger.facts import Claim, Claimed, NodeId, RunRow
from recoup.ledger.reader import intents
from recoup.ledger.transaction import Transaction
from recoup.model.graph import Graph


@dataclass(slots=True)
class Taking:
    """What came of it: attempts that start once the transaction is durable, and what the machine says of the others."""

    started: list[Inflight] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)


@dataclass
class Claims:
    """One backfill's claims, in the ledger and in the machine."""

    graph: Graph
    node_ids: Sequence[NodeId]
    code_versions: Sequence[str]
    machine: Machine
    neighbours: Neighbours
    tasks: TaskMaker
    runs: RunBook
    controller: int
    backfill: int

    def take(self, tx: Transaction, starts: Sequence[Start], now: float) -> Taking:
        """Claim these; what another controller runs is awaited, what cannot be pinned is blocked."""
        taking = Taking()
        claims = self._claims(tx, taking, starts)
        claimed = tx.claim([claim for _, claim in claims], self.controller, self.backfill)
        ours = {(c.claim.node, c.claim.ordinal): c for c in claimed}
        began: list[Start] = []
        for start, claim in claims:
            mine = ours.get((claim.node, claim.ordinal))
            if mine is None:
                taking.instructions += self.machine.handle(events.Taken(start.node, start.ordinal))
            elif inflight := self._pin(tx, taking, mine, start.node):
                taking.started.append(inflight)
                began.append(start)
        self.machine.began(began, now)
        # What has a rate goes to the workers that are idle, before anything is queued there.
        taking.started.sort(key=lambda inflight: not self.machine.queues.is_paced(inflight.node.index))
        return taking

    def _claims(self, tx: Transaction, taking: Taking, starts: Sequence[Start]) -> list[tuple[Start, Claim]]:
        """Those of which nobody else has made something since they were planned, or is about to."""
        unsettled = {(p.node, p.ordinal) for p in intents(tx)}
        claims = []
        for start in starts:
            node_id, code = self.node_ids[start.node], self.code_versions[start.node]
            failed = self.neighbours.failed(tx, start.node, start.ordinal)
            if self.neighbours.made(tx, start):
                taking.instructions += self.machine.handle(events.Succeeded(start.node, start.ordinal))
            elif failed:
                taking.instructions += self.machine.handle(events.FailedElsewhere(start.node, start.ordinal))
            elif failed is False or (node_id, start.ordinal) in unsettled:  # or its pointer may have moved: ask first
                taking.instructions += self.machine.handle(events.Taken(start.node, start.ordinal))
            else:
                claims.append((start, Claim(node_id, start.ordinal, self._run_for(tx, start), start.reason, code)))
        return claims

    def _run_for(self, tx: Transaction, start: Start) -> RunRow:
        """The partition's open run; a new one when that has shown this step already, for a run is never shown twice."""
        node, node_id = self.graph.nodes[start.node], self.node_ids[start.node]
        run = self.runs.open(tx, node, start.ordinal)
        if tx.plane_has(node_id, planes.POINTED, start.ordinal):
            shown = (
                "SELECT 1 FROM publications WHERE node = ? AND ordinal = ? AND run = ?"
                " AND state NOT IN ('intent', 'void')"
            )
            if tx.execute(shown, (node_id, start.ordinal, run.run)).fetchone():
                tx.close_runs(self.runs.close([(node, start.ordinal)]))
                return self.runs.open(tx, node, start.ordinal)
        return run

    def _pin(self, tx: Transaction, taking: Taking, claimed: Claimed, node: int) -> Inflight | None:
        pinned = self.tasks.pin(tx, claimed, self.graph.nodes[node])
        if isinstance(pinned, Inflight):
            return pinned
        tx.release([(claimed.token, claimed.claim.node, claimed.claim.ordinal)])
        taking.instructions += self.machine.handle(events.Unready(node, claimed.claim.ordinal, pinned))
        return None
