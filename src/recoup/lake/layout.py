"""Where everything lies in a lake: names to keys, and listed keys back to names. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from recoup.model.errors import PartitionError, UsageError
from recoup.model.keys import member_of, path_segment, quoted, sides_of

OWNER = "_recoup/owner.json"
LOCKS = "_recoup/locks"
MANIFESTS = "manifests/"

_SHORTEST = len(("dataset", "key=partition", "run=id", "file"))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_DATA_FILE = re.compile(r"a(\d{1,9})-([A-Za-z0-9]{1,64})-(\d{1,9})\.parquet")
_LEFTOVER = re.compile(r"\.[^/]+\.[0-9a-f]{16}\.tmp")


class PlaceKind(Enum):
    """What a key holds; OTHER lies in a run's folder but is none of the known files."""

    DATA = "data"
    OTHER = "other"
    MANIFEST = "manifest"
    POINTER = "pointer"


@dataclass(frozen=True, slots=True)
class Place:
    """What a listed key stands for; `run_id` is empty for a pointer, `attempt` 0 for anything but data."""

    kind: PlaceKind
    dataset: str
    key: str
    partition: str
    run_id: str = ""
    attempt: int = 0


def partition_path(key: str, partition: str) -> str:
    """`dt=2013-01-01`, of a grid `dt=2023-11-15/tenant=acme`."""
    return "/".join(path_segment(name, member) for name, member in sides_of(key, partition).items())


def partition_prefix(dataset: str, key: str, partition: str) -> str:
    """The folder of a partition: its pointer and its runs."""
    return f"{_checked(_DATASET, dataset, 'a dataset')}/{partition_path(key, partition)}/"


def data_prefix(dataset: str, key: str, partition: str, run_id: str) -> str:
    """The folder of one run's data; create-only, so that nobody overwrites anybody."""
    return f"{partition_prefix(dataset, key, partition)}run={_checked(_ID, run_id, 'a run')}/"


def data_file(dataset: str, key: str, partition: str, run_id: str, attempt: int, nonce: str, n: int) -> str:
    """The n-th file of an attempt; the nonce keeps two tries of the same number apart."""
    name = f"a{attempt}-{nonce}-{n}.parquet"
    if not _DATA_FILE.fullmatch(name):
        message = f"{quoted(name)} cannot name a data file"
        raise UsageError(message, "attempts and files are counted from 0, a nonce has letters and digits only")
    return data_prefix(dataset, key, partition, run_id) + name


def pointer(dataset: str, key: str, partition: str) -> str:
    """The key of `current.json`."""
    return f"{partition_prefix(dataset, key, partition)}current.json"


def corrupt_pointer(path: str, digest: str) -> str:
    """Where the bytes of a corrupt pointer are kept, beside the one that takes its place."""
    return f"{path}.corrupt-{digest[:16]}"


def manifests_prefix(dataset: str, key: str, partition: str) -> str:
    """The folder with the manifests of all runs of a partition."""
    return MANIFESTS + partition_prefix(dataset, key, partition)


def manifest(dataset: str, key: str, partition: str, run_id: str) -> str:
    """The key of a run's manifest."""
    return f"{MANIFESTS}{data_prefix(dataset, key, partition, run_id)}manifest.json"


def summary(backfill_id: str) -> str:
    """The key of a backfill's summary."""
    return f"{MANIFESTS}backfills/{_checked(_ID, backfill_id, 'a backfill')}/summary.json"


def waivers(pipeline: str) -> str:
    """The key of a pipeline's accepted gaps."""
    return f"_recoup/waivers/{_checked(_DATASET, pipeline, 'a pipeline')}.json"


def is_leftover(key: str) -> bool:
    """Whether it is what a write that was killed left beside its target."""
    return _LEFTOVER.fullmatch(key.rpartition("/")[2]) is not None


def place_of(key: str) -> Place | None:
    """What a key stands for; None when this layout would never have written it."""
    parts = key.split("/")
    in_manifests = parts[0] == "manifests" and len(parts) > 1 and "=" not in parts[1]
    if in_manifests:
        parts = parts[1:]
    name = parts[-1]
    if in_manifests:
        return _run_place(PlaceKind.MANIFEST, parts) if name == "manifest.json" else None
    if name == "current.json":
        return _place(PlaceKind.POINTER, parts[0], parts[1:-1])
    match = _DATA_FILE.fullmatch(name)
    if match:
        return _run_place(PlaceKind.DATA, parts, int(match[1]))
    return _run_place(PlaceKind.OTHER, parts)


def is_outside(path: str) -> bool:
    """Whether a manifest names a file that lies beside the lake: an absolute path or a URL, which no key can be."""
    return path.startswith("/") or "://" in path


def is_staged(path: str) -> bool:
    """Whether a file lies below a run, where its path tells its partition; what was adopted lies where it lay."""
    return "/run=" in path and not is_outside(path)


def check_key(key: str) -> str:
    """The key itself, when it stays below the root in a folder as well as in a bucket; else UsageError."""
    parts = key.split("/")
    if "" in parts or "." in parts or ".." in parts or "\0" in key or "\\" in key:
        message = f"{quoted(key)} is not a key below a lake"
        raise UsageError(message, "keys are relative, separated by `/`, without `.`, `..` and empty parts")
    return key


def check_prefix(prefix: str) -> str:
    """A folder's prefix with its closing `/`; empty for the whole lake."""
    return f"{check_key(prefix.removesuffix('/'))}/" if prefix else ""


def _run_place(kind: PlaceKind, parts: list[str], attempt: int = 0) -> Place | None:
    if len(parts) < _SHORTEST or not parts[-2].startswith("run="):
        return None
    run_id = parts[-2].removeprefix("run=")
    return _place(kind, parts[0], parts[1:-2], run_id, attempt) if _ID.fullmatch(run_id) else None


def _place(kind: PlaceKind, dataset: str, segments: list[str], run_id: str = "", attempt: int = 0) -> Place | None:
    if not segments or not _DATASET.fullmatch(dataset):
        return None
    try:
        members = [member_of(segment) for segment in segments]
    except PartitionError:
        return None
    names = [segment.partition("=")[0] for segment in segments]
    return Place(kind, dataset, "/".join(names), "/".join(members), run_id, attempt)


def _checked(pattern: re.Pattern[str], name: str, what: str) -> str:
    if not pattern.fullmatch(name):
        message = f"{quoted(name)} cannot name {what}"
        raise UsageError(message, "use letters, digits, - and _ only")
    return name
