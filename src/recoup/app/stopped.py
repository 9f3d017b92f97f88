"""Where a backfill was stopped: its last success, what was in flight when somebody asked, and what remains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from recoup.app.prepare import Planned
from recoup.app.standing import iso
from recoup.ledger.planes import PUBLISHED, WAIVED
from recoup.ledger.reader import LedgerReader
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.plan import Verb

_ATTEMPT: Final = (
    "SELECT n.name, r.partition, a.state, a.ended_at FROM attempts a JOIN nodes n USING (node) JOIN runs r USING (run)"
    " WHERE a.backfill = ? AND "
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, and how it ended."""

    step: str
    partition: str
    state: str
    at: float

    def to_json(self) -> dict[str, Any]:
        """For the history, and for programs."""
        return {"step": self.step, "partition": self.partition, "state": self.state, "at": iso(self.at)}


@dataclass(frozen=True, slots=True)
class Stopped:
    """`remaining` counts partitions of the pipeline, `ranges` names them."""

    last_success: Tried | None
    in_flight: tuple[Tried, ...]
    remaining: int
    ranges: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For the history, and for programs."""
        last = self.last_success
        return {
            "last_success": last.to_json() if last else None,
            "in_flight": [one.to_json() for one in self.in_flight],
            "remaining": self.remaining,
            "ranges": list(self.ranges),
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """Three words with what there is to say of each."""
        last = self.last_success
        yield "last success", f"{last.step} {last.partition}, {iso(last.at)}" if last else "none"
        flying = ", ".join(f"{one.step} {one.partition} ({one.state})" for one in self.in_flight)
        yield "in flight", flying or "nothing"
        yield "remaining", f"{self.remaining}: {', '.join(self.ranges)}" if self.ranges else "nothing"


def where_it_stopped(reader: LedgerReader, planned: Planned, backfill: int, asked_at: float) -> Stopped:
    """As the ledger holds it now; in flight is what had been begun by then and had not ended."""
    last = _tried(reader, "a.state = 'succeeded' ORDER BY a.ended_at DESC, a.token DESC LIMIT 1", backfill)
    flying = _tried(
        reader,
        "a.claimed_at <= ? AND a.ended_at >= ? AND a.state <> 'released' ORDER BY a.token",
        backfill,
        asked_at,
        asked_at,
    )
    left = _left(reader, planned)
    anchor = planned.prepared.graph.anchor
    return Stopped(last[0] if last else None, tuple(flying), len(left), tuple(anchor.ranges_text(left)))


def _tried(reader: LedgerReader, where: str, *values: float) -> list[Tried]:
    return [Tried(*row) for row in reader.query(_ATTEMPT + where, values)]


def _left(reader: LedgerReader, planned: Planned) -> PartitionSet:
    """The pipeline's own partitions of which some step was to be run, and was not."""
    prepared, left = planned.prepared, EMPTY
    now = reader.planes(prepared.node_ids)
    for node in prepared.graph.nodes:
        if node.partitions.identity() == prepared.graph.anchor.identity():
            facts = now[prepared.node_ids[node.index]]
            done = facts.get(PUBLISHED, EMPTY) | facts.get(WAIVED, EMPTY)
            left |= planned.plan.of(node.index, Verb.RUN) - done
    return left
