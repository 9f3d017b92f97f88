"""What a lake tells of its partitions: pointer and manifests of one at a time, corrupt ones told and left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

from recoup.lake.folders_below import batched, folders_below, run_folders
from recoup.lake.layout import MANIFESTS, PlaceKind, data_prefix, place_of
from recoup.lake.local import LocalStore
from recoup.lake.manifests import read_manifest
from recoup.lake.pointers import read_pointer
from recoup.model.errors import CorruptError
from recoup.model.manifest import DataFile, Generation, Manifest, Pointer, output_digest
from recoup.ports import ObjectStore

LOCAL_THREADS = 4
REMOTE_THREADS = 32
PARTITIONS_AT_ONCE = 64
_Folder = tuple[str, list[str]]
_Read = tuple["LakePartition | None", list[str]]


@dataclass(slots=True)
class LakePartition:
    """One partition's pointer and manifests, as far as they are sound."""

    key: str
    partition: str
    pointer: Pointer | None = None
    manifests: list[Manifest] = field(default_factory=list)
    has_corrupt_pointer: bool = False


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
    return [name for name in folders_below(store, MANIFESTS) if name != "backfills"]


def partitions_of(store: ObjectStore, dataset: str, trouble: list[str]) -> Iterator[LakePartition]:
    """Every partition of a dataset, in the order of their paths; sentences about what is corrupt go to `trouble`."""
    # A folder's files cost the interpreter more than the disk; behind a network it is the other way round.
    threads = LOCAL_THREADS if isinstance(store, LocalStore) else REMOTE_THREADS
    for chunk in _read_ahead(store, dataset, threads):
        for partition, complaints in chunk:
            trouble += complaints
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


def _read_ahead(store: ObjectStore, dataset: str, threads: int) -> Iterator[list[_Read]]:
    """Many requests on their way at once, answers in order, no more of them in memory than threads."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[list[_Read]]] = deque()
        for chunk in batched(run_folders(store, dataset), PARTITIONS_AT_ONCE):
            waiting.append(pool.submit(_read_chunk, store, dataset, chunk))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read_chunk(store: ObjectStore, dataset: str, chunk: Iterable[_Folder]) -> list[_Read]:
    return [_read_one(store, dataset, path, runs) for path, runs in chunk]


def _read_one(store: ObjectStore, dataset: str, path: str, runs: Sequence[str]) -> _Read:
    """A partition's pointer and manifests; None for a folder that is no partition's."""
    place = place_of(f"{dataset}/{path}/current.json")
    if place is None:
        return None, []
    found, trouble = LakePartition(place.key, place.partition), []
    try:
        found.pointer = read_pointer(store, dataset, place.key, place.partition)
    except CorruptError as error:
        found.has_corrupt_pointer = True
        trouble.append(error.message)
    for run_id in runs:
        try:
            manifest = read_manifest(store, dataset, place.key, place.partition, run_id)
        except CorruptError as error:
            trouble.append(error.message)
        else:
            found.manifests += [manifest] if manifest else []
    return found, trouble
