"""What a rollback would do: for each partition what goes and what comes, or why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from recoup.app.bound import Bound
from recoup.app.datasets import select, undeclared
from recoup.app.rollback_moves import NONE, Asked, Begun, Move, RollbackPlan, run_before
from recoup.lake.data_files import present
from recoup.ledger import planes
from recoup.ledger.facts import Published, Token
from recoup.ledger.reader import LedgerReader
from recoup.ledger.staleness import ROLLBACK
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


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One partition of one step with all that it ever showed, newest first."""

    node: Node
    history: Sequence[Published]

    @property
    def ordinal(self) -> int:
        return self.history[0].publication.ordinal

    @property
    def current(self) -> Published:
        return next(row for row in self.history if row.state == "current")

    @property
    def newest_made(self) -> Published:
        """The newest output that a run made, whether it is shown or was taken back."""
        made = (row for row in self.history if not row.publication.reason.startswith(ROLLBACK))
        return next(made, self.history[-1])


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
    done: dict[int, PartitionSet] = field(default_factory=dict)
    asked_for: int = 0

    def plan(self) -> RollbackPlan:
        moves = self._rest(self.begun) if self.begun else self._fresh()
        moves = [move for move in moves if self._possible(move)]
        if not moves and not self.begun and not (self.running or self.gone or self.notes):
            raise self._nothing()
        remedy = "let it end, or cancel its backfill, then run the same command again"
        if not self.running:
            remedy = "what is collected cannot come back: make it again with `recoup run`, or go back to another run"
        return RollbackPlan(
            moves=tuple(moves),
            begun=self.begun.id if self.begun else "",
            refused=tuple(self.running + self.gone),
            remedy=remedy,
            notes=tuple(self.notes),
            tables=self._tables(moves),
            done=self.done,
        )

    def _fresh(self) -> list[Move]:
        candidates = [candidate for node in self._nodes() for candidate in self._candidates(node)]
        self.asked_for = len(candidates)
        if self.asked.to is not None:
            moves = (self._move_to(candidate, self.asked.to) for candidate in candidates)
            return [move for move in moves if move is not None]
        newest = _newest_runs(self.known, candidates, whole=self.asked.dataset is None)
        moves_back: list[Move] = []
        already: list[_Candidate] = []
        first: list[_Candidate] = []
        for candidate, run in zip(candidates, newest, strict=True):
            if run is not None and candidate.current.publication.run == run:
                before = run_before(candidate.history)
                # Only who named a partition meant that one: of a window, most may have been made once and be right.
                if before is None and not self.asked.partitions:
                    first.append(candidate)
                else:
                    moves_back.append(self._move(candidate, before))
            elif candidate.newest_made.publication.run == run:
                already.append(candidate)
        self._note(first, "no earlier run, so left alone; `--to none` takes them out of sight")
        self._note(already, "the newest run has been taken back already; --to goes further")
        return moves_back

    def _note(self, candidates: Sequence[_Candidate], why: str) -> None:
        """Say by step why some stay as they are."""
        ordinals: dict[int, list[int]] = {}
        for candidate in candidates:
            ordinals.setdefault(candidate.node.index, []).append(candidate.ordinal)
        for index, stay in ordinals.items():
            node = self.known.graph.nodes[index]
            ranges = ", ".join(node.partitions.ranges_text(PartitionSet.of(stay)))
            self.notes.append(f"{node.name} {ranges}: {why}")

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

    def _candidates(self, node: Node) -> Iterator[_Candidate]:
        """What shows, or showed, anything of what was asked for."""
        node_id = self.known.node_ids[node.index]
        there = self.reader.planes([node_id])[node_id].get(planes.POINTED, EMPTY)
        for run in self._selected(node, there).ranges():
            for history in _by_ordinal(self.reader.histories(node_id, run)):
                if any(row.state == "current" for row in history):
                    yield _Candidate(node, history)

    def _selected(self, node: Node, there: PartitionSet) -> PartitionSet:
        asked = self.asked
        try:
            return select(undeclared(node.partitions), there, asked.partitions, asked.start, asked.end)
        except PartitionError:
            if asked.dataset is not None or node.partitions.identity() == self.known.graph.anchor.identity():
                raise
            self.notes.append(f"{node.name} stays as it is: its partitions are {node.partitions.grain}")
            return EMPTY

    def _move_to(self, candidate: _Candidate, to: str) -> Move | None:
        """To the newest output of that run, forward too; None where it shows that already, or never did."""
        current = candidate.current.publication
        after = next((row for row in candidate.history if row.run_id == to), None)
        if (after is None and to != NONE) or (after and after.publication.run) == current.run:
            return None
        return self._move(candidate, after)

    def _move(self, candidate: _Candidate, after: Published | None) -> Move:
        node, current = candidate.node, candidate.current
        ordinal = current.publication.ordinal
        return Move(node.index, node.name, ordinal, node.partitions.name(ordinal), current, after)

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

    def _tables(self, moves: Iterable[Move]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for move in moves:
            for reader, _ in self.known.graph.readers[move.node]:
                node = self.known.graph.nodes[reader]
                if node.kind is NodeKind.DELIVERY:
                    counts[node.name] = counts.get(node.name, 0) + 1
        return counts

    def _nothing(self) -> UsageError:
        what = self.asked.dataset or self.known.pipeline.name
        if self.asked.to is not None and self.asked_for:
            message = f"no partition of {what} that was asked for can go back to run {quoted(self.asked.to)}"
            return UsageError(message, "`recoup publish show DATASET PARTITION` lists the runs of a partition")
        message = f"nothing of {what} that was asked for is published"
        return UsageError(message, f"`recoup publish ls {what}` shows what is")


def _newest_runs(known: Bound, candidates: Sequence[_Candidate], *, whole: bool) -> list[int | None]:
    """For each the run that is to be taken back: its newest one, and of a whole pipeline the newest of them all.

    What that run did not touch stays as it is. Taken back is what was made, not what is shown: so a command that was
    carried out already takes nothing back a second time.
    """
    newest: dict[tuple[str, int], Published] = {}
    keys = [_run_key(known, candidate.node, candidate.ordinal, whole=whole) for candidate in candidates]
    for key, candidate in zip(keys, candidates, strict=True):
        made = candidate.newest_made
        if key not in newest or newest[key].publication.token < made.publication.token:
            newest[key] = made
    return [newest[key].publication.run for key in keys]


def _run_key(known: Bound, node: Node, ordinal: int, *, whole: bool) -> tuple[str, int]:
    """Steps of one partitioning share their runs."""
    grain = known.graph.nodes[node.index].partitions.identity()
    return (str(sorted(grain.items())) if whole else node.name), ordinal


def _by_ordinal(rows: Iterable[Published]) -> Iterator[list[Published]]:
    together: list[Published] = []
    for row in rows:
        if together and together[0].publication.ordinal != row.publication.ordinal:
            yield together
            together = []
        together.append(row)
    if together:
        yield together
