"""Where each partition goes back to: to the run before, to a run, to a time, or to what was before a backfill."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from recoup.app.bound import Bound
from recoup.app.rollback_history import made_by, run_before, shown_at, shown_without
from recoup.app.rollback_moves import NONE, Move
from recoup.ledger.facts import Published
from recoup.ledger.staleness import ROLLBACK
from recoup.model.graph import Node
from recoup.model.partition import PartitionSet


@dataclass(frozen=True, slots=True)
class Candidate:
    """One partition of one step with all that it ever showed, newest first."""

    node: Node
    history: Sequence[Published]

    @property
    def ordinal(self) -> int:
        """Which partition it is."""
        return self.history[0].publication.ordinal

    @property
    def name(self) -> str:
        """Step and partition."""
        return f"{self.node.name} {self.node.partitions.name(self.ordinal)}"

    @property
    def current(self) -> Published:
        """What it shows, perhaps nothing."""
        return next(row for row in self.history if row.state == "current")

    @property
    def newest_made(self) -> Published:
        """The newest output that a run made, whether it is shown or was taken back."""
        made = (row for row in self.history if not row.publication.reason.startswith(ROLLBACK))
        return next(made, self.history[-1])


@dataclass
class Aims:
    """The moves that were decided on, what stays as it is and why, and why it cannot be, if so."""

    known: Bound
    named: bool
    """Whether somebody named the partitions; of a window, most may be right as they are."""
    moves: list[Move] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def run_before(self, candidates: Sequence[Candidate], *, whole: bool) -> None:
        """Of each what its newest run made goes, of a whole pipeline what the newest of them all made."""
        already: list[Candidate] = []
        first: list[Candidate] = []
        newest = _newest_runs(self.known, candidates, whole=whole)
        for candidate, run in zip(candidates, newest, strict=True):
            if run is not None and candidate.current.publication.run == run:
                before = run_before(candidate.history)
                if before is None and not self.named:
                    first.append(candidate)
                else:
                    self._go(candidate, before)
            elif candidate.newest_made.publication.run == run:
                already.append(candidate)
        self._stay(first, "no earlier run, so left alone; `--to none` takes them out of sight")
        self._stay(already, "the newest run has been taken back already; --to goes further")

    def run(self, candidates: Sequence[Candidate], run_id: str) -> None:
        """To the newest output of that run, forward too; those that never showed it are not meant."""
        for candidate in candidates:
            after = next((row for row in candidate.history if row.run_id == run_id), None)
            if after is None and run_id != NONE:
                continue
            if (after and after.publication.run) != candidate.current.publication.run:
                self._go(candidate, after)

    def time(self, candidates: Sequence[Candidate], moment: float) -> None:
        """To what was shown then: forward too, and to nothing where a rollback had just taken it away."""
        early: list[Candidate] = []
        for candidate in candidates:
            then, oldest = shown_at(candidate.history, moment), candidate.history[-1]
            if then is None and oldest.generation > 1:
                since = f"its history is known since {utc(oldest.published_at)} only"
                self.refused.append(f"{candidate.name} at {utc(moment)}: {since}")
            elif then is None:
                early.append(candidate)
            elif _output(then) != _output(candidate.current):
                self._go(candidate, None if then.publication.run is None else then)
        if self.named or len(early) == len(candidates):
            # Cut to the second above: who types it finds it there.
            first = [utc(math.ceil(candidate.history[-1].published_at)) for candidate in early]
            self.refused += [
                f"{candidate.name} at {utc(moment)}: it was first published at {at}"
                for candidate, at in zip(early, first, strict=True)
            ]
        else:
            self._stay(
                early, f"first published after {utc(moment)}, so left alone; `--to none` takes them out of sight"
            )

    def backfill(self, candidates: Sequence[Candidate], tokens: Collection[int]) -> None:
        """What these publications show goes, and what was before them comes; nothing where nothing was."""
        again: list[Candidate] = []
        already: list[Candidate] = []
        for candidate in candidates:
            made = made_by(candidate.history)
            if made is not None and made.publication.token in tokens:
                self._go(candidate, shown_without(candidate.history, tokens))
            elif candidate.newest_made.publication.token in tokens:
                already.append(candidate)
            else:
                again.append(candidate)
        self._stay(again, "published again since by another, so left alone")
        self._stay(already, "what the backfill published has been taken back already")

    def _go(self, candidate: Candidate, after: Published | None) -> None:
        node, ordinal = candidate.node, candidate.ordinal
        name = node.partitions.name(ordinal)
        self.moves.append(Move(node.index, node.name, ordinal, name, candidate.current, after))

    def _stay(self, candidates: Sequence[Candidate], why: str) -> None:
        """Say by step why some stay as they are."""
        ordinals: dict[int, list[int]] = {}
        for candidate in candidates:
            ordinals.setdefault(candidate.node.index, []).append(candidate.ordinal)
        for index, stay in ordinals.items():
            node = self.known.graph.nodes[index]
            ranges = ", ".join(node.partitions.ranges_text(PartitionSet.of(stay)))
            self.notes.append(f"{node.name} {ranges}: {why}")


def utc(moment: float) -> str:
    """As people write it, to the second; cut, so that it is never later than it was."""
    return datetime.fromtimestamp(int(moment), UTC).isoformat().replace("+00:00", "Z")


def _output(row: Published) -> tuple[object, ...]:
    """Equal for what shows the same; one run may have published a partition twice."""
    return row.publication.run, row.publication.digest, row.publication.files


def _newest_runs(known: Bound, candidates: Sequence[Candidate], *, whole: bool) -> list[int | None]:
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
