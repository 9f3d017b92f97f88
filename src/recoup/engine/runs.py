"""One run for each partition: the open one is continued, else a new one begins; all its steps share it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from recoup.ledger.facts import RunRow
from recoup.ledger.transaction import Transaction
from recoup.model.graph import Node
from recoup.model.partitioning import Partitioning
from recoup.ports import Clock

AsOf = Callable[[Partitioning, int], float]


@dataclass
class RunBook:
    """The runs that this backfill has open."""

    pipeline: str
    as_of: AsOf
    clock: Clock
    limited: bool = False
    """Whether what is asked for may only read what was known by its moment."""
    _open: dict[tuple[str, int], RunRow] = field(default_factory=dict)
    _grains: dict[int, str] = field(default_factory=dict)

    def open(self, tx: Transaction, node: Node, ordinal: int) -> RunRow:
        """The run that this partition's steps belong to."""
        key = (self._grain(node), ordinal)
        if key not in self._open:
            as_of = self.as_of(node.partitions, ordinal)
            name = node.partitions.name(ordinal)
            asked = (self.pipeline, key[0], ordinal, name, as_of)
            run = tx.open_run(new_run_id(self.clock), *asked, limited=self.limited)
            if not may_continue(run, as_of, limited=self.limited):
                tx.close_runs([run.run])
                run = tx.open_run(new_run_id(self.clock), *asked, limited=self.limited)
            self._open[key] = run
        return self._open[key]

    def close(self, partitions: Iterable[tuple[Node, int]]) -> list[int]:
        """Forget these; the answer is the row numbers of those that we had open."""
        rows = (self._open.pop((self._grain(node), ordinal), None) for node, ordinal in partitions)
        return [row.run for row in rows if row is not None]

    def _grain(self, node: Node) -> str:
        if node.index not in self._grains:
            self._grains[node.index] = grain_of(node.partitions)
        return self._grains[node.index]


def may_continue(run: RunRow, as_of: float, *, limited: bool) -> bool:
    """Whether it may know just what is asked for: one moment means all that there is, or no more than was known."""
    return run.limited == limited and (run.run_as_of == as_of or not limited)


def grain_of(partitioning: Partitioning) -> str:
    """Steps of one grain share runs."""
    return json.dumps(partitioning.identity(), sort_keys=True)


def new_run_id(clock: Clock) -> str:
    """A UUIDv7: ordered by time, unique without asking anybody."""
    milliseconds = int(clock.now().timestamp() * 1000)
    chance = int.from_bytes(clock.token_bytes(10), "big")
    value = (
        (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | (chance >> 62 & 0xFFF) << 64 | 2 << 62 | chance & (1 << 62) - 1
    )
    return str(UUID(int=value))
