"""What a rollback is made of: the words of the command, and the moves that it decides on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from recoup.ledger.facts import Published
from recoup.model.partition import EMPTY, PartitionSet

NONE = "none"
"""The run to go back to when a partition shall show nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of the command: one dataset or all, which partitions, and to which run or time; None: the run before.

    With the id of a `backfill`: what that one published, back to what was before it.
    """

    dataset: str | None
    partitions: tuple[str, ...]
    start: str | None
    end: str | None
    to: str | None
    backfill: str | None = None

    def words(self) -> list[object]:
        """Fit for JSON."""
        usual: list[object] = [self.dataset, list(self.partitions), self.start, self.end, self.to]
        return usual if self.backfill is None else [*usual, self.backfill]


@dataclass(frozen=True, slots=True)
class Move:
    """One partition of one dataset: what it shows, and what it will show; `after` None: nothing."""

    node: int
    dataset: str
    ordinal: int
    partition: str
    before: Published
    after: Published | None

    @property
    def sentence(self) -> str:
        """`run 01a1… (3 rows) → run 019f… (2 rows)`."""
        return f"{_told(self.before)} → {_told(self.after)}"


@dataclass(frozen=True, slots=True)
class TableChange:
    """What follows in one table: partitions that are delivered again, the rows that go and the rows that come."""

    partitions: int
    rows_go: int
    rows_come: int

    def __add__(self, other: TableChange) -> TableChange:
        """Both together."""
        return TableChange(
            self.partitions + other.partitions, self.rows_go + other.rows_go, self.rows_come + other.rows_come
        )


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """All moves, upstream first. `begun` is the id of a rollback that is gone on with; `refused` says why not, if so.

    `tables` names the deliveries that will follow; `done` holds, by node, what the rollback that is gone on with has
    moved already.
    """

    moves: tuple[Move, ...]
    begun: str
    refused: tuple[str, ...]
    remedy: str
    notes: tuple[str, ...]
    tables: dict[str, TableChange]
    done: dict[int, PartitionSet] = field(default_factory=dict)

    def moved_before(self, node: int) -> PartitionSet:
        """What the rollback that is gone on with has moved of a node."""
        return self.done.get(node, EMPTY)

    def by_dataset(self) -> dict[str, list[Move]]:
        """The moves of each dataset, in order."""
        found: dict[str, list[Move]] = {}
        for move in self.moves:
            found.setdefault(move.dataset, []).append(move)
        return found


@dataclass(frozen=True, slots=True)
class Begun:
    """A rollback that was begun and has not ended: its id, and what it decided (see `decided`)."""

    id: str
    decided: Mapping[str, list[list[int | None]]]


def decided(moves: Iterable[Move]) -> dict[str, list[list[int | None]]]:
    """The moves as JSON: by dataset the ordinal, the token that goes and the token whose output comes."""
    found: dict[str, list[list[int | None]]] = {}
    for move in moves:
        after = move.after.publication.token if move.after else None
        found.setdefault(move.dataset, []).append([move.ordinal, move.before.publication.token, after])
    return found


def _told(shown: Published | None) -> str:
    if shown is None or shown.publication.run is None:
        return "nothing"
    count = shown.publication.rows
    rows = "" if count is None else f" ({count:,} {'row' if count == 1 else 'rows'})"
    return f"run {shown.run_id}{rows}"
