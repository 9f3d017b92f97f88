"""What a dataset shows now, or showed at some moment, as a lazy frame; no pipeline is imported for it.

What readers see is decided by the pointer; the ledger remembers it. The two can differ only while a publication's
intent is open: the intent is durable before its pointer moves, and closed by the transaction that takes note of it.
So a window is read from the ledger in one query, and only pointers under an open intent are asked, which is exact, and
costs the same for a year as for a day. A single partition's pointer is always asked: that is one read, and finds what
somebody else did to the lake. A pointer that is corrupt or gone is served from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from recoup.app.asof import parse_moment
from recoup.app.datasets import Dataset, dataset, select
from recoup.app.workspace import Workspace
from recoup.lake.pointers import read_pointer
from recoup.lake.stores import open_store
from recoup.lake.view import current_of
from recoup.ledger import planes
from recoup.ledger.facts import Published
from recoup.ledger.reader import LedgerReader
from recoup.ledger.restore import CORRUPT
from recoup.model.errors import CorruptError, PartitionError, UsageError
from recoup.model.manifest import DataFile, Pointer, output_digest
from recoup.model.partition import EMPTY, PartitionSet
from recoup.ports import ObjectStore

if TYPE_CHECKING:
    import polars as pl

_NAMED = 6


@dataclass(frozen=True, slots=True)
class Part:
    """What one partition consists of."""

    partition: str
    run_id: str | None
    files: tuple[DataFile, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which partitions, and when: all of them and now, unless something else is said."""

    partition: str | None = None
    start: str | None = None
    end: str | None = None
    as_of: datetime | str | None = None


def read(workspace: Workspace, name: str, wanted: Wanted) -> pl.LazyFrame:
    """The partitions' rows in their order, with the partition's key as a column unless the data has it.

    UsageError when nothing was published there and then; CorruptError when neither pointer nor ledger can tell.
    """
    from recoup.lake.dtypes import merged, schema_of, text_of
    from recoup.lake.scan import scan

    found, parts = parts_of(workspace, name, wanted)
    files = [file for part in parts for file in part.files]
    if not files and not any(part.columns for part in parts):
        message = f"{name} makes no table: there are no rows to read"
        raise UsageError(message, "read one of the datasets that its pipeline makes as a table")
    columns: Mapping[str, str] | None = None
    if all(part.columns for part in parts):
        try:
            columns = text_of(merged(schema_of(part.columns) for part in parts))
        except (TypeError, ValueError):
            columns = None  # what does not fit together, or is written by another polars, the files tell better
    partition_of = {file.path: part.partition for part in parts for file in part.files}
    return scan(_lake(workspace), files, key=found.key, columns=columns, partition_of=partition_of)


def parts_of(workspace: Workspace, name: str, wanted: Wanted) -> tuple[Dataset, list[Part]]:
    """The dataset, and the files of what it shows or showed; nothing of the data is opened."""
    moment = _moment(wanted.as_of)
    if moment is not None and moment >= workspace.clock.now().timestamp():
        moment = None
    with workspace.reader() as reader:
        reader.query("BEGIN")
        found = dataset(reader, name)
        asked = _asked(reader, found, wanted)
        if moment is None:
            single = wanted.partition is not None
            parts = list(_Now(workspace, reader, found).parts(asked, single=single))
        else:
            parts = [_part(found, row) for row in _then(reader, found, asked, moment)]
        if not parts:
            raise _nothing_there(reader, found, wanted)
    return found, parts


def _asked(reader: LedgerReader, found: Dataset, wanted: Wanted) -> PartitionSet:
    """What was asked for of all that was ever published, or is about to be."""
    own = reader.planes([found.node])[found.node]
    ever = own.get(planes.POINTED, EMPTY)
    ever |= PartitionSet.of(row.publication.ordinal for row in reader.open_intents(found.node))
    if wanted.partition is not None and not (wanted.start or wanted.end):
        # Exactly one, not all that a month covers; and never mind what the ledger knows: its pointer is asked.
        return PartitionSet.of([found.partitions.ordinal(wanted.partition)])
    keys = [] if wanted.partition is None else [wanted.partition]
    return select(found.partitions, ever, keys, wanted.start, wanted.end)


