"""`ledger rebuild`: a new ledger from a lake's manifests and pointers, that plans the same as the one that is lost.

`rebuild(workspace, pipelines=(), *, force=False) -> Rebuilt`. It is made beside its place and moved there at the very
end, after the lake was adopted at a higher epoch: killed at any moment, it can simply be repeated. What no lake knows:
deliveries (they are done again, and a table that holds the run already says so), `accept --code`, and which attempts
were given back untried.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from recoup.app.lake_facts import dataset_names
from recoup.app.rebuilding import Rebuilding
from recoup.app.workspace import Workspace
from recoup.lake.owner import adopt
from recoup.ledger.reader import LedgerReader
from recoup.ledger.restore import live_controllers
from recoup.ledger.writer import Ledger
from recoup.model.errors import ConfigError, RecoupError, RefusedError
from recoup.model.pipeline import Pipeline
from recoup.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the new ledger holds; `trouble` and `strangers` say in sentences what could not be taken into it.

    `copy` is the ledger that was there before; `seconds` how long it took.
    """

    path: Path
    ledger_id: str
    epoch: int
    partitions: int
    attempts: int
    generations: int
    seconds: float
    trouble: tuple[str, ...]
    strangers: tuple[str, ...]
    copy: Path | None = None
    datasets: dict[str, int] = field(default_factory=dict)


def rebuild(workspace: Workspace, pipelines: Sequence[str | Pipeline] = (), *, force: bool = False) -> Rebuilt:
    """Read the lake, write the ledger; RefusedError where there is one, unless `force`, which keeps it beside.

    One with which nothing was ever tried needs no force: the first command after a loss has made it.

    The pipelines that are named, and all that recoup.toml names, say how datasets are partitioned; those of others
    stay in the lake and are told as strangers.
    """
    place, clock = workspace.settings.ledger, workspace.clock
    began = clock.monotonic()
    _refuse(place, force=force or _is_empty(place))
    loaded, strangers = _loaded(workspace, pipelines)
    store = workspace.store()
    beside = place.parent / "rebuilding"
    shutil.rmtree(beside, ignore_errors=True)
    with closing(Ledger(beside / place.name, clock)) as ledger:
        rebuilding = Rebuilding(ledger, store)
        rebuilding.fill(loaded)
        known = {step for pipeline in loaded for step in pipeline.steps}
        strangers += [f"{name}: no pipeline here makes it" for name in dataset_names(store) if name not in known]
        ledger_id, epoch = ledger.ledger_id, _adopt(ledger, store)
    copy = _into_place(beside, place, f"{clock.now():%Y%m%dT%H%M%S}")
    return Rebuilt(
        path=place,
        ledger_id=ledger_id,
        epoch=epoch,
        partitions=sum(rebuilding.published.values()),
        attempts=rebuilding.attempts,
        generations=rebuilding.generations,
        seconds=clock.monotonic() - began,
        trouble=tuple(rebuilding.trouble),
        strangers=tuple(strangers),
        copy=copy,
        datasets=dict(rebuilding.published),
    )


def _is_empty(place: Path) -> bool:
    if not place.exists():
        return True
    with suppress(RecoupError), LedgerReader(place) as reader:
        return reader.is_empty
    return False


def _refuse(place: Path, *, force: bool) -> None:
    if place.exists() and not force:
        message = f"there is a ledger at {place}"
        raise RefusedError(message, "move it away first, or use --force, which keeps a copy; `ledger verify` checks it")
    alive = live_controllers(place)
    if alive:
        message = f"the ledger {place} is in use: a backfill is running on it (controller {alive[0]})"
        raise RefusedError(message, "let it end, or end its process; then run the same command again")


def _loaded(workspace: Workspace, names: Iterable[str | Pipeline]) -> tuple[list[Pipeline], list[str]]:
    """The pipelines, and why others could not be loaded; ConfigError when there is none at all."""
    found: dict[str, Pipeline] = {}
    trouble = []
    for name in dict.fromkeys([*names, *workspace.settings.pipelines]):
        try:
            pipeline = workspace.pipeline(name)[0]
        except RecoupError as error:
            trouble.append(f"pipeline {name}: {error.message}")
        else:
            found.setdefault(pipeline.name, pipeline)
    if not found:
        message = trouble[0] if trouble else "no pipeline is named, so nothing tells how datasets are partitioned"
        raise ConfigError(message, "name them under [pipelines] in recoup.toml, or give their places")
    return list(found.values()), trouble


def _adopt(ledger: Ledger, store: ObjectStore) -> int:
    owner = adopt(store, ledger.ledger_id, ledger.epoch)
    with ledger.transaction() as tx:
        tx.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (str(owner.epoch),))
    return owner.epoch


def _into_place(beside: Path, place: Path, stamp: str) -> Path | None:
    """The new ledger becomes the ledger; what was there is renamed together with its log, so that it stays whole."""
    copy: Path | None = None
    if place.exists():
        copy = place.with_name(f"{place.name}.{stamp}.bak")
        for suffix in ("-shm", "-wal", ""):
            old = place.with_name(place.name + suffix)
            if old.exists():
                old.rename(copy.with_name(copy.name + suffix))
    for suffix in ("-shm", "-wal"):  # of a ledger whose file is gone: to the new one they would be poison
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    (beside / place.name).rename(place)
    shutil.rmtree(beside, ignore_errors=True)
    fd = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return copy
