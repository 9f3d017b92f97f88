"""Manifests beside the data: written after the fact, found corrupt before anybody trusts them."""

from __future__ import annotations

import json
from contextlib import suppress

from recoup.lake import layout
from recoup.lake.layout import Place, PlaceKind
from recoup.model.errors import CorruptError
from recoup.model.manifest import MANIFEST_VERSION, Manifest
from recoup.ports import ObjectStore

_REMEDY = (
    "`recoup lake verify --repair` writes it again from the ledger; without a ledger, make the partition anew: "
    "recoup run PIPELINE {partition}"
)


def write_manifest(store: ObjectStore, key: str, manifest: Manifest, *, sync: bool) -> str:
    """Put it under its place and return that; unsynced it may be lost or torn by a power cut, which is noticed."""
    place = layout.manifest(manifest.dataset, key, manifest.partition, manifest.run_id)
    store.put(place, manifest.to_bytes(), sync=sync)
    return place


def read_manifest(store: ObjectStore, dataset: str, key: str, partition: str, run_id: str) -> Manifest | None:
    """The manifest of a run, None when there is none; CorruptError when its bytes are not what was written."""
    place = Place(PlaceKind.MANIFEST, dataset, key, partition, run_id)
    return _read(store, layout.manifest(dataset, key, partition, run_id), place)


def _read(store: ObjectStore, path: str, place: Place) -> Manifest | None:
    stored = store.get(path)
    if stored is None:
        return None
    remedy = _REMEDY.format(partition=place.partition)
    where = f"the manifest {store.uri(path)}"
    try:
        manifest = Manifest.from_bytes(stored.data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if _is_newer(stored.data):
            message = f"{where} was written by a newer version of recoup"
            raise CorruptError(message, "upgrade recoup") from error
        message = f"{where} is corrupt: {error}"
        raise CorruptError(message, remedy) from error
    if (manifest.dataset, manifest.partition, manifest.run_id) != (place.dataset, place.partition, place.run_id):
        message = f"{where} belongs to {manifest.dataset} {manifest.partition}, run {manifest.run_id}"
        raise CorruptError(message, remedy)
    return manifest


def _is_newer(data: bytes) -> bool:
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        return int(json.loads(data)["manifest_version"]) > MANIFEST_VERSION
    return False
