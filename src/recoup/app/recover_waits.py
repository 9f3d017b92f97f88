"""What a recovery waits for: a quota's reset, what a server asked for, and what somebody else is making."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from recoup.app.recover_look import Looked
from recoup.engine.causes import Current
from recoup.engine.retrying import retry_after, until_reset
from recoup.ledger.pools import Paused
from recoup.model.failure import FailureKind
from recoup.model.graph import Node
from recoup.model.partition import PartitionSet
from recoup.recovery.recover import Action, Verb, Way, Wound


@dataclass(frozen=True, slots=True)
class Waits:
    """At one moment; `paused` are the pools that wait already, by the name that the ledger has for them."""

    now: float
    paused: Mapping[str, Paused]

    def of(
        self, looked: Looked, actions: Sequence[Action], wounds: Sequence[Wound], awaited: Mapping[int, PartitionSet]
    ) -> Iterator[Action]:
        """The waiting that comes before these actions."""
        for node, ordinals in sorted(awaited.items()):
            yield Action(Verb.WAIT, node, ordinals, f"{looked.by or 'another backfill'} is making it")
        until = {**self.paused, **{paused.pool: paused for paused in self.asked_for(looked, wounds)}}
        for action in actions:
            if paused := until.get(pool_of(looked, action.node)):
                yield Action(Verb.WAIT, action.node, action.partitions, paused.reason, action.group, until=paused.until)

    def asked_for(self, looked: Looked, wounds: Sequence[Wound]) -> Iterator[Paused]:
        """Pools that nobody has paused, though the other side has said how long to stay away."""
        latest: dict[str, Paused] = {}
        trying = {(w.node, ordinal) for w in wounds if w.treatment.way is not Way.PERSON for ordinal in w.partitions}
        for last in looked.lasts:
            one = last.current
            until = self.until(one) if (one.node, one.ordinal) in trying else None
            if until is not None and until > self.now:
                pool = pool_of(looked, one.node)
                if pool not in latest or latest[pool].until < until:
                    latest[pool] = Paused(pool, until, one.failure.message)
        yield from (p for p in latest.values() if p.pool not in self.paused or self.paused[p.pool].until < p.until)

    def until(self, current: Current) -> float | None:
        """When what it met is over, by what the other side said; None where it said nothing."""
        evidence = current.failure.evidence
        match current.failure.kind:
            case FailureKind.QUOTA:
                seconds = until_reset(evidence, current.at)
            case FailureKind.THROTTLED:
                seconds = retry_after(evidence)
            case _:
                return None
        return None if seconds is None else current.at + seconds


def paused_of(rows: Iterable[Paused]) -> dict[str, Paused]:
    """By pool."""
    return {paused.pool: paused for paused in rows}


def pool_of(looked: Looked, node: int) -> str:
    """As the ledger names what pauses: a pool is everybody's; what has none is its pipeline's."""
    made: Node = looked.prepared.graph.nodes[node]
    pool = made.step.pool if made.step and not made.sink else None
    return f"pool {pool}" if pool else f"pipeline {looked.prepared.graph.pipeline}"
