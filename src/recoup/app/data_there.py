"""Whether what is published is really there: pointers, files and tables, whatever the ledger claims.

What was published says how many rows to expect; whether they are there, the data itself is asked. A file is asked by
its footer, a table by one query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

from recoup.app.gaps import GapKind, Gathered
from recoup.app.plugins import open_sink
from recoup.app.table_rows import EMPTY_ONES, Filled, rows_due, spans
from recoup.app.workspace import Workspace
from recoup.lake.manifests import read_manifest
from recoup.lake.pointers import read_pointer
from recoup.lake.soundness import absent, unreadable
from recoup.ledger import planes
from recoup.ledger.facts import NodeId, Published
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import ConflictError, RecoupError, UnreachableError
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.manifest import DataFile
from recoup.model.partition import CHUNK_BITS, EMPTY, PartitionSet
from recoup.ports import ObjectStore

THREADS: Final = 16
"""A look waits for the network, or for the disk: several at once take half the time even where all is in memory."""
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class DataThere:
    """Looks at what some partitions of a pipeline's steps and tables show; `gathered` is what was not there.

    What is `trusted`, by the node's index, this process has just published. Of the rest, the end of a run looks at no
    more than so many files (`at_most`), and only whether they are there; `unopened` counts those that it left out.
    """

    workspace: Workspace
    reader: LedgerReader
    store: ObjectStore
    graph: Graph
    node_ids: Sequence[NodeId]
    trusted: Mapping[int, PartitionSet] = field(default_factory=dict)
    at_most: int | None = None
    gathered: Gathered = field(default_factory=Gathered)
    unopened: int = 0

    def look(self, node: Node, wanted: PartitionSet) -> None:
        """At these partitions of a step, or of the table that it fills."""
        if node.kind is NodeKind.STEP:
            self._look_at_files(node, wanted)
        elif node.kind is NodeKind.DELIVERY:
            self._look_at_table(node, wanted)

    # --- files

    def _look_at_files(self, node: Node, wanted: PartitionSet) -> None:
        published = self._planes(node).get(planes.PUBLISHED, EMPTY) & wanted
        self.gathered.add(node, GapKind.NOT_PUBLISHED, wanted - published, "not published")
        if node.step is None or not node.step.may_be_empty:
            empty = rows_due(self.reader, self.node_ids[node.index], published, EMPTY_ONES)
            self.gathered.add(node, GapKind.EMPTY, empty, "published without a row")
        self._look_at_each(node, published - self.trusted.get(node.index, EMPTY))

    def _look_at_each(self, node: Node, ordinals: PartitionSet) -> None:
        """Where nobody answers, or nobody may look, the first one tells it for all: each would wait as long."""
        try:
            for ordinal, what in self._wrong(node, ordinals):
                self.gathered.add(node, GapKind.UNREADABLE, [ordinal], what)
        except UnreachableError as error:
            self._unasked(node, ordinals, error)

    def _planes(self, node: Node) -> Mapping[str, PartitionSet]:
        node_id = self.node_ids[node.index]
        return self.reader.planes([node_id])[node_id]

    def _wrong(self, node: Node, ordinals: PartitionSet) -> Iterator[tuple[int, str]]:
        if self.at_most is None:
            yield from self._each(self._tables(node, ordinals), lambda row: self._unreadable(node, row))
        elif len(ordinals) <= self.at_most:
            self.at_most -= len(ordinals)
            yield from self._each(self._tables(node, ordinals), self._absent)
        elif any(self._tables(node, PartitionSet.of([ordinals.last or 0]))):  # steps without a table have no files
            self.unopened += len(ordinals)

    def _tables(self, node: Node, ordinals: PartitionSet) -> Iterator[Published]:
        return (row for row in self.published(node, ordinals) if row.publication.rows is not None)

    def published(self, node: Node, ordinals: PartitionSet) -> Iterator[Published]:
        """What is current of these, a few thousand at a time."""
        for span in spans(ordinals):
            for row in self.reader.current(self.node_ids[node.index], span):
                if row.publication.ordinal in ordinals:
                    yield row

    def _each(self, rows: Iterable[Published], look: Callable[[Published], str]) -> Iterator[tuple[int, str]]:
        """What is wrong with which of them; a few at once where that pays."""
        for row, what in mapped(look, rows, at_once=self.at_most is None or "://" in self.store.url):
            if what:
                yield row.publication.ordinal, what

    def _unreadable(self, node: Node, row: Published) -> str:
        """The pointer, and by their footers the files that it leads to."""
        try:
            files = self._pointed(node, row)
        except UnreachableError:
            raise  # nothing is known of any of them
        except RecoupError as error:
            return error.message
        if files is None:
            return "its pointer is gone, or shows nothing"
        wrong = (f"{file.path} {what}" for file in files if (what := unreadable(self.store, file)))
        return next(wrong, "")

    def _pointed(self, node: Node, row: Published) -> tuple[DataFile, ...] | None:
        """As the ledger remembers them, unless the pointer has moved on: then as its run's manifest has them."""
        name, key = node.partitions.name(row.publication.ordinal), node.partitions.key
        there = read_pointer(self.store, node.name, key, name)
        if there is None or there.current.run_id is None:
            return None
        if there.current.nonce == row.publication.nonce:
            return row.publication.files
        manifest = read_manifest(self.store, node.name, key, name, there.current.run_id)
        return manifest.outputs if manifest else None

    def _absent(self, row: Published) -> str:
        wrong = (f"{file.path} {what}" for file in row.publication.files if (what := absent(self.store, file)))
        return next(wrong, "")

    # --- tables

    def _look_at_table(self, node: Node, wanted: PartitionSet) -> None:
        """What its step does not show, it need not; more rows than were published are somebody else's.

        The end of a run counts what it has made; of the rest, perhaps a billion rows, it asks whether any is there.
        """
        if self.at_most is None:
            self._ask(node, wanted)
        else:
            made = self.trusted.get(node.index, EMPTY)
            self._ask(node, wanted & made)
            self._ask(node, wanted - made, only_whether=True)

    def _ask(self, node: Node, wanted: PartitionSet, *, only_whether: bool = False) -> None:
        assert node.sink is not None
        due = rows_due(self.reader, self.node_ids[node.edges[0].parent], wanted)
        if not due:
            return
        try:
            with closing(open_sink(node.sink.to_json(), self.workspace.settings)) as sink:
                found = Filled.asked(sink, node, due, only_whether=only_whether, wait=self.at_most is None)
        except (RecoupError, ImportError) as error:
            self._unasked(node, PartitionSet.of(due) - self.trusted.get(node.index, EMPTY), error)
            return
        self.gathered.add(node, GapKind.NO_ROWS, found.gone, f"no rows in {node.sink.name}")
        for ordinal, (have, rows) in found.fewer.items():
            self.gathered.add(node, GapKind.FEWER_ROWS, [ordinal], f"{have:,} of {rows:,} rows in {node.sink.name}")

    def _unasked(self, node: Node, ordinals: PartitionSet, error: RecoupError | ImportError) -> None:
        """Nobody could tell of these; that somebody has the database open just now is no damage to the end of a run."""
        if isinstance(error, ConflictError) and self.at_most is not None:
            self.unopened += len(ordinals)
            return
        why = error.message if isinstance(error, RecoupError) else str(error)
        self.gathered.add(node, GapKind.UNKNOWN, ordinals, f"nobody could be asked: {why}")


def mapped(look: Callable[[T], R], rows: Iterable[T], *, at_once: bool = True) -> Iterator[tuple[T, R]]:
    """Each with what a look at it tells; several at once, unless a look is but a glance into a folder."""
    if not at_once:
        yield from ((row, look(row)) for row in rows)
        return
    left = iter(rows)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="look") as threads:
        while some := list(islice(left, CHUNK_BITS)):
            yield from threads.map(lambda row: (row, look(row)), some)
