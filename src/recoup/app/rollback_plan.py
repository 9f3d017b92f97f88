"""What a rollback would do: for each partition what goes and what comes, or why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from recoup.app.asof import moment_of
from recoup.app.bound import Bound
from recoup.app.datasets import select, undeclared
from recoup.app.rollback_aims import Aims, Candidate, utc
from recoup.app.rollback_backfill import Outputs, published_by
from recoup.app.rollback_moves import Asked, Begun, Move, RollbackPlan, TableChange
from recoup.lake.data_files import present
from recoup.ledger import planes
from recoup.ledger.facts import Published, Token
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import PartitionError, UsageError
from recoup.model.graph import Node, NodeKind
from recoup.model.keys import quoted
from recoup.model.partition import EMPTY, PartitionSet
from recoup.ports import ObjectStore


def plan_rollback(
    reader: LedgerReader, store: ObjectStore, known: Bound, asked: Asked, begun: Begun | None
) -> RollbackPlan:
    """Decide, and change nothing; what was begun is gone on with as it was decided then.

    UsageError when nothing of what was asked for is published.
    """
    return _Planning(reader, store, known, asked, begun).plan()


@dataclass
class _Planning:
    reader: LedgerReader
    store: ObjectStore
    known: Bound
    asked: Asked
    begun: Begun | None
    notes: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    done: dict[int, PartitionSet] = field(default_factory=dict)
    asked_for: int = 0

    def plan(self) -> RollbackPlan:
        moves = self._rest(self.begun) if self.begun else self._fresh()
        moves = [move for move in moves if self._possible(move)]
        refused = self.running + self.gone + self.unknown
        if not moves and not self.begun and not (refused or self.notes):
            raise self._nothing()
        return RollbackPlan(
            moves=tuple(moves),
            begun=self.begun.id if self.begun else "",
            refused=tuple(refused),
            remedy=self._remedy(),
            notes=tuple(self.notes),
            tables=self._tables(moves),
            done=self.done,
        )

    def _fresh(self) -> list[Move]:
        asked = self.asked
        aims = Aims(self.known, named=bool(asked.partitions))
        published = self._published() if asked.backfill else None
        candidates = [one for node in self._nodes() for one in self._candidates(node, published)]
        self.asked_for = len(candidates)
        if published is not None:
            aims.backfill(candidates, published.tokens)
        elif asked.to is None:
            aims.run_before(candidates, whole=asked.dataset is None)
        elif (moment := moment_of(asked.to)) is not None:
            aims.time(candidates, moment)
            self.notes += self._time_note(aims, moment) if candidates else []
        else:
            aims.run(candidates, asked.to)
        self.notes += aims.notes
        self.unknown += aims.refused
        return aims.moves

    @staticmethod
    def _time_note(aims: Aims, moment: float) -> list[str]:
        """Which moment was understood: a time without a zone is UTC, whatever the clock on the wall says."""
        if aims.moves:
            return [f"as it was at {utc(moment)}"]
        return [] if aims.refused else [f"what was asked for shows what it showed at {utc(moment)}"]

    def _published(self) -> Outputs:
        """What the backfill has published; UsageError when that is nothing."""
        assert self.asked.backfill is not None
        found = published_by(self.reader, self.asked.backfill)
        if not found.tokens:
            message = f"the backfill {self.asked.backfill} has published nothing"
            raise UsageError(message, f"`recoup backfill show {self.asked.backfill}` tells what it did")
        return found

    def _remedy(self) -> str:
        if self.running:
            return "let it end, or cancel its backfill, then run the same command again"
        if self.gone:
            return "what is collected cannot come back: make it again with `recoup run`, or go back to another run"
        return "`recoup publish show DATASET PARTITION` lists what it showed; `--to none` takes it out of sight"

    def _rest(self, begun: Begun) -> list[Move]:
        """What a rollback that was begun has left to do: what shows still what it showed then."""
        moves: list[Move] = []
        for node in self.known.graph.nodes:
            node_id, done = self.known.node_ids[node.index], []
            for ordinal, goes, comes in begun.decided.get(node.name, ()):
                assert ordinal is not None
                rows = self.reader.history(node_id, ordinal)
                by_token = {row.publication.token: row for row in rows}
                current = next((row for row in rows if row.state == "current"), None)
                partition = node.partitions.name(ordinal)
                if current and current.publication.token == goes:
                    after = None if comes is None else by_token[Token(comes)]
                    moves.append(Move(node.index, node.name, ordinal, partition, current, after))
                elif current and current.publication.reason == begun.id:
                    done.append(ordinal)
                else:
                    self.notes.append(f"{node.name} {partition} was published again since, and stays so")
            self.done[node.index] = PartitionSet.of(done)
        return moves

    def _nodes(self) -> list[Node]:
        if self.asked.dataset is None:
            return [node for node in self.known.graph.nodes if node.kind is NodeKind.STEP]
        node = self.known.graph.node(self.asked.dataset)
        if node.kind is not NodeKind.STEP:
            message = f"{node.name} is not a step: what it shows follows from the step that it reads"
            raise UsageError(message, f"roll back {node.step.name if node.step else 'the step'} instead")
        return [node]

    def _candidates(self, node: Node, published: Outputs | None) -> Iterator[Candidate]:
        """What shows, or showed, anything of what was asked for."""
        node_id = self.known.node_ids[node.index]
        there = self.reader.planes([node_id])[node_id].get(planes.POINTED, EMPTY)
        if published is not None:
            there &= published.of(node_id)
        for run in self._selected(node, there).ranges():
            for history in _by_ordinal(self.reader.histories(node_id, run)):
                if any(row.state == "current" for row in history):
                    yield Candidate(node, history)

    def _selected(self, node: Node, there: PartitionSet) -> PartitionSet:
        asked = self.asked
        try:
            return select(undeclared(node.partitions), there, asked.partitions, asked.start, asked.end)
        except PartitionError:
            if asked.dataset is not None or node.partitions.identity() == self.known.graph.anchor.identity():
                raise
            self.notes.append(f"{node.name} stays as it is: its partitions are {node.partitions.grain}")
            return EMPTY

    def _possible(self, move: Move) -> bool:
        where = f"{move.dataset} {move.partition}"
        if self.reader.running(self.known.node_ids[move.node], move.ordinal):
            self.running.append(f"{where} is running")
            return False
        if move.after is not None and not self._has_files(move):
            self.gone.append(f"{where}: the files of run {move.after.run_id} are gone")
            return False
        return True

    def _has_files(self, move: Move) -> bool:
        assert move.after is not None
        if move.after.state == "collected":
            return False
        paths = [file.path for file in move.after.publication.files]
        return not set(paths) - present(self.store, paths)

    def _tables(self, moves: Iterable[Move]) -> dict[str, TableChange]:
        changes: dict[str, TableChange] = {}
        for move in moves:
            for reader, _ in self.known.graph.readers[move.node]:
                node = self.known.graph.nodes[reader]
                if node.kind is NodeKind.DELIVERY:
                    change = TableChange(1, self._held(node, move.ordinal), _rows(move.after))
                    changes[node.name] = changes[node.name] + change if node.name in changes else change
        return changes

    def _held(self, delivery: Node, ordinal: int) -> int:
        """The rows that a table has of a partition, by its last delivery."""
        node_id = self.known.node_ids[delivery.index]
        return sum(_rows(row) for row in self.reader.current(node_id, range(ordinal, ordinal + 1)))

    def _nothing(self) -> UsageError:
        what = self.asked.dataset or self.known.pipeline.name
        if self.asked.to is not None and self.asked_for:
            message = f"no partition of {what} that was asked for can go back to run {quoted(self.asked.to)}"
            return UsageError(message, "`recoup publish show DATASET PARTITION` lists the runs of a partition")
        message = f"nothing of {what} that was asked for is published"
        return UsageError(message, f"`recoup publish ls {what}` shows what is")


def _rows(shown: Published | None) -> int:
    return shown.publication.rows or 0 if shown else 0


def _by_ordinal(rows: Iterable[Published]) -> Iterator[list[Published]]:
    together: list[Published] = []
    for row in rows:
        if together and together[0].publication.ordinal != row.publication.ordinal:
            yield together
            together = []
        together.append(row)
    if together:
        yield together
