"""The budgets that outlive a controller: what the ledger keeps of them, brought to the machine's gates and back."""

from __future__ import annotations

from dataclasses import dataclass, field

from recoup.engine.gates import Gate
from recoup.engine.machine import Machine
from recoup.ledger.pools import Starts, all_starts, note_starts
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger


@dataclass
class Budgets:
    """Rates and delays: shared by all controllers of a ledger, and kept when one of them is killed."""

    machine: Machine
    ledger: Ledger
    backfill_id: str
    _version: int = -1
    _saved: dict[str, float] = field(default_factory=dict)

    def load(self, tx: Transaction, now: float) -> None:
        """Before anything is taken: what others have started since we last looked."""
        if self._version == self.ledger.version:
            return
        self._version = self.ledger.version
        gates = self._paced()
        for pool, last_at, next_at in all_starts(tx) if gates else ():
            if pool in gates:  # the ledger's clock is the wall's, the machine's is not
                gates[pool].remember(last_at - tx.now + now, next_at - tx.now + now, now)
                self._saved[pool] = gates[pool].last_at

    def save(self, tx: Transaction, now: float) -> None:
        """In the transaction that claims: a start is durable before anything starts."""
        moved = [(pool, gate) for pool, gate in self._paced().items() if gate.last_at > self._saved.get(pool, -1e99)]
        note_starts(tx, (Starts(pool, g.last_at - now + tx.now, g.next_at - now + tx.now) for pool, g in moved))
        self._saved.update((pool, gate.last_at) for pool, gate in moved)

    def _paced(self) -> dict[str, Gate]:
        """By the name that the ledger knows them by."""
        gates = {f"pool {name}": gate for name, gate in self.machine.gates.items()}
        gates[f"backfill {self.backfill_id}"] = self.machine.spacing
        return {name: gate for name, gate in gates.items() if gate.paced}
