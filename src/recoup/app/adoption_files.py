"""`lake adopt --files`: Parquet files that are there already, published where they lie; nothing is moved or copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property

from recoup.app.adoptable import OldFile, Opened, listing, opened, refuse_mixed
from recoup.app.adoption import Adoption, Chosen, Control, controlled, step_of
from recoup.app.prepare import Prepared
from recoup.app.workspace import Workspace
from recoup.engine.adopter import Adopter, Result
from recoup.lake.data_files import hashed, uri_of
from recoup.lake.folders_below import batched
from recoup.model.errors import RefusedError
from recoup.model.graph import Node
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.ports import ObjectStore

AT_ONCE = 512
"""How many partitions are published under one intent: so many may be in doubt when the machine dies."""
READERS = 4
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Old:
    """One partition that is there already."""

    ordinal: int
    files: tuple[OldFile, ...]
    footers: tuple[Opened, ...]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(footer.rows for footer in self.footers)

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def known_at(self) -> float:
        """When its content was there for everybody to know."""
        return max(file.modified_at for file in self.files)


def adopt_files(
    workspace: Workspace, pipeline: str | Pipeline, step: str, pattern: str, *, yes: bool = False
) -> Adoption:
    """Refer to Parquet files where they lie; `pattern` has `{partition}` where the key stands.

    UsageError names what is no Parquet, or no table of one kind; RefusedError what recoup owns already. Nothing is
    adopted then.
    """
    with workspace.ledger_for(pipeline) as ledger:
        if not yes:
            prepared = workspace.prepared(ledger, pipeline)
            return _found(workspace.store(), prepared, step_of(prepared, step), pattern).report(done=False)
        with controlled(workspace, ledger, pipeline) as control:
            found = _found(control.store, control.prepared, step_of(control.prepared, step), pattern)
            return _Adopting(control, found).carry_out()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a pattern came to."""

    chosen: Chosen
    old: tuple[Old, ...]
    strangers: tuple[str, ...]

    def report(self, *, done: bool, running: PartitionSet = EMPTY) -> Adoption:
        old = [one for one in self.old if one.ordinal not in running]
        return self.chosen.report(
            self.strangers,
            files=sum(len(one.files) for one in old),
            rows=sum(one.rows for one in old),
            size_bytes=sum(one.size_bytes for one in old),
            done=done,
            running=running,
        )


def _found(store: ObjectStore, prepared: Prepared, node: Node, pattern: str) -> _Found:
    """Look at the files, and read the footers of those that are to be adopted."""
    files = listing(store, pattern, node.partitions)
    chosen = Chosen.of(prepared, node, PartitionSet.of(files.files))
    wanted = {ordinal: files.files[ordinal] for ordinal in chosen.wanted}
    footers = opened(store, (file for own in wanted.values() for file in own))
    for ordinal, own in wanted.items():
        refuse_mixed(node.partitions.name(ordinal), own, footers)
    old = tuple(Old(ordinal, own, tuple(footers[file.path] for file in own)) for ordinal, own in wanted.items())
    return _Found(chosen, old, files.strangers)


@dataclass
class _Adopting:
    control: Control
    found: _Found
    running: list[int] = field(default_factory=list)

    def carry_out(self) -> Adoption:
        """Files are read by threads, a batch ahead of the one that is being published."""
        threads = ThreadPoolExecutor(READERS, thread_name_prefix="adopt")
        try:
            for batch, results in self._read_ahead(threads):
                self._publish(batch, results)
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
        report = self.found.report(done=True, running=PartitionSet.of(self.running))
        self.control.note(report)
        return report

    def _read_ahead(self, threads: ThreadPoolExecutor) -> Iterator[tuple[list[Old], list[Future[Result]]]]:
        batches = batched(self.found.old, AT_ONCE)
        ahead: list[tuple[list[Old], list[Future[Result]]]] = []
        while batch := next(batches, None):
            ahead.append((batch, [threads.submit(self._result, old) for old in batch]))
            if len(ahead) > 1:
                yield ahead.pop(0)
        yield from ahead

    def _publish(self, batch: Sequence[Old], results: Sequence[Future[Result]]) -> None:
        now = self.control.ledger.clock.now().timestamp()  # a file may come from a machine whose clock is ahead
        wanted = {old.ordinal: min(old.known_at, now) for old in batch}
        claimed = {inflight.claimed.claim.ordinal: inflight for inflight in self._adopter.claim(wanted)}
        self.running += [old.ordinal for old in batch if old.ordinal not in claimed]
        try:
            self._wait(results)
            made = [
                (claimed[old.ordinal], result.result())
                for old, result in zip(batch, results, strict=True)
                if old.ordinal in claimed
            ]
        except BaseException:
            self._adopter.give_back(list(claimed.values()))
            raise
        self._adopter.publish(made)

    def _wait(self, results: Sequence[Future[Result]]) -> None:
        while wait(results, _LOOK_SECONDS).not_done:
            self.control.renew()

    def _result(self, old: Old) -> Result:
        """Read every byte once, for the digests; refused when a file is not what its footer was taken from."""
        started = self.control.ledger.clock.now().timestamp()
        files = []
        for file, footer in zip(old.files, old.footers, strict=True):
            digest, size_bytes = hashed(self.control.store, file.path)
            if size_bytes != file.size_bytes:
                message = f"{uri_of(self.control.store, file.path)} changed while it was read"
                raise RefusedError(message, "let whoever writes it end, then run the same command again")
            files.append([file.path, footer.rows, size_bytes, digest])
        ended = self.control.ledger.clock.now().timestamp()
        columns = old.footers[0].columns
        return {"files": files, "columns": columns, "rows": old.rows, "started": started, "ended": ended}

    @cached_property
    def _adopter(self) -> Adopter:
        return self.control.adopter(self.found.chosen.node)
