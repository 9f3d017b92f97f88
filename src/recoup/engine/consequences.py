"""What the machine's instructions change in the ledger, and in what is started from now on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recoup.engine.budgets import Budgets
from recoup.engine.events import Block, Broken, CloseRun, Enough, Halt, Instruction, Outage, Pause
from recoup.engine.outages import Outages
from recoup.engine.runs import RunBook
from recoup.engine.stopping import Stopping
from recoup.ledger.facts import Blocked, NodeId
from recoup.ledger.transaction import Transaction
from recoup.model.graph import Graph


@dataclass(frozen=True)
class Consequences:
    """Those of one backfill."""

    graph: Graph
    node_ids: Sequence[NodeId]
    backfill: int
    runs: RunBook
    budgets: Budgets
    outages: Outages
    stopping: Stopping

    def record(self, tx: Transaction, instructions: Sequence[Instruction]) -> None:
        """In the transaction of what they follow from."""
        blocks = [i for i in instructions if isinstance(i, Block)]
        tx.block([Blocked(self.node_ids[b.node], b.ordinal, b.reason) for b in blocks], self.backfill)
        closed = [i for i in instructions if isinstance(i, CloseRun)]
        tx.close_runs(self.runs.close((self.graph.nodes[i.node], i.ordinal) for i in closed))
        for instruction in instructions:
            match instruction:
                case Halt(failure=failure):
                    self.stopping.halted = failure
                    self._tell(tx, "halted", kind=failure.kind, message=failure.message)
                case Enough(failed=failed):
                    self.stopping.enough = failed
                    self._tell(tx, "failures reached their limit", partitions=failed)
                case Outage(node=node, failure=failure):
                    self.outages.begin(tx, node, failure)
                case Pause(pool=pool, seconds=seconds, failure=failure):
                    self.budgets.pause(tx, pool, seconds, failure.message)
                case Broken(node=node, failure=failure):
                    self._tell(tx, "breaker opened", step=self.graph.nodes[node].name, message=failure.message)
                case _:
                    pass  # blocks and closed runs are recorded together, above; a retry is only awaited

    def _tell(self, tx: Transaction, kind: str, /, **data: object) -> None:
        tx.event(kind, backfill=self.backfill, data=data)
