"""What stood beside a failure: its time and rows against the step's usual ones, and what it was to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from recoup.app.bound import Bound
from recoup.engine.causes import Current
from recoup.engine.insight import Insight, StepInsight
from recoup.ledger.facts import NodeId, Published
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import PartitionSet
from recoup.model.relation import Edge, Every, Newest, parents

MOST_INPUTS: Final = 20
"""So many partitions of inputs are looked at; of a long lookback the newest."""
_USUAL_OF: Final = 100
_LAST_TRY: Final = """
SELECT started_at, ended_at, cpu_seconds, peak_memory_bytes FROM attempts
WHERE node = ? AND ordinal = ? AND failure IS NOT NULL ORDER BY token DESC LIMIT 1
"""
_USUAL_ROWS: Final = """
SELECT avg(rows) FROM (SELECT rows FROM publications WHERE node = ? AND state = 'current' AND rows IS NOT NULL
                       ORDER BY ordinal DESC LIMIT ?)
"""

_USUAL_MEMORY: Final = """
SELECT avg(peak_memory_bytes) FROM (SELECT peak_memory_bytes FROM attempts
    WHERE node = ? AND state = 'succeeded' AND peak_memory_bytes IS NOT NULL ORDER BY ordinal DESC LIMIT ?)
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """The newest attempt beside what is usual for its step; None is what nobody knows.

    `rows` are those of its inputs, where recoup published them; `others_failed` and `others_complete` count the step's
    other partitions.
    """

    elapsed_seconds: float | None = None
    usual_seconds: float | None = None
    limit_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    usual_memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    rows: int | None = None
    usual_rows: int | None = None
    others_failed: int = 0
    others_complete: int = 0


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column whose type is another one than before; `was` or `now` None: it was not there, or is not."""

    column: str
    was: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Input:
    """One partition that the newest attempt was to read, as it stands now.

    `changes` are those of its columns since `before`, the run that was shown there until then, or else in the partition
    before it.
    """

    dataset: str
    partition: str
    state: str
    run_id: str | None = None
    rows: int | None = None
    columns: Mapping[str, str] | None = None
    before: str | None = None
    changes: tuple[ColumnChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that is known around the newest failure of a cause."""

    compared: Compared = Compared()
    inputs: tuple[Input, ...] = ()


def circumstances(
    reader: LedgerReader, known: Bound, found: Insight, where: Mapping[int, PartitionSet], newest: Current
) -> Circumstances:
    """Looked up in the ledger, for one failure of those that are alike; no source is asked."""
    look = _Look(reader, known, {step.node.index: step for step in found.steps}, where, newest)
    return Circumstances(look.compared(), tuple(look.inputs()))


