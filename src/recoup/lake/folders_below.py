"""Which partitions and runs a lake has, by the names of its folders alone.

A listing looks at every file; of a local lake with a hundred thousand partitions that takes longer than reading them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from recoup.lake.layout import MANIFESTS
from recoup.lake.local import LocalStore
from recoup.ports import ObjectStore

T = TypeVar("T")
_RUN = "run="


def folders_below(store: ObjectStore, prefix: str) -> list[str]:
    """The names of the folders directly below a prefix, in order."""
    if isinstance(store, LocalStore):
        return _names(f"{store.url}/{prefix}")
    own = len(prefix)
    names = (info.key[own:].partition("/") for info in store.list(prefix))
    return list(dict.fromkeys(name for name, slash, _ in names if slash))


def run_folders(store: ObjectStore, dataset: str) -> Iterator[tuple[str, list[str]]]:
    """Each partition's path below its dataset, in order, with the runs that have a manifest folder.

    A partition without manifests comes too: its pointer may be there.
    """
    data, manifests = f"{dataset}/", f"{MANIFESTS}{dataset}/"
    if isinstance(store, LocalStore):
        yield from _local_run_folders(f"{store.url}/{data}", f"{store.url}/{manifests}")
        return
    runs: dict[str, dict[str, None]] = {}
    for prefix in (data, manifests):
        for info in store.list(prefix):
            path, _, rest = info.key[len(prefix) :].partition(f"/{_RUN}")
            found = runs.setdefault(path.removesuffix("/current.json"), {})
            if rest and prefix == manifests:
                found[rest.partition("/")[0]] = None
    for path in sorted(runs):
        yield path, list(runs[path])


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of that many, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _local_run_folders(data: str, manifests: str) -> Iterator[tuple[str, list[str]]]:
    """A grid's partition lies two folders deep: one that holds neither runs nor a pointer holds partitions."""
    own = set(_names(manifests))
    for name in sorted(own | set(_names(data))):
        listed = _names(f"{manifests}{name}") if name in own else []
        runs = [folder.removeprefix(_RUN) for folder in listed if folder.startswith(_RUN)]
        below = [folder for folder in listed or _names(f"{data}{name}") if not folder.startswith(_RUN)]
        if runs or not below:
            yield name, runs
        else:
            inner = _local_run_folders(f"{data}{name}/", f"{manifests}{name}/")
            yield from ((f"{name}/{path}", found) for path, found in inner)


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
