"""What there is to adopt: files that a pattern finds, by partition, judged by their footers alone.

A file of this lake is named by its key, one beside it by its absolute path or URL; nothing is moved. A lake in a folder
takes local files, a lake in a bucket files of the same bucket: whoever reads the one can then read the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from recoup.app.path_patterns import PathPattern
from recoup.lake.data_files import uri_of
from recoup.lake.layout import MANIFESTS, OWNER
from recoup.lake.local import LocalStore
from recoup.lake.stores import open_store
from recoup.model.errors import RefusedError, UsageError
from recoup.model.keys import quoted
from recoup.model.partitioning import Partitioning
from recoup.ports import ObjectStore

READERS = 4
_NAMED = 3
_WILD = "*?[{"
_RUNS = "run=*"


@dataclass(frozen=True, slots=True)
class OldFile:
    """One Parquet file that is there already; `path` is as a manifest names it."""

    path: str
    size_bytes: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class Opened:
    """What its footer says."""

    rows: int
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """Files by ordinal, in the order of their paths; `strangers` match the pattern and name no partition."""

    files: Mapping[int, tuple[OldFile, ...]]
    strangers: tuple[str, ...]


def listing(store: ObjectStore, text: str, partitioning: Partitioning) -> Listing:
    """Find the files; refused when the pattern says no partition, finds nothing, or finds what recoup wrote."""
    pattern = PathPattern(text if "://" in text else os.path.abspath(text), partitioning)  # noqa: PTH100 - a pattern is no Path
    if not pattern.says_partition:
        message = f"the pattern {quoted(text)} does not say where the partition stands"
        raise UsageError(message, 'write {partition} where its key stands, as in "old/dt={partition}/*.parquet"')
    found = _in_bucket(store, pattern) if "://" in text else _in_folders(store, pattern)
    if not found:
        message = f"no file matches {quoted(pattern.text)}"
        raise UsageError(message, "mend the pattern; it is relative to the current folder")
    files: dict[int, list[OldFile]] = {}
    strangers = []
    for path, ordinal in pattern.matched(found):
        if ordinal is None:
            strangers.append(path)
        else:
            files.setdefault(ordinal, []).append(found[path])
    ordered = {o: tuple(sorted(files[o], key=lambda file: file.path)) for o in sorted(files)}
    return Listing(ordered, tuple(strangers))


def opened(store: ObjectStore, files: Iterable[OldFile]) -> dict[str, Opened]:
    """The footers by path; UsageError names the files that are no Parquet."""
    known: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
    found: dict[str, Opened] = {}
    wrong = []
    with ThreadPoolExecutor(READERS, thread_name_prefix="footers") as threads:
        for file, answer in threads.map(lambda file: (file, _open(store, file)), files):
            if isinstance(answer, str):
                wrong.append(f"{uri_of(store, file.path)} ({answer})")
            else:
                columns = known.setdefault(tuple(answer.columns.items()), answer.columns)
                found[file.path] = Opened(answer.rows, columns)
    if wrong:
        message = f"{len(wrong)} of these files {'is' if len(wrong) == 1 else 'are'} no Parquet: {_some(wrong)}"
        raise UsageError(message, "nothing was adopted: narrow the pattern, or mend the files")
    return found


def refuse_mixed(name: str, files: Sequence[OldFile], footers: Mapping[str, Opened]) -> None:
    """The files of one partition must be one table."""
    first = footers[files[0].path].columns
    for file in files[1:]:
        columns = footers[file.path].columns
        if columns != first:
            odd = next(c for c in [*first, *columns] if first.get(c) != columns.get(c))
            told = [
                f"{odd!r} is {of.get(odd, 'not there')} in {p.path}" for of, p in ((first, files[0]), (columns, file))
            ]
            message = f"partition {name}: its files have different columns: {told[0]}, {told[1]}"
            raise UsageError(message, "nothing was adopted: make the files of a partition alike, or adopt a part")


def _open(store: ObjectStore, file: OldFile) -> Opened | str:
    """The footer, or why there is none."""
    import polars as pl

    from recoup.lake.dtypes import text_of
    from recoup.lake.footer import rows_in
    from recoup.lake.scan import scan

    uri = uri_of(store, file.path)
    try:
        if "://" not in uri:
            rows = rows_in(uri)
            return Opened(rows, text_of(pl.read_parquet_schema(uri)))
        frame = scan(store, [file.path])
        return Opened(int(frame.select(pl.len()).collect().item()), text_of(frame.collect_schema()))
    except (ValueError, OSError, pl.exceptions.PolarsError) as error:
        return " ".join(str(error).split())[:120]


def _in_folders(store: ObjectStore, pattern: PathPattern) -> dict[str, OldFile]:
    """Files of this machine, by the path that the pattern finds."""
    if not isinstance(store, LocalStore):
        message = f"the lake {store.url} is no folder, so it cannot refer to files on this machine"
        raise UsageError(
            message, "copy them into the lake's bucket, then name them by URL: s3://…/dt={partition}/*.parquet"
        )
    real: dict[str, str] = {}
    free: set[str] = set()
    found: dict[str, OldFile] = {}
    for path in pattern.globbed():
        folder, name = os.path.split(path)
        if folder not in real:
            real[folder] = os.path.realpath(folder)
            _refuse_owned(store.url, real[folder], free)
        place = os.path.realpath(path) if os.path.islink(path) else f"{real[folder].rstrip('/')}/{name}"  # noqa: PTH114 - as above
        if os.path.isdir(place):  # noqa: PTH112 - as above
            continue
        told = os.stat(place)  # noqa: PTH116 - as above
        found[path] = OldFile(_own_path(store, place), told.st_size, told.st_mtime)
    if not found:
        for path in pattern.below(_RUNS).globbed():
            _own_path(store, os.path.realpath(path))
    return found


def _in_bucket(store: ObjectStore, pattern: PathPattern) -> dict[str, OldFile]:
    """Files of the lake's bucket, by their URLs."""
    wanted, own = urlsplit(pattern.text), urlsplit(store.url)
    if (wanted.scheme, wanted.netloc) != (own.scheme, own.netloc):
        message = f"{quoted(pattern.text)} does not lie where the lake lies, {store.url}"
        raise UsageError(message, "adopt from the lake's own bucket, or by a local pattern into a lake in a folder")
    top = _fixed(pattern.text)
    beside = store if f"{top}/".startswith(f"{store.url}/") else open_store(top, read_only=True)
    prefix = top[len(beside.url) :].strip("/")
    found: dict[str, OldFile] = {}
    listed = {beside.uri(info.key): info for info in beside.list(f"{prefix}/" if prefix else "")}
    if beside is not store:
        _refuse_owned_urls(top, listed)
    for uri in pattern.fits(listed):
        info = listed[uri]
        found[uri] = OldFile(_own_path(store, uri), info.size_bytes, info.modified_at.timestamp())
    if not found:
        for uri in pattern.below(_RUNS).fits(listed):
            _own_path(store, uri)
    return found


