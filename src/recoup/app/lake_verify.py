"""`lake verify`: what lies in the lake, held against what the ledger remembers of it.

`verify(workspace, names=(), *, repair=False) -> LakeVerified`. Pointers and manifests shadow the ledger, so the ledger
can write them again; a data file that is torn only its step can make again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from recoup.app.bound import Bound, bound
from recoup.app.datasets import Dataset, dataset, datasets
from recoup.app.workspace import Workspace
from recoup.engine.lost_manifests import manifest_again
from recoup.engine.remembered import remembered_pointer
from recoup.lake.layout import pointer
from recoup.lake.manifests import read_manifest, write_manifest
from recoup.lake.pointers import put_back, read_pointer
from recoup.lake.soundness import difference, remedy
from recoup.ledger import planes
from recoup.ledger.facts import Published
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import CorruptError, ExitCode, RecoupError
from recoup.model.partition import EMPTY
from recoup.ports import ObjectStore

POINTER, MANIFEST, FILE = "pointer", "manifest", "file"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing in the lake that is not as the ledger remembers it; `what` is pointer, manifest or file."""

    dataset: str
    partition: str
    what: str
    sentence: str
    remedy: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class LakeVerified:
    """What was found among so many partitions."""

    damages: tuple[Damage, ...]
    partitions: int

    @property
    def exit_code(self) -> ExitCode:
        """1 as long as anything is damaged."""
        return ExitCode.DONE if all(damage.repaired for damage in self.damages) else ExitCode.INCOMPLETE


def verify(workspace: Workspace, names: Sequence[str] = (), *, repair: bool = False) -> LakeVerified:
    """Read every pointer, manifest and file of what is current; with `repair`, write what the ledger knows better."""
    if repair:
        with workspace.ledger() as ledger:
            reader, store = LedgerReader(ledger.path, ledger.db), workspace.own_store(ledger)
            return _verify(workspace, reader, store, names, repair=repair)
    with workspace.reader() as reader:
        return _verify(workspace, reader, workspace.store(), names, repair=repair)


def _verify(
    workspace: Workspace, reader: LedgerReader, store: ObjectStore, names: Sequence[str], *, repair: bool
) -> LakeVerified:
    chosen = [dataset(reader, name) for name in names] or [d for d in datasets(reader).values() if d.kind == "step"]
    damages: list[Damage] = []
    count = 0
    for found in chosen:
        verifying = _Verifying(workspace, reader, store, found)
        for ordinal in reader.planes([found.node])[found.node].get(planes.POINTED, EMPTY):
            count += 1
            damages += verifying.partition(ordinal, repair=repair)
    return LakeVerified(tuple(damages), count)


@dataclass
class _Verifying:
    """The partitions of one dataset."""

    workspace: Workspace
    reader: LedgerReader
    store: ObjectStore
    found: Dataset

    def partition(self, ordinal: int, *, repair: bool) -> Iterator[Damage]:
        """What is wrong with it; one whose pointer is about to move is left to whoever moves it."""
        if any(row.publication.ordinal == ordinal for row in self.reader.open_intents(self.found.node)):
            return
        history = self.reader.history(self.found.node, ordinal)
        current = next((row for row in history if row.state == "current"), None)
        if current is None or not current.publication.nonce:
            return  # a step without a table: the ledger alone remembers it
        name = self.found.partitions.name(ordinal)
        if sentence := self._of_pointer(name, current):
            done = repair and self._put_back(name, history)
            yield self._damage(name, POINTER, sentence, done=done)
        if current.run_id is None:
            return
        if sentence := self._of_manifest(name, current.run_id, current.publication.digest):
            done = repair and self._write_again(current, history)
            yield self._damage(name, MANIFEST, sentence, done=done)
        for file in current.publication.files:
            if what := difference(self.store, file):
                damage = self._damage(name, FILE, f"{file.path} {what}", done=False)
                yield replace(damage, remedy=remedy(self.found.name, name))

    def _damage(self, partition: str, what: str, sentence: str, *, done: bool) -> Damage:
        again = "" if done else "`recoup lake verify --repair` writes it again from the ledger"
        return Damage(self.found.name, partition, what, sentence, again, repaired=done)

    def _of_pointer(self, partition: str, current: Published) -> str:
        try:
            there = read_pointer(self.store, self.found.name, self.found.key, partition)
        except CorruptError as error:
            return error.message
        if there is None:
            return "the pointer is gone"
        if there.current.nonce != current.publication.nonce:
            return f"the pointer shows run {there.current.run_id}, the ledger remembers run {current.run_id}"
        return ""

    def _of_manifest(self, partition: str, run_id: str, digest: str) -> str:
        try:
            there = read_manifest(self.store, self.found.name, self.found.key, partition, run_id)
        except CorruptError as error:
            return error.message
        if there is None:
            return f"the manifest of run {run_id} is gone"
        return "" if there.digest == digest else f"the manifest of run {run_id} tells of other files than are current"

    def _put_back(self, partition: str, history: Sequence[Published]) -> bool:
        """Unless it is sound and shows something else: who wrote that knows more than we do."""
        ledger_id, epoch = self.reader.meta("ledger_id") or "", int(self.reader.meta("epoch") or 0)
        known = remembered_pointer(self.found.name, partition, history, ledger_id, epoch)
        return known is not None and put_back(self.store, pointer(self.found.name, self.found.key, partition), known)

    def _write_again(self, current: Published, history: Sequence[Published]) -> bool:
        """As the attempt that made the files wrote it; its counters only the lost one knew."""
        if self._known is None:
            return False
        node = self._known.graph.node(self.found.name)
        made = [row for row in history if row.publication.files == current.publication.files and row.run_id]
        again = manifest_again(self.reader, self._known.graph, self._known.node_ids, node, made[-1])
        write_manifest(self.store, self.found.key, again, sync=True)
        return True

    @cached_property
    def _known(self) -> Bound | None:
        """The pipeline that makes it, if recoup.toml names it: only that tells what its steps read."""
        for place in self.workspace.settings.pipelines:
            try:
                known = bound(self.workspace, self.reader, place)
            except RecoupError:
                continue
            if known.pipeline.name == self.found.pipeline:
                return known
        return None
