"""What a lake tells of its partitions: pointer and manifests of one at a time, corrupt ones told and left out."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Any

from recoup.lake.layout import Place, PlaceKind, data_prefix, partition_path, place_of
from recoup.lake.manifests import manifests_below
from recoup.lake.pointers import pointers_below
from recoup.model.errors import CorruptError
from recoup.model.manifest import DataFile, Generation, Manifest, Pointer, output_digest
from recoup.ports import ObjectStore

_Found = tuple[str, int, Place, Pointer | Manifest | CorruptError]


@dataclass(slots=True)
class LakePartition:
    """One partition's pointer and manifests; `doubt` when one of them was corrupt."""

    key: str
    partition: str
    pointer: Pointer | None = None
    manifests: list[Manifest] = field(default_factory=list)
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What a generation consists of, and how it was made, as far as the lake tells."""

    files: tuple[DataFile, ...]
    columns: dict[str, str]
    rows: int | None
    code_version: str = ""
    input_version: str = ""


def dataset_names(store: ObjectStore) -> list[str]:
    """Datasets that have a manifest, whatever pipeline made them."""
    found: dict[str, None] = {}
    for info in store.list("manifests/"):
        name = info.key.split("/", 2)[1]
        if name != "backfills":
            found[name] = None
    return list(found)


def partitions_of(store: ObjectStore, dataset: str, trouble: list[str]) -> Iterator[LakePartition]:
    """Every partition of a dataset, in the order of their paths; sentences about what is corrupt go to `trouble`."""
    # Both listings are in order, so one partition's things come together, and no more is held than that.
    merged = heapq.merge(_pointers(store, dataset), _manifests(store, dataset), key=_order)
    for _, group in groupby(merged, key=lambda found: found[0]):
        partition: LakePartition | None = None
        for _, _, place, thing in group:
            partition = partition or LakePartition(place.key, place.partition)
            match thing:
                case Pointer():
                    partition.pointer = thing
                case Manifest():
                    partition.manifests.append(thing)
                case CorruptError():
                    partition.doubt = True
                    trouble.append(thing.message)
        if partition is not None:
            yield partition


def output_of(store: ObjectStore, found: LakePartition, dataset: str, generation: Generation) -> Output | None:
    """The files of a generation: as its manifest lists them, else as they lie in its run's folder; None: gone.

    A manifest tells of the last attempt of its run only. An earlier one's files are known by their names, which hold
    attempt and nonce, and by their digest.
    """
    assert generation.run_id is not None
    for manifest in found.manifests:
        same = (manifest.run_id, manifest.digest) == (generation.run_id, generation.digest)
        if same and manifest.outcome == "success":
            m = manifest
            return Output(m.outputs, dict(m.columns), m.rows, m.code_version, m.input_version)
    return _in_folder(store, found, dataset, generation)


def _in_folder(store: ObjectStore, found: LakePartition, dataset: str, generation: Generation) -> Output | None:
    attempts: dict[str, list[str]] = {}
    for info in store.list(data_prefix(dataset, found.key, found.partition, generation.run_id or "")):
        place = place_of(info.key)
        if place is not None and place.kind is PlaceKind.DATA:
            attempts.setdefault(info.key.rpartition("-")[0], []).append(info.key)
    for paths in attempts.values():
        ordered = sorted(paths, key=lambda path: int(path.rpartition("-")[2].removesuffix(".parquet")))
        files = tuple(_file(store, path) for path in ordered)
        if output_digest(files) == generation.digest:
            return Output(*_opened(store, files))
    return None


def _file(store: ObjectStore, path: str) -> DataFile:
    stored = store.get(path)
    data = stored.data if stored else b""
    return DataFile(path, 0, len(data), sha256(data).hexdigest())


def _opened(store: ObjectStore, files: tuple[DataFile, ...]) -> tuple[tuple[DataFile, ...], dict[str, str], int]:
    """With rows and columns, as the files' own footers have them."""
    import polars as pl

    from recoup.lake.dtypes import text_of
    from recoup.lake.scan import scan

    counted = []
    for file in files:
        rows = int(scan(store, [file]).select(pl.len()).collect().item())
        counted.append(DataFile(file.path, rows, file.size_bytes, file.digest))
    columns = text_of(scan(store, list(files)).collect_schema())
    return tuple(counted), columns, sum(file.rows for file in counted)


def _pointers(store: ObjectStore, dataset: str) -> Iterator[_Found]:
    return ((_path(place), 0, place, pointer) for place, pointer in pointers_below(store, dataset))


def _manifests(store: ObjectStore, dataset: str) -> Iterator[_Found]:
    return ((_path(place), 1, place, manifest) for place, manifest in manifests_below(store, dataset))


def _path(place: Place) -> str:
    """With its closing slash, so that it sorts as the keys below it do."""
    return f"{partition_path(place.key, place.partition)}/"


def _order(found: tuple[Any, ...]) -> tuple[str, int]:
    return found[0], found[1]