def _own_path(store: ObjectStore, place: str) -> str:
    """As a manifest names it; RefusedError for what recoup wrote itself."""
    root = f"{store.url}/"
    if not place.startswith(root):
        return place
    key = place[len(root) :]
    if key.startswith((MANIFESTS, "_recoup/")) or "/run=" in key:
        message = f"{place} lies in the lake's own folders: recoup owns it already"
        raise RefusedError(message, "narrow the pattern to files that recoup has not written")
    return key


def _refuse_owned(lake: str, folder: str, known: set[str]) -> None:
    """Another lake's folder is somebody else's, who moves and deletes in it as they like."""
    level = folder
    while level not in (lake, "") and level not in known:
        if os.path.exists(f"{level}/{OWNER}"):  # noqa: PTH110 - asked for each folder of a history
            raise _owned(level)
        known.add(level)
        level = level.rpartition("/")[0]


def _refuse_owned_urls(top: str, listed: Iterable[str]) -> None:
    """The same in a bucket: a lake that lies below, or one that all of it lies in."""
    below = next((uri for uri in listed if uri.endswith(f"/{OWNER}")), None)
    if below is not None:
        raise _owned(below.removesuffix(f"/{OWNER}"))
    for level in _levels(top):
        if open_store(level, read_only=True).get(OWNER) is not None:
            raise _owned(level)


def _owned(folder: str) -> RefusedError:
    message = f"{folder} is a lake that recoup owns already: files in it may go at any time"
    return RefusedError(message, "copy what you need out of it, or make that lake this project's own")


def _fixed(pattern: str) -> str:
    """The part of a URL's path above the first folder that is not fixed."""
    scheme, _, rest = pattern.partition("://")
    bucket, *parts = rest.split("/")
    fixed = []
    for part in parts[:-1]:
        if any(char in part for char in _WILD):
            break
        fixed.append(part)
    return "/".join([f"{scheme}://{bucket}", *fixed])


def _levels(top: str) -> Iterator[str]:
    scheme, _, rest = top.partition("://")
    parts = rest.split("/")
    yield from (f"{scheme}://{'/'.join(parts[:count])}" for count in range(1, len(parts) + 1))


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f", and {more} more" if more > 0 else "")