@dataclass(frozen=True, slots=True)
class _Now:
    """What is current, by the ledger's rows and by the pointers that may be ahead of them."""

    workspace: Workspace
    reader: LedgerReader
    found: Dataset

    def parts(self, asked: PartitionSet, *, single: bool) -> Iterator[Part]:
        store = _lake(self.workspace)
        intents: dict[int, list[Published]] = {}
        for row in self.reader.open_intents(self.found.node):
            intents.setdefault(row.publication.ordinal, []).append(row)
        for run in asked.ranges():
            rows = {row.publication.ordinal: row for row in self.reader.current(self.found.node, run)}
            for ordinal in run:
                part = _part(self.found, rows[ordinal]) if ordinal in rows else None
                if single or ordinal in intents:
                    part = self._by_pointer(store, ordinal, part, intents.get(ordinal, []))
                if part is not None:
                    yield part

    def _by_pointer(
        self, store: ObjectStore, ordinal: int, remembered: Part | None, intents: Sequence[Published]
    ) -> Part | None:
        name, partition = self.found.name, self.found.partitions.name(ordinal)
        history = [*intents, *self.reader.history(self.found.node, ordinal)]
        if history and not any(row.publication.nonce for row in history):
            return remembered  # it never had a pointer: a step without a table
        try:
            pointer = read_pointer(store, name, self.found.key, partition)
        except CorruptError as error:
            if any(row.state == "current" and row.publication.reason != CORRUPT for row in history):
                return remembered
            message = (
                f"{name} {partition} cannot be read: {error.message}, and the ledger remembers no generation of it"
            )
            raise CorruptError(message, f"make it again: run its pipeline for {partition}") from error
        if pointer is None:
            return remembered
        known = next((row for row in history if row.publication.nonce == pointer.current.nonce), None)
        if known is not None:
            return _part(self.found, known) if known.publication.run is not None else None
        newest = max((row.publication.token for row in history), default=pointer.current.token)
        if pointer.current.token <= newest and pointer.current.run_id is None:
            return remembered  # a fence, raised against a writer that had vanished: it publishes nothing
        return _unknown_to_ledger(store, self.found, pointer)


def _unknown_to_ledger(store: ObjectStore, found: Dataset, pointer: Pointer) -> Part | None:
    """What another ledger published, or this one after its backup was made: the manifest tells the files."""
    current = current_of(store, found.key, pointer)
    if current is None:
        return None
    if output_digest(current.files) != pointer.current.digest:
        message = (
            f"{found.name} {pointer.partition}: the manifest of run {current.run_id} lists other files than are current"
        )
        raise CorruptError(message, f"make it again: run its pipeline for {pointer.partition}")
    return Part(pointer.partition, current.run_id, current.files, current.columns)


def _then(reader: LedgerReader, found: Dataset, asked: PartitionSet, moment: float) -> Iterable[Published]:
    """What was shown at a moment of the past; refused where it is no longer kept."""
    shown: list[Published] = []
    gone: list[int] = []
    for run in asked.ranges():
        shown += reader.current_at(found.node, run, moment)
        gone += reader.lost_at(found.node, run, moment)
    lost = PartitionSet.of(gone) & asked
    if lost:
        when = datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
        which = ", ".join(found.partitions.ranges_text(lost)[:3])
        message = f"what {found.name} showed at {when} is no longer kept for {which}"
        raise UsageError(message, "ask for a later moment; `recoup publish show` lists what is kept")
    return [row for row in shown if row.publication.run is not None]


def _part(found: Dataset, row: Published) -> Part:
    publication = row.publication
    return Part(found.partitions.name(publication.ordinal), row.run_id, publication.files, publication.columns)


def _lake(workspace: Workspace) -> ObjectStore:
    """Readers may have no right to write."""
    return open_store(workspace.settings.lake, read_only=True)


def _moment(as_of: datetime | str | None) -> float | None:
    if isinstance(as_of, str):
        return parse_moment(as_of, f"as_of={as_of[:80]!r} is no time", "a datetime with a time zone")
    if as_of is None:
        return None
    if as_of.tzinfo is None:
        message = f"as_of={as_of!r} has no time zone"
        raise UsageError(message, "give it one, for example datetime(2024, 1, 15, 10, 30, tzinfo=UTC)")
    return as_of.timestamp()


def _nothing_there(reader: LedgerReader, found: Dataset, wanted: Wanted) -> UsageError:
    there = reader.planes([found.node])[found.node].get(planes.PUBLISHED, EMPTY)
    ranges = found.partitions.ranges_text(there)
    more = len(ranges) - _NAMED
    few = ", ".join(ranges) if more <= 1 else ", ".join(ranges[:_NAMED]) + f", and {more} more ranges"
    what = wanted.partition or ("that window" if wanted.start or wanted.end else "any partition")
    when = f" as of {wanted.as_of}" if wanted.as_of is not None else ""
    message = f"nothing of {found.name} is published for {what}{when}"
    kind = PartitionError if wanted.partition else UsageError
    return kind(message, f"there is now: {few or 'nothing'}")
