"""Data files by the path that a manifest has for them: keys of the lake, or what was adopted from beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from recoup.lake.layout import is_outside
from recoup.ports import ObjectStore

_PIECE_BYTES = 16 << 20


def uri_of(store: ObjectStore, path: str) -> str:
    """What polars opens: an absolute path or a URL."""
    return path if is_outside(path) else store.uri(path)


def hashed(store: ObjectStore, path: str) -> tuple[str, int]:
    """The sha256 of a file's bytes and how many there are; FileNotFoundError when it is gone."""
    uri = uri_of(store, path)
    if "://" not in uri:
        return _hashed_file(uri)
    stored = store.get(path) if not is_outside(path) else _beside(uri.rpartition("/")[0]).get(uri.rpartition("/")[2])
    if stored is None:
        raise FileNotFoundError(uri)
    return hashlib.sha256(stored.data).hexdigest(), len(stored.data)


def _hashed_file(path: str) -> tuple[str, int]:
    """In large pieces: between two of them a busy thread of ours would keep this one waiting for milliseconds."""
    digest, size_bytes = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - asked for each of many files: a Path costs more
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
    return digest.hexdigest(), size_bytes


def present(store: ObjectStore, paths: Iterable[str]) -> set[str]:
    """Those of the files that are there."""
    found: set[str] = set()
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        uri = uri_of(store, path)
        if "://" not in uri:
            found |= {path} if Path(uri).is_file() else set()
        else:
            by_folder.setdefault(uri.rpartition("/")[0], []).append(path)
    for folder, own in by_folder.items():
        there = _listed(store, folder)
        found |= {path for path in own if uri_of(store, path) in there}
    return found


def _listed(store: ObjectStore, folder: str) -> set[str]:
    """The URLs of what lies in a folder of a bucket, or of a lake in memory."""
    if f"{folder}/".startswith(f"{store.url}/"):
        prefix = folder[len(store.url) :].strip("/")
        return {store.uri(info.key) for info in store.list(f"{prefix}/" if prefix else "")}
    beside = _beside(folder)
    return {beside.uri(info.key) for info in beside.list("")}


def _beside(folder: str) -> ObjectStore:
    """A folder of the lake's bucket: only what was adopted lies there."""
    from recoup.lake.stores import open_store

    return open_store(folder, read_only=True)
