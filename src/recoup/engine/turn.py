"""One turn of the loop: what its transaction records, and what is to be done once that is durable."""

from __future__ import annotations

from dataclasses import dataclass, field

from recoup.engine.events import Instruction
from recoup.engine.inflight import Inflight
from recoup.engine.outages import Outages
from recoup.ledger.facts import Failed, Publication, Succeeded
from recoup.ledger.transaction import Transaction
from recoup.ledger.watermarks import Advance, advance, foresee


@dataclass(slots=True)
class Turn:
    """Gathered while results are taken; `over` are tokens of attempts that have ended."""

    succeeded: list[Succeeded] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    intents: list[tuple[Inflight, Publication]] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    over: list[int] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)

    def record(self, tx: Transaction, outages: Outages) -> None:
        """What attempts came to; before anything new is claimed, which may read it."""
        tx.succeed(self.succeeded)
        outages.succeed(tx, (one.publication.node for one in self.succeeded))
        advance(tx, self.advances)
        tx.fail(self.failed)
        tx.intend([publication for _, publication in self.intents])
        foresee(tx, (one for inflight, _ in self.intents for one in inflight.advances()))
