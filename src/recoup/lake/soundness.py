"""Whether published files still are what was published: their bytes against the digests that were kept."""

from __future__ import annotations

import os

from recoup.lake.data_files import hashed, present, uri_of
from recoup.lake.footer import rows_in
from recoup.lake.layout import PlaceKind, place_of
from recoup.lake.manifests import read_manifest
from recoup.model.errors import CorruptError
from recoup.model.manifest import DataFile
from recoup.ports import ObjectStore


def difference(store: ObjectStore, file: DataFile) -> str:
    """What became of it, as the end of a sentence; empty when it is as it was. Reads all of it."""
    try:
        digest, size_bytes = hashed(store, file.path)
    except FileNotFoundError:
        return "is gone"
    if size_bytes != file.size_bytes:
        return f"has {size_bytes:,} bytes instead of {file.size_bytes:,}"
    return "" if digest == file.digest else "has other bytes than were published"


def unreadable(store: ObjectStore, file: DataFile) -> str:
    """Why it does not hold the rows that were published, as the end of a sentence; reads its footer alone."""
    try:
        rows = rows_of(store, file.path)
    except FileNotFoundError:
        return "is gone"
    except (ValueError, OSError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return "" if rows == file.rows else f"has {rows:,} rows instead of {file.rows:,}"


def absent(store: ObjectStore, file: DataFile) -> str:
    """Whether it is there at all, as long as it was: one look into a folder."""
    uri = uri_of(store, file.path)
    if "://" in uri:
        return "" if present(store, [file.path]) else "is gone"
    try:
        size_bytes = os.stat(uri).st_size  # noqa: PTH116 - asked for each of many files: a Path costs more
    except OSError:
        return "is gone"
    return "" if size_bytes == file.size_bytes else f"has {size_bytes:,} bytes instead of {file.size_bytes:,}"


def rows_of(store: ObjectStore, path: str) -> int:
    """How many rows a file has, by its footer; OSError or ValueError when that cannot be read."""
    uri = uri_of(store, path)
    if "://" not in uri:
        return rows_in(uri)
    import polars as pl

    from recoup.lake.scan import scan

    try:
        return int(scan(store, [path]).select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def corrupt_file(store: ObjectStore, path: str) -> CorruptError | None:
    """The error that a file of the lake deserves, by its run's manifest; None when it is sound, or nobody can tell."""
    place = place_of(path)
    if place is None or place.kind is not PlaceKind.DATA:
        return None
    try:
        manifest = read_manifest(store, place.dataset, place.key, place.partition, place.run_id)
    except CorruptError:
        return None
    told = next((file for file in manifest.outputs if file.path == path), None) if manifest else None
    what = difference(store, told) if told else ""
    if not what:
        return None
    message = f"{place.dataset} {place.partition} is corrupt: {store.uri(path)} {what}"
    return CorruptError(message, remedy(place.dataset, place.partition))


def remedy(dataset: str, partition: str) -> str:
    """What to type: nobody shall read it any more, and then it counts as missing."""
    away = f"recoup publish rollback {dataset} {partition} --to none --yes"
    return f"take it out of sight with `{away}`; then it is missing, and the next run makes it again"
