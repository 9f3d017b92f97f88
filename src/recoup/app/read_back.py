"""Every published partition read back: by its pointer, its manifest and all bytes of its files, and in its table.

One pass by several threads, a few thousand partitions at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from recoup.app.data_there import DataThere, mapped
from recoup.app.plugins import open_sink
from recoup.app.table_rows import Filled, rows_due
from recoup.app.verified import Findings
from recoup.lake.manifests import read_manifest
from recoup.lake.pointers import read_pointer
from recoup.lake.soundness import difference, rows_of
from recoup.ledger.facts import Published
from recoup.model.errors import RecoupError, UnreachableError
from recoup.model.graph import Node
from recoup.model.manifest import Manifest
from recoup.model.partition import PartitionSet


@dataclass(frozen=True, slots=True)
class _Read:
    """What was wrong with one partition; `counted` with its row counts, `seen` with reading it."""

    counted: str = ""
    seen: str = ""


@dataclass
class ReadBack:
    """What row counts and real reads have to say of some partitions."""

    there: DataThere
    counts: Findings = field(default_factory=Findings)
    reads: Findings = field(default_factory=Findings)

    def step(self, node: Node, wanted: PartitionSet) -> None:
        """Pointer, manifest and files of what a step has published."""
        rows = self.there.published(node, wanted)
        try:
            self._read_each(node, rows)
        except UnreachableError as error:  # the first one tells it for all: each would wait as long
            self.reads.note(f"{node.name}: {error.message}")

    def _read_each(self, node: Node, rows: Iterator[Published]) -> None:
        for row, read in mapped(lambda row: self._read(node, row), rows):
            where = f"{node.name} {node.partitions.name(row.publication.ordinal)}: "
            self.counts.count += 1
            self.reads.count += 1
            self.counts.note(where + read.counted if read.counted else "")
            self.reads.note(where + read.seen if read.seen else "")

    def table(self, node: Node, wanted: PartitionSet) -> None:
        """As many rows as its step has published; a table that cannot be read fails."""
        assert node.sink is not None
        due = rows_due(self.there.reader, self.there.node_ids[node.edges[0].parent], wanted)
        self.reads.count += 1
        try:
            with closing(open_sink(node.sink.to_json(), self.there.workspace.settings)) as sink:
                found = Filled.asked(sink, node, due)
        except (RecoupError, ImportError) as error:
            told = error.message if isinstance(error, RecoupError) else str(error)
            self.reads.note(f"{node.sink.name}: {told}")
            return
        self.counts.count += len(due)
        wrong = {ordinal: (0, due[ordinal]) for ordinal in found.gone} | found.fewer | found.other
        for ordinal, (there, rows) in sorted(wrong.items()):
            name = node.partitions.name(ordinal)
            self.counts.note(f"{node.sink.name} {name}: {there:,} rows instead of {rows:,}")

    def _read(self, node: Node, row: Published) -> _Read:
        try:
            manifest = self._manifest(node, row)
            if isinstance(manifest, str):
                return _Read(counted=manifest)
            return _Read(self._miscounted(manifest), self._unsound(manifest))
        except UnreachableError:
            raise  # nothing is known of any of them
        except RecoupError as error:  # corrupt, or not ours to read
            return _Read(seen=error.message)
        except OSError as error:
            return _Read(seen=f"{error.filename or 'a file'} cannot be read: {error.strerror or error}")

    def _manifest(self, node: Node, row: Published) -> Manifest | str:
        """Of the run that the pointer shows; a step without a table has no pointer, but a manifest all the same."""
        name, key = node.partitions.name(row.publication.ordinal), node.partitions.key
        run_id, digest = row.run_id or "", row.publication.digest
        if row.publication.nonce:
            pointer = read_pointer(self.there.store, node.name, key, name)
            if pointer is None or pointer.current.run_id is None:
                return "its pointer is gone, or shows nothing"
            run_id, digest = pointer.current.run_id, pointer.current.digest
        manifest = read_manifest(self.there.store, node.name, key, name, run_id)
        if manifest is None:
            return f"the manifest of run {run_id} is gone"
        same = manifest.digest == digest
        return manifest if same else f"the manifest of run {run_id} tells of other files than are current"

    def _miscounted(self, manifest: Manifest) -> str:
        in_files = sum(file.rows for file in manifest.outputs)
        if manifest.rows not in (None, in_files):
            return f"its manifest counts {manifest.rows:,} rows, and {in_files:,} in its files"
        for file in manifest.outputs:
            with suppress(OSError, ValueError):  # what cannot be read at all, the other line tells
                if (rows := rows_of(self.there.store, file.path)) != file.rows:
                    return f"{file.path} has {rows:,} rows instead of {file.rows:,}"
        return ""

    def _unsound(self, manifest: Manifest) -> str:
        """By all bytes of its files."""
        wrong = (f"{file.path} {what}" for file in manifest.outputs if (what := difference(self.there.store, file)))
        return next(wrong, "")
