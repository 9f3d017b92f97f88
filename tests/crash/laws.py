"""What must hold of a project whatever was killed in it, as complaints: no complaint, no law broken."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from recoup.app.ledger_care import verify
from recoup.lake.manifests import read_manifest
from recoup.lake.pointers import pointers_below, read_pointer
from recoup.ledger.connection import FileLock
from recoup.model.errors import CorruptError, RecoupError
from recoup.model.manifest import Generation, Pointer, output_digest
from tests.crash.project import TABLES, Project, Rows

KEY = "dt"


def broken(project: Project, expected: AbstractSet[str], table: Rows) -> list[str]:
    """All laws for a project whose backfill has ended: `expected` are the `node partition` that must be published."""
    return [*_ledger(project, expected), *_lake(project), *_agreement(project, table), *_care(project)]


# --- the ledger alone


def _ledger(project: Project, expected: AbstractSet[str]) -> Iterator[str]:
    published = current(project)
    if published.keys() != expected:
        yield f"lost: {sorted(expected - published.keys())}, not expected: {sorted(published.keys() - expected)}"
    with project.reader() as reader:
        for what, sql in _NEVER.items():
            if rows := reader.query(sql):
                yield f"{what}: {rows}"
        tokens = [row[0] for row in reader.query("SELECT token FROM attempts ORDER BY claimed_at, token")]
        if tokens != sorted(set(tokens)):
            yield f"tokens do not grow: {tokens}"


_NEVER = {
    "attempts left running": "SELECT token FROM attempts WHERE state = 'running'",
    "intents left open": "SELECT token FROM publications WHERE state = 'intent'",
    "controllers left": "SELECT controller FROM controllers WHERE ended_at IS NULL",
    "backfills left running": "SELECT backfill_id FROM backfills WHERE state IN ('running', 'paused')",
    "published twice": (
        "SELECT node, ordinal FROM publications WHERE state = 'current' GROUP BY node, ordinal HAVING count(*) > 1"
    ),
    "runs in which a step succeeded twice": (
        "SELECT run, node, ordinal FROM attempts WHERE state = 'succeeded'"
        " GROUP BY run, node, ordinal HAVING count(*) > 1"
    ),
    "successes without a publication": (
        "SELECT token FROM attempts WHERE state = 'succeeded' AND token NOT IN"
        " (SELECT token FROM publications WHERE state IN ('current', 'past'))"
    ),
    "publications without a success": (
        "SELECT p.token, a.state FROM publications p JOIN attempts a USING (token)"
        " WHERE p.state IN ('current', 'past') AND a.state <> 'succeeded'"
    ),
    "runs left open, though all is published": (
        "SELECT r.partition FROM runs r WHERE closed_at IS NULL AND (SELECT count(*) FROM publications p JOIN nodes n"
        " USING (node) WHERE p.ordinal = r.ordinal AND p.state = 'current' AND n.pipeline = r.pipeline) ="
        " (SELECT count(*) FROM nodes n WHERE n.pipeline = r.pipeline)"
    ),
}


def current(project: Project) -> dict[str, tuple[Any, ...]]:
    """`node partition` → token, nonce, digest, run_id, files as the ledger has them now; empty without a ledger."""
    if not project.ledger.exists():
        return {}
    with suppress(RecoupError), project.reader() as reader:  # a ledger that was killed while it was made has no tables
        rows = reader.query(
            "SELECT n.name || ' ' || r.partition, p.token, p.nonce, p.digest, r.run_id FROM publications p"
            " JOIN nodes n USING (node) JOIN runs r USING (run) WHERE p.state = 'current'"
        )
        return {row[0]: row[1:] for row in rows}
    return {}


# --- the lake alone


def _lake(project: Project) -> Iterator[str]:
    store = project.lake
    for place, pointer in pointers_below(store):
        name = f"{place.dataset} {place.partition}"
        if isinstance(pointer, CorruptError):
            yield f"{name}: {pointer}"
            continue
        yield from _history(name, pointer)
        yield from (f"{name}: {problem}" for problem in torn(project, place.dataset, place.partition))


def _history(name: str, pointer: Pointer) -> Iterator[str]:
    """Generations grow in every number that they have, and no run and no nonce comes twice."""
    shown = [g for g in pointer.generations if g.run_id is not None]
    for what in ("token", "seq", "number"):
        values = [getattr(g, what) for g in pointer.generations]
        if values != sorted(set(values), reverse=True):
            yield f"{name}: {what} of the generations: {values}"
    for what in ("run_id", "nonce"):
        twice = [value for value, count in Counter(getattr(g, what) for g in shown).items() if count > 1]
        if twice:
            yield f"{name}: {what} published twice: {twice}"


def torn(project: Project, dataset: str, partition: str) -> list[str]:
    """What is wrong with what a reader sees now: pointer, manifest and files, each against its digest."""
    store = project.lake
    for _ in range(5):
        pointer = read_pointer(store, dataset, KEY, partition)
        problems = _torn(project, dataset, partition, pointer.current) if pointer else []
        if not problems or read_pointer(store, dataset, KEY, partition) == pointer:
            return problems
    return [f"{partition}: never stood still"]


def _torn(project: Project, dataset: str, partition: str, generation: Generation) -> list[str]:
    if generation.run_id is None:
        return []
    manifest = read_manifest(project.lake, dataset, KEY, partition, generation.run_id)
    if manifest is None:
        return ["no manifest"]
    if output_digest(manifest.outputs) != generation.digest or manifest.token != generation.token:
        return [f"the manifest is of token {manifest.token}, the pointer of token {generation.token}"]
    lake = project.folder / "lake"
    return [f"{file.path} is torn" for file in manifest.outputs if _digest(lake / file.path) != file.digest]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


# --- one against the other


def _agreement(project: Project, table: Rows) -> Iterator[str]:
    """Pointers, manifests and table tell the same as the ledger."""
    known = current(project)
    shown = dict(_shown(project))
    for name, (token, nonce, digest, run_id) in known.items():
        dataset, partition = name.split(" ")
        if dataset in TABLES and shown.pop(name, None) != (token, nonce, digest, run_id):
            yield f"{name}: the ledger has token {token} of run {run_id}, the pointer does not"
        told = _told_by_manifest(project, dataset, partition, run_id) if "@" not in dataset else ""
        if told not in {"", f"success of token {token}"}:
            yield f"{name}: made by token {token}, but its manifest is {told}"
    if shown:
        yield f"shown by pointers, unknown to the ledger: {shown}"
    rows, held = project.duckdb()
    if rows != table:
        yield f"the table holds {rows}"
    for partition, run_id, _, digest in held:
        if (digest, run_id) != known.get(f"totals {partition}", (0, "", "", ""))[2:]:
            yield f"the table holds run {run_id} of {partition}, which is not the current one"


def _shown(project: Project) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for place, pointer in pointers_below(project.lake):
        if isinstance(pointer, Pointer) and (now := pointer.current).run_id is not None:
            yield f"{place.dataset} {place.partition}", (now.token, now.nonce, now.digest, now.run_id)


def _told_by_manifest(project: Project, dataset: str, partition: str, run_id: str) -> str:
    try:
        manifest = read_manifest(project.lake, dataset, KEY, partition, run_id)
    except CorruptError as error:
        return error.message
    return f"{manifest.outcome} of token {manifest.token}" if manifest else "missing"


def _care(project: Project) -> Iterator[str]:
    found = verify(project.workspace(), ["days"])
    yield from (f"ledger verify: {problem}" for problem in (*found.broken, *found.differences))


# --- while it goes on


class Reader:
    """Somebody who reads all the time, in a thread: whatever is killed meanwhile, what is shown is whole."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.reads = 0
        self.problems: dict[str, None] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.wait(0.02):
            for dataset in TABLES:
                for path in sorted((self._project.folder / "lake" / dataset).glob(f"{KEY}=*")):
                    if self._over.wait(0.0005):
                        return
                    self._look(dataset, path.name.partition("=")[2])

    def _look(self, dataset: str, partition: str) -> None:
        try:
            problems = torn(self._project, dataset, partition)
        except Exception as error:  # noqa: BLE001 - whatever a reader stumbles over breaks the law
            problems = [f"{type(error).__name__}: {error}"]
        self.problems |= dict.fromkeys(f"a reader saw {dataset} {partition}: {problem}" for problem in problems)
        self.reads += 1


def fingerprint(project: Project) -> dict[str, str]:
    """A digest of everything that a late writer could change: ledger rows, lake files, the table's rows.

    Not of what a write makes beside its target, and takes away itself.
    """
    lake = project.folder / "lake"
    files = (path for path in lake.rglob("[!.]*") if path.is_file() and "locks" not in path.parts)
    told = {str(path.relative_to(lake)): _digest(path) for path in files}
    with project.reader() as reader:
        for table in ("attempts", "publications", "planes", "runs", "blocks", "events", "backfills", "controllers"):
            told[f"ledger {table}"] = hashlib.sha256(repr(reader.query(f"SELECT * FROM {table}")).encode()).hexdigest()
    return {**told, "duckdb": hashlib.sha256(repr(project.duckdb()).encode()).hexdigest()}


def is_held(path: Path) -> bool:
    """Whether somebody has the lock file."""
    lock = FileLock(path)
    try:
        if lock.try_acquire():
            lock.release()
            return False
        return True
    finally:
        lock.close()