@dataclass(frozen=True)
class _Look:
    reader: LedgerReader
    known: Bound
    steps: Mapping[int, StepInsight]
    where: Mapping[int, PartitionSet]
    newest: Current

    @property
    def _node(self) -> Node:
        return self.known.graph.nodes[self.newest.node]

    def compared(self) -> Compared:
        node = self._node
        step = node.step if node.kind is NodeKind.STEP else None
        elapsed, cpu, peak = self._took() if self.newest.run_id else (None, None, None)
        memory = self.reader.query(_USUAL_MEMORY, (self._id(node), _USUAL_OF))[0][0]
        rows, usual_rows = self._rows()
        return Compared(
            elapsed_seconds=elapsed,
            usual_seconds=self.reader.durations().get(self._id(node)),
            limit_seconds=step.timeout_seconds if step else None,
            cpu_seconds=cpu,
            peak_memory_bytes=peak,
            usual_memory_bytes=None if memory is None else round(memory),
            # A run may have had more than the step declares, and then its failure says so.
            memory_limit_bytes=self.newest.failure.evidence.get("memory_limit_bytes", step and step.memory_bytes),
            rows=rows,
            usual_rows=usual_rows,
            others_failed=len(self.where[node.index]) - 1,
            others_complete=len(self.steps[node.index].complete),
        )

    def inputs(self) -> Iterator[Input]:
        """Of what recoup makes; whether a source has it is told by the plan."""
        for edge, parent, span in self._read():
            shown = {one.publication.ordinal: one for one in self.reader.current(self._id(parent), span)}
            for ordinal in span:
                yield self._input(parent, ordinal, shown.get(ordinal), told=edge.is_single or ordinal not in shown)

    def _input(self, parent: Node, ordinal: int, shown: Published | None, *, told: bool) -> Input:
        name = parent.partitions.name(ordinal)
        if shown is None or not shown.publication.columns:
            return Input(parent.name, name, self._state(parent, ordinal, shown), shown.run_id if shown else None)
        columns = shown.publication.columns
        before = self._before(parent, ordinal, shown) if told else None
        changes = tuple(_changes(before.publication.columns, columns)) if before else ()
        last = before.run_id if before else None
        return Input(parent.name, name, "published", shown.run_id, shown.publication.rows, columns, last, changes)

    def _state(self, parent: Node, ordinal: int, shown: Published | None) -> str:
        if shown is not None:
            return "published"
        step = self.steps.get(parent.index)
        if step is None:
            return "missing"
        kind = next((kind for kind, ordinals in step.failed.items() if ordinal in ordinals), None)
        if kind is not None:
            return f"failed({kind})"
        states = {"blocked": step.blocked, "running": step.running, "missing": step.missing}
        return next((state for state, ordinals in states.items() if ordinal in ordinals), "not-expected")

    def _before(self, parent: Node, ordinal: int, shown: Published) -> Published | None:
        """What this partition showed until then; of a first one, what the partition before it shows."""
        node = self._id(parent)
        past = (one for one in self.reader.history(node, ordinal) if one.generation < shown.generation)
        earlier = next((one for one in past if one.publication.columns), None)
        if earlier is not None:
            return earlier
        rank = parent.partitions.rank(ordinal)
        if not parent.partitions.is_time or not rank:
            return None
        return next(iter(self.reader.current(node, range(ordinal - 1, ordinal))), None)

    def _rows(self) -> tuple[int | None, int | None]:
        """How much it was to read, and how much that usually is."""
        rows, usual = 0, 0.0
        for _, parent, span in self._read():
            node = self._id(parent)
            found = [one for one in self.reader.current(node, span) if one.publication.rows is not None]
            mean = self.reader.query(_USUAL_ROWS, (node, _USUAL_OF))[0][0]
            rows += sum(one.publication.rows or 0 for one in found)
            usual += (mean or 0.0) * len(found)
        return (rows, round(usual)) if usual else (None, None)

    def _read(self) -> Iterator[tuple[Edge, Node, range]]:
        """The inputs that recoup publishes; what may be any partition of all is left out."""
        for edge in self._node.edges:
            parent = self.known.graph.nodes[edge.parent]
            if parent.kind is NodeKind.SOURCE or isinstance(edge.relation, Every | Newest):
                continue
            span = parents(edge.relation, self._node.partitions, parent.partitions, self.newest.ordinal)
            yield edge, parent, span[-MOST_INPUTS:]

    def _took(self) -> tuple[float | None, float | None, int | None]:
        """Seconds, seconds of CPU, and the peak of its memory."""
        rows = self.reader.query(_LAST_TRY, (self._id(self._node), self.newest.ordinal))
        began, ended, cpu, peak = rows[0] if rows else (None, None, None, None)
        return None if began is None or ended is None else max(ended - began, 0.0), cpu, peak

    def _id(self, node: Node) -> NodeId:
        return self.known.node_ids[node.index]


def _changes(was: Mapping[str, str], now: Mapping[str, str]) -> Sequence[ColumnChange]:
    """In the order of what it was, then what came."""
    names = [*was, *(name for name in now if name not in was)]
    return [ColumnChange(n, was.get(n), now.get(n)) for n in names if was.get(n) != now.get(n)]
