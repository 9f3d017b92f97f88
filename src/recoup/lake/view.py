"""What is current, for readers from outside: its files, and the text of a DuckDB view over them.

They must not glob run folders: those hold attempts that failed and generations that are over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recoup.lake.manifests import read_manifest
from recoup.model.errors import CorruptError, UsageError
from recoup.model.manifest import DataFile, Pointer
from recoup.ports import ObjectStore

_REMEDY = "`recoup lake verify --repair` writes it again from the ledger"


@dataclass(frozen=True, slots=True)
class CurrentPartition:
    """The files that a partition consists of now, and their columns as polars names the types."""

    key: str
    partition: str
    run_id: str
    files: tuple[DataFile, ...]
    columns: Mapping[str, str]


def current_of(store: ObjectStore, key: str, pointer: Pointer) -> CurrentPartition | None:
    """What is current by this pointer, from the lake or from the ledger; None when nothing is."""
    run_id = pointer.current.run_id
    if run_id is None:
        return None
    manifest = read_manifest(store, pointer.dataset, key, pointer.partition, run_id)
    if manifest is None:
        message = f"{pointer.dataset} {pointer.partition}: run {run_id} is current, but its manifest is gone"
        raise CorruptError(message, _REMEDY)
    if manifest.digest != pointer.current.digest:
        message = (
            f"{pointer.dataset} {pointer.partition}: the manifest of run {run_id} is not the one that was published"
        )
        raise CorruptError(message, _REMEDY)
    return CurrentPartition(key, pointer.partition, run_id, manifest.outputs, manifest.columns)


def view_sql(name: str, paths: Iterable[str]) -> str:
    """`CREATE OR REPLACE VIEW` over these files. UsageError when there are none: DuckDB knows no view of nothing."""
    files = list(paths)
    if not name or "\0" in name:
        message = f"{name!r} cannot name a view"
        raise UsageError(message, "give it the dataset's name")
    if not files:
        message = f"nothing is published that the view {name!r} could show"
        raise UsageError(message, "publish a partition first")
    listed = ",\n    ".join(quoted_string(_unglobbed(file)) for file in files)
    # Folder names such as run=… would become columns.
    options = "union_by_name=true, hive_partitioning=false"
    return (
        f"CREATE OR REPLACE VIEW {quoted_name(name)} AS\nSELECT * FROM read_parquet([\n    {listed}\n], {options});\n"
    )


def quoted_name(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_string(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _unglobbed(path: str) -> str:
    """Each character that DuckDB would expand, as a class of its own."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)
