"""Our part of the slots that all controllers of a ledger share: of pools, of lanes, and of this machine's workers.

Who is alone holds all of them and never writes again. When somebody else comes, each gives back what is not its due as
soon as what runs there has ended, and takes what is due and free; always in a transaction, so that there are never
more than there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from recoup.engine.delivery_pools import LANE_AHEAD
from recoup.engine.fair import Claimant, allot
from recoup.engine.machine import Machine
from recoup.ledger.pools import Share
from recoup.ports import Executor

_PARTS = 100


@dataclass(slots=True)
class Holding:
    """One pool: how much of it is ours, how much we would take, use and could use.

    `hold_to` is told how many slots we may use, and how many are our due.
    """

    share: Share
    most: Callable[[], int]
    used: Callable[[], int]
    could_use: Callable[[], int]
    hold_to: Callable[[int, int], None]
    starved: bool = False

    def settle(self, priority: int, others: Sequence[Share], now: float, *, claims: bool) -> Share:
        """What is ours from now on; we may use less of it while something that is not our due has still to end."""
        wanted = min(self.most(), self.could_use()) if others else self.most()
        me = self.share._replace(priority=priority, wanted=wanted if claims else 0)
        used, slots = self.used(), max(share.slots for share in (me, *others))
        due = allot(slots, [_claimant(share) for share in (me, *others)], now)[me.controller]
        held = max(used, min(due, slots - sum(other.held for other in others)))
        self.hold_to(min(due, held), due)
        self.starved = me.wanted > 0 and slots > 0 and held == 0
        return me._replace(held=held, granted_at=now if held > me.held else me.granted_at)


def workers(share: Share, machine: Machine, executor: Executor, at_most: Callable[[], int]) -> Holding:
    """The workers of this computer: so many attempts run at once, whoever runs them."""
    could_use = lambda: machine.running + machine.queues.startable()  # noqa: E731 - a name for the next line
    return Holding(share, at_most, executor.busy, could_use, lambda slots, _: executor.resize(slots))


def pool(share: Share, machine: Machine, name: str) -> Holding:
    """The slots of a pool."""
    gate = machine.queues.gates[name]

    def hold_to(slots: int, due: int) -> None:
        gate.slots, gate.promised = slots, due

    could_use = lambda: gate.used + machine.queues.ready(name)  # noqa: E731 - a name for the next line
    return Holding(share, lambda: share.slots, lambda: gate.used, could_use, hold_to)


def lane(share: Share, machine: Machine, name: str) -> Holding:
    """An embedded database: one controller delivers at a time, and claims some deliveries ahead."""
    gate = machine.queues.gates[name]

    def hold_to(slots: int, due: int) -> None:
        gate.slots, gate.promised = LANE_AHEAD * slots, LANE_AHEAD * due

    could_use = lambda: gate.used + machine.queues.ready(name)  # noqa: E731 - a name for the next line
    return Holding(share, lambda: 1, lambda: min(gate.used, 1), could_use, hold_to)


def rate(share: Share, machine: Machine, name: str) -> Holding:
    """A pool without slots: nothing is held, but others must know who wants some of its rate."""
    return Holding(share, lambda: 1, lambda: 0, lambda: machine.queues.ready(name), lambda _, __: None)


def part(me: Share, others: Sequence[Share], now: float) -> float:
    """Our part of a pool's rate, while others want it too."""
    wanting = [replace(_claimant(share), wanted=_PARTS) for share in (me, *others) if share.wanted]
    return max(allot(_PARTS, wanting, now).get(me.controller, 0), 1) / _PARTS


def _claimant(share: Share) -> Claimant:
    return Claimant(share.controller, share.priority, share.wanted, share.held, share.granted_at)
