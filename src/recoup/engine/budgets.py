"""The budgets that outlive a controller: what the ledger keeps of rates, delays and slots, brought here and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from recoup.engine import shares
from recoup.engine.gates import Gate
from recoup.engine.machine import Machine
from recoup.engine.shares import Holding
from recoup.ledger.facts import Controls
from recoup.ledger.pools import (
    Paused,
    Share,
    Starts,
    all_starts,
    note_starts,
    others_shares,
    pauses,
    put_pause,
    put_share,
)
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.ports import Executor

CONTEST_SECONDS = 0.1
"""How often shares are settled anew while others want some too, and nothing else happens."""
STARVED_SECONDS = 0.01
"""How often we look whether others have given something back, while we have nothing."""


@dataclass
class Budgets:
    """Those of one controller's backfill; the rules are in `gates` and `fair`."""

    machine: Machine
    ledger: Ledger
    executor: Executor
    controller: int
    backfill_id: str
    host: str
    host_slots: int
    usual_priority: int = 0
    priority: int = 0
    at_most: int = 1
    """How many workers the backfill may use."""
    contested: bool = False
    """Whether others share something with us."""
    _version: int | None = None
    _claims: bool = True
    _settled_at: float = 0.0
    _noted: dict[str, float] = field(default_factory=dict)
    _holdings: dict[str, Holding] = field(default_factory=dict)
    _workers: Holding = field(init=False)

    def __post_init__(self) -> None:
        for name, gate in self.machine.queues.gates.items():
            if name in self.machine.lanes:
                self._holdings[f"lane {name}"] = shares.lane(self._nothing(f"lane {name}", 1), self.machine, name)
            elif gate.slots < math.inf:
                share = self._nothing(f"pool {name}", int(gate.slots))
                self._holdings[share.pool] = shares.pool(share, self.machine, name)
            else:
                self._holdings[f"pool {name}"] = shares.rate(self._nothing(f"pool {name}", 0), self.machine, name)
        share = self._nothing(f"host {self.host}", self.host_slots)
        self._workers = shares.workers(share, self.machine, self.executor, lambda: self.at_most)
        self._holdings[share.pool] = self._workers

    @property
    def starved(self) -> bool:
        """Whether we could go on, had others given back what is not theirs."""
        return any(holding.starved for holding in self._holdings.values())

    def set(self, controls: Controls) -> None:
        """What a person wants of this backfill; in force with the next transaction."""
        self.at_most = min(controls.max_parallel or self.host_slots, self.machine.counts.total)
        self.priority = self.usual_priority if controls.priority is None else controls.priority
        slots = max(self.host_slots, controls.max_parallel or 0)
        self._workers.share = self._workers.share._replace(slots=slots)
        self._version = None

    def due(self, now: float, *, claims: bool) -> bool:
        """Whether others may have come or gone, taken something or given it back; or we ourselves."""
        if (self._version, self._claims) != (self.ledger.version, claims) or self.ledger.changed_elsewhere():
            return True
        return self.contested and now - self._settled_at >= CONTEST_SECONDS

    def load(self, tx: Transaction, now: float, *, claims: bool) -> None:
        """Before anything is taken: what others have started and hold by now; without `claims` we want nothing more."""
        if (self._version, self._claims) == (self.ledger.version, claims) and not self.contested:
            return
        self._version, self._claims, self._settled_at = self.ledger.version, claims, now
        gates = self._paced()
        for name, last_at, next_at in all_starts(tx) if gates else ():
            if name in gates:  # the ledger's clock is the wall's, the machine's is not
                gates[name].remember(last_at - tx.now + now, next_at - tx.now + now, now)
                self._noted[name] = gates[name].last_at
        names = {self._pause_name(pool): pool for pool in ("", *self.machine.queues.gates)}
        for paused in pauses(tx):
            if paused.pool in names:
                self.machine.pause(names[paused.pool], paused.until - tx.now + now)
        self._settle(tx, claims=claims)

    def pause(self, tx: Transaction, pool: str, seconds: float, reason: str) -> None:
        """In the transaction of the failure that told it: it holds for all controllers, and after a restart."""
        put_pause(tx, Paused(self._pause_name(pool), tx.now + seconds, reason))

    def _pause_name(self, pool: str) -> str:
        """A pool is everybody's; what has none is its pipeline's."""
        return f"pool {pool}" if pool else f"pipeline {self.machine.graph.pipeline}"

    def save(self, tx: Transaction, now: float) -> None:
        """In the transaction that claims: a start is durable before anything starts."""
        moved = [(name, gate) for name, gate in self._paced().items() if gate.last_at > self._noted.get(name, -1e99)]
        note_starts(tx, (Starts(name, g.last_at - now + tx.now, g.next_at - now + tx.now) for name, g in moved))
        self._noted.update((name, gate.last_at) for name, gate in moved)

    def _settle(self, tx: Transaction, *, claims: bool) -> None:
        rows = others_shares(tx, self.controller)
        self.contested = False
        for name, holding in self._holdings.items():
            others = [row for row in rows if row.pool == name]
            share = holding.settle(self.priority, others, tx.now, claims=claims)
            if share != holding.share:
                put_share(tx, share)
                holding.share = share
            self.contested |= bool(others)
            if name.startswith("pool "):
                self.machine.queues.gates[name.removeprefix("pool ")].share = shares.part(share, others, tx.now)

    def _nothing(self, name: str, slots: int) -> Share:
        return Share(name, self.controller, self.priority, slots, 0, 0, 0.0)

    def _paced(self) -> dict[str, Gate]:
        """By the name that the ledger knows them by."""
        gates = {f"pool {name}": gate for name, gate in self.machine.queues.gates.items()}
        gates[f"backfill {self.backfill_id}"] = self.machine.queues.spacing
        return {name: gate for name, gate in gates.items() if gate.paced}
