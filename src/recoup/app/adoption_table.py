"""`lake adopt --table`: rows that stand in a database already, read by partition, kept in the lake as files of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from recoup.app.adoption import Adoption, Chosen, Control, controlled, step_of
from recoup.app.plugins import open_table
from recoup.app.prepare import Prepared
from recoup.app.workspace import Workspace
from recoup.engine.adopter import Result
from recoup.engine.inflight import Inflight
from recoup.lake.folders_below import batched
from recoup.model.errors import PartitionError, UsageError
from recoup.model.graph import Node
from recoup.model.grid import Grid
from recoup.model.keys import quoted
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.model.sql import ordinals_of
from recoup.ports import Table

AT_ONCE = 32
"""How many partitions are claimed together, then read one by one, then published together."""
_NAMED = 20


@dataclass(slots=True)
class Slice:
    """The rows of one partition: from which value of the column to which, and how many."""

    first: Any
    last: Any
    rows: int


def adopt_table(
    workspace: Workspace, pipeline: str | Pipeline, step: str, table: str, column: str, *, yes: bool = False
) -> Adoption:
    """Read `connection:table`, or `connection:schema.table`, by the column that holds the partition.

    UsageError when the table has no rows that belong anywhere.
    """
    connection, _, name = table.rpartition(":")
    if not connection or not name or not name.rpartition(".")[2]:
        message = f"--table {quoted(table)} does not name a connection and a table"
        raise UsageError(message, "write connection:schema.table; connections stand in recoup.toml")
    with (
        closing(open_table(workspace.settings, connection, name, column)) as rows,
        workspace.ledger_for(pipeline) as ledger,
    ):
        if not yes:
            prepared = workspace.prepared(ledger, pipeline)
            return _found(rows, prepared, step_of(prepared, step), table).report(done=False)
        with controlled(workspace, ledger, pipeline) as control:
            found = _found(rows, control.prepared, step_of(control.prepared, step), table)
            return _Adopting(control, rows, found).carry_out()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a table holds, by ordinal."""

    chosen: Chosen
    slices: Mapping[int, Slice]
    strangers: tuple[str, ...]

    def report(self, *, done: bool, running: PartitionSet = EMPTY) -> Adoption:
        rows = sum(self.slices[ordinal].rows for ordinal in self.chosen.wanted - running)
        return self.chosen.report(self.strangers, files=0, rows=rows, size_bytes=0, done=done, running=running)


def _found(table: Table, prepared: Prepared, node: Node, name: str) -> _Found:
    """Which partitions have rows; values that name none are strangers."""
    if isinstance(node.partitions, Grid):
        message = f"{node.name} has a grid of partitions, which one column of a table cannot name"
        raise UsageError(message, "write the table as Parquet files, and adopt those with --files")
    slices: dict[int, Slice] = {}
    strangers = []
    for value, count in table.counts():
        try:
            ordinals = ordinals_of(node.partitions, value)
        except PartitionError:
            ordinals = range(0)
        if len(ordinals) != 1:
            strangers.append(f"{'NULL' if value is None else value} ({count:,} {'row' if count == 1 else 'rows'})")
            continue
        found = slices.setdefault(ordinals.start, Slice(value, value, 0))
        found.last, found.rows = value, found.rows + count
    if not slices and not strangers:
        raise UsageError(f"{name} has no rows", "name the table that holds the history")
    if more := len(strangers) - _NAMED:
        strangers = [*strangers[:_NAMED], f"{more:,} more values"] if more > 0 else strangers
    return _Found(Chosen.of(prepared, node, PartitionSet.of(slices)), slices, tuple(strangers))


@dataclass
class _Adopting:
    control: Control
    table: Table
    found: _Found
    running: list[int] = field(default_factory=list)

    def carry_out(self) -> Adoption:
        """Claim some, read them one by one, publish them."""
        adopter = self.control.adopter(self.found.chosen.node)
        now = self.control.ledger.clock.now().timestamp()
        for batch in batched(self.found.chosen.wanted, AT_ONCE):
            claimed = adopter.claim(dict.fromkeys(batch, now))
            self.running += set(batch) - {inflight.claimed.claim.ordinal for inflight in claimed}
            try:
                made = list(self._staged(claimed))
            except BaseException:
                adopter.give_back(claimed)
                raise
            adopter.publish(made)
        report = self.found.report(done=True, running=PartitionSet.of(self.running))
        self.control.note(report)
        return report

    def _staged(self, claimed: Sequence[Inflight]) -> Iterator[tuple[Inflight, Result]]:
        for inflight in claimed:
            yield inflight, self._stage(inflight)
            self.control.renew()

    def _stage(self, inflight: Inflight) -> Result:
        """As if a step had returned these rows."""
        from recoup.lake.staging import stage

        clock, claim, node = self.control.ledger.clock, inflight.claimed.claim, inflight.node
        started = clock.now().timestamp()
        own = self.found.slices[claim.ordinal]
        staged = stage(
            self.control.store,
            self.table.between(own.first, own.last),
            dataset=node.name,
            key=node.partitions.key,
            partition=inflight.partition,
            run_id=claim.run.run_id,
            attempt=inflight.claimed.number,
            nonce=inflight.nonce,
            sync=True,
        )
        files = [[f.path, f.rows, f.size_bytes, f.digest] for f in staged.files]
        ended = clock.now().timestamp()
        return {"files": files, "columns": staged.columns, "rows": staged.rows, "started": started, "ended": ended}
