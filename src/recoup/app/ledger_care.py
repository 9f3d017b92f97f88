"""Looking after the ledger: `path`, `verify`, `backup`, `migrate`; `rebuild` has a module of its own.

For the command line: `path(workspace)`, `verify(workspace, pipelines, repair=…)` with its `exit_code`,
`backup(workspace, to)`, `migrate(workspace)`; beside them `rebuild.rebuild(workspace, pipelines, force=…)` and
`lake_care.adopt(workspace)`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recoup.app.bound import Bound, bound
from recoup.app.datasets import datasets
from recoup.app.workspace import Workspace
from recoup.ledger import planes
from recoup.ledger.connection import connect, explain
from recoup.ledger.facts import NodeId
from recoup.ledger.migrate import Migration, copy_ledger
from recoup.ledger.migrate import migrate as migrate_ledger
from recoup.ledger.reader import LedgerReader
from recoup.ledger.registry import as_chunks
from recoup.ledger.staleness import staleness
from recoup.ledger.verify import (
    Difference,
    Planes,
    broken_laws,
    differences,
    facts_planes,
    stale_differences,
    stored_planes,
)
from recoup.model.errors import ExitCode, RecoupError, UsageError
from recoup.model.partition import EMPTY
from recoup.model.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class PlaneDifference:
    """One plane of one dataset that does not show its facts, as ranges that people read."""

    dataset: str
    plane: str
    lacking: list[str]
    extra: list[str]


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found: `broken` and `unchecked` are sentences; `planes` is how many were compared."""

    differences: tuple[PlaneDifference, ...]
    broken: tuple[str, ...]
    unchecked: tuple[str, ...]
    planes: int
    repaired: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """1 as long as anything is wrong."""
        wrong = self.broken or (self.differences and not self.repaired)
        return ExitCode.INCOMPLETE if wrong else ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Backup:
    """A consistent copy in one file."""

    path: Path
    size_bytes: int


def path(workspace: Workspace) -> Path:
    """Where the ledger is, or would be."""
    return workspace.settings.ledger


def verify(workspace: Workspace, pipelines: Sequence[str | Pipeline] = (), *, repair: bool = False) -> Verified:
    """Recompute every plane from the facts and compare; with `repair`, write what the facts say.

    Staleness needs the pipelines: those that are named, and all that the settings name.
    """
    with workspace.reader() as reader:
        loaded, unchecked = _load(workspace, reader, pipelines)
        with _one_snapshot(reader.db):
            found = _compare(reader, loaded)
            shown = tuple(_shown(reader, found.differences))
        unchecked += found.unchecked
    if repair and found.differences:
        with workspace.ledger() as ledger, ledger.transaction() as tx:
            again = _compare(LedgerReader(ledger.path, ledger.db), loaded)
            for difference in again.differences:
                have = again.stored.get(difference.node, {}).get(difference.plane, EMPTY)
                tx.set_plane(
                    difference.node, difference.plane, as_chunks((have | difference.lacking) - difference.extra)
                )
            tx.event("planes repaired", data={"planes": len(again.differences), "who": workspace.who})
    return Verified(shown, tuple(found.broken), tuple(unchecked), found.planes, repaired=repair)


def backup(workspace: Workspace, to: Path) -> Backup:
    """A consistent copy while others may run; durable when it returns, refused when there is a file of that name."""
    target = to / workspace.settings.ledger.name if to.is_dir() else to
    if target.exists():
        message = f"{target} exists already"
        raise UsageError(message, "choose another name; a backup never overwrites anything")
    if not target.absolute().parent.is_dir():
        message = f"there is no folder {target.absolute().parent}"
        raise UsageError(message, "make it first")
    source = connect(workspace.settings.ledger, write=False)
    try:
        copy_ledger(source, target.absolute())
    except sqlite3.Error as error:
        raise explain(error, target) from error
    finally:
        source.close()
    return Backup(target, target.stat().st_size)


def migrate(workspace: Workspace) -> Migration:
    """Bring an older ledger to today's schema; a copy is kept beside it."""
    return migrate_ledger(workspace.settings.ledger)


@dataclass(frozen=True, slots=True)
class _Compared:
    stored: Planes
    differences: list[Difference]
    broken: list[str]
    unchecked: list[str]
    planes: int


def _compare(reader: LedgerReader, loaded: Sequence[Bound]) -> _Compared:
    stored, broken = stored_planes(reader.db)
    facts = facts_planes(reader.db)
    sources = frozenset(row.node for row in reader.nodes().values() if row.kind == "source")
    found = list(differences(stored, facts, sources))
    present = {node: stored.get(node, {}).get(planes.PUBLISHED, EMPTY) for node in sources}
    expected = {node: facts[planes.EXPECTED] for node, facts in stored.items() if planes.EXPECTED in facts}
    bounds = [b for known in loaded for b in staleness(reader.db, known.graph, known.node_ids, present, expected)]
    found += stale_differences(stored, bounds)
    names = {row.node: name for name, row in reader.nodes().items()}
    unchecked = [
        f"stale of {names[b.node]}: only its steps were compared, {b.unchecked}"
        for b in bounds
        if b.unchecked and b.node in names
    ]
    count = sum(len(stored.get(node, {}).keys() | facts.get(node, {}).keys()) for node in stored.keys() | facts.keys())
    return _Compared(stored, found, broken + broken_laws(reader.db), unchecked, count)


def _load(
    workspace: Workspace, reader: LedgerReader, pipelines: Sequence[str | Pipeline]
) -> tuple[list[Bound], list[str]]:
    """The pipelines that can be loaded, and why stale cannot be compared for the others."""
    loaded: dict[str, Bound] = {}
    unchecked = []
    for name in dict.fromkeys([*pipelines, *workspace.settings.pipelines]):
        try:
            known = bound(workspace, reader, name)
        except RecoupError as error:
            unchecked.append(f"stale of {name}: not checked, {error.message}")
        else:
            loaded.setdefault(known.pipeline.name, known)
    strangers = {row.pipeline for row in reader.nodes().values()} - loaded.keys() - set(workspace.settings.pipelines)
    unchecked += [f"stale of {name}: not checked, recoup.toml does not name it" for name in sorted(strangers)]
    return list(loaded.values()), unchecked


def _shown(reader: LedgerReader, found: Sequence[Difference]) -> Iterator[PlaneDifference]:
    known = {dataset.node: dataset for dataset in datasets(reader).values()}
    for difference in found:
        dataset = known.get(difference.node)
        if dataset is None:
            count = len(difference.lacking) + len(difference.extra)
            yield PlaneDifference(_nameless(difference.node), difference.plane, [], [f"{count} bits"])
            continue
        text = dataset.partitions.ranges_text
        yield PlaneDifference(dataset.name, difference.plane, text(difference.lacking), text(difference.extra))


def _nameless(node: NodeId) -> str:
    return f"node {node}, which the ledger does not know"


@contextmanager
def _one_snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """All that is read in the block is of one moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")
