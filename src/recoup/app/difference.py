"""The verb `publish diff`: rows, columns and digests between two generations of a partition.

`difference(workspace, dataset, partition, older, newer) -> Difference`; without generations the current one and the one
before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recoup.app.datasets import Dataset
from recoup.app.publications import Shown, shown_of
from recoup.app.targets import shown_datasets
from recoup.app.workspace import Workspace
from recoup.lake.stores import open_store
from recoup.ledger.facts import Published
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import RecoupError, UsageError
from recoup.model.keys import quoted

if TYPE_CHECKING:
    import polars as pl

    from recoup.lake.compare import Columns, Rows

SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """Two generations of a partition, and what is different in the newer one."""

    dataset: str
    partition: str
    older: Shown
    newer: Shown
    columns: Columns
    rows: Rows

    @property
    def same(self) -> bool:
        """Byte for byte."""
        return self.older.digest == self.newer.digest


def difference(
    workspace: Workspace, target: str, partition: str, older: int | None = None, newer: int | None = None
) -> Difference:
    """Compare them; UsageError when one of them is not known, or its files were collected."""
    from recoup.lake.compare import compare_columns, compare_rows

    with workspace.reader() as reader:
        found = _dataset(workspace, reader, target)
        history = reader.history(found.node, found.partitions.ordinal(partition))
    first, second = _chosen(found, partition, history, older, newer)
    old, new = (_frame(workspace, found, partition, row) for row in (first, second))
    columns = compare_columns(old.collect_schema(), new.collect_schema())
    rows = compare_rows(old, new, columns.common, _key(workspace, found), SAMPLE)
    return Difference(found.name, partition, shown_of(found, first), shown_of(found, second), columns, rows)


def _dataset(workspace: Workspace, reader: LedgerReader, target: str) -> Dataset:
    found = shown_datasets(workspace, reader, target)
    if len(found) != 1:
        message = f"{quoted(target)} is a pipeline; a difference is that of one dataset"
        raise UsageError(message, f"name one of {', '.join(d.name for d in found if d.kind == 'step')}")
    if found[0].kind != "step":
        message = f"{found[0].name} is a table: it follows what its step shows"
        raise UsageError(message, f"compare {found[0].name.partition('@')[0]} instead")
    return found[0]


def _chosen(
    found: Dataset, partition: str, history: Sequence[Published], older: int | None, newer: int | None
) -> tuple[Published, Published]:
    """Two generations by number; the current one, and the one before the newer one, where none is named."""
    by_number = {row.generation: row for row in history}
    where = f"{found.name} {partition}"
    remedy = f"`recoup publish show {found.name} {partition}` lists its generations"
    if not by_number:
        raise UsageError(f"{where} was never published", f"`recoup publish ls {found.name}` shows what was")
    second = newer if newer is not None else max(by_number)
    first = older if older is not None else max((n for n in by_number if n < second), default=None)
    if first is None:
        raise UsageError(f"{where} has no generation before {second}", remedy)
    for number in (first, second):
        if number not in by_number:
            raise UsageError(f"{where} has no generation {number}", remedy)
        if by_number[number].state == "collected":
            message = f"the files of generation {number} of {where} are gone: `lake gc` has collected them"
            raise UsageError(message, remedy)
    return by_number[first], by_number[second]


def _frame(workspace: Workspace, found: Dataset, partition: str, row: Published) -> pl.LazyFrame:
    """Its rows; none where the partition showed nothing."""
    from recoup.lake.scan import scan

    publication = row.publication
    if publication.run is not None and not publication.files and not publication.columns:
        message = f"{found.name} makes no table: there are no rows to compare"
        raise UsageError(message, f"`recoup publish show {found.name} {partition}` tells what there is")
    store = open_store(workspace.settings.lake, read_only=True)
    return scan(store, publication.files, columns=publication.columns)


def _key(workspace: Workspace, found: Dataset) -> tuple[str, ...]:
    """The columns that tell rows apart, as the step's sink declares them; none where the pipeline is not at hand."""
    try:
        pipeline = workspace.pipeline(found.pipeline)[0]
    except RecoupError:
        return ()
    step = pipeline.steps.get(found.name)
    declared: Any = getattr(step.sink, "key", ()) if step and step.sink else ()
    # The partition's own column is the same in all rows, and may be the table's alone.
    return tuple(name for name in declared if name not in found.key.split("/"))
