"""Whether published files still are what was published: their bytes against the digests that were kept."""

from __future__ import annotations

from recoup.lake.data_files import hashed
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
