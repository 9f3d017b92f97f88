"""What the world looks like before a plan is made: which partitions are expected, and what the sources have."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath

from recoup.model.calendar import parse_keys
from recoup.model.errors import ConfigError, PartitionError, RecoupError, UnreachableError
from recoup.model.graph import Node
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.static_partitioning import Static
from recoup.model.time_base import TimePartitioning
from recoup.model.time_partitionings import Hourly


@dataclass(frozen=True, slots=True)
class Presence:
    """What a source has; versions only where it knows them."""

    present: PartitionSet
    versions: dict[int, str] = field(default_factory=dict)


def expected(partitioning: Partitioning, now: datetime, root: Path) -> PartitionSet:
    """The declared partitions that are on the calendar."""
    universe = partitioning.universe(now)
    calendar = partitioning.calendar
    if calendar is None:
        return universe
    if calendar.path is None:
        return calendar.mask(partitioning, universe)
    path = root / calendar.path
    try:
        return parse_keys(path.read_text(encoding="utf-8"), partitioning) & universe
    except OSError as error:
        message = f"the calendar {path} cannot be read: {error.strerror}"
        raise ConfigError(message, "mend the path, which is relative to recoup.toml") from error
    except UnicodeDecodeError as error:
        message = f"the calendar {path} is no text in UTF-8"
        raise ConfigError(message, "save it as UTF-8, one key a line") from error
    except PartitionError as error:
        message = f"the calendar {path}, {error.message}"
        raise PartitionError(message, error.remedy) from error


def presence(node: Node, universe: PartitionSet, root: Path) -> Presence:
    """Ask a source about its partitions."""
    source = node.source
    assert source is not None
    if source.files is not None:
        found = _listed(str(PurePath(glob.escape(str(root))) / source.files), node.partitions)
        return Presence(PartitionSet.of(found) & universe)
    assert source.probe is not None
    present, versions = [], {}
    for ordinal in universe:
        name = node.partitions.name(ordinal)
        answer = _ask(source.name, source.probe, name)
        if answer:
            present.append(ordinal)
            if isinstance(answer, str):
                versions[ordinal] = answer
    return Presence(PartitionSet.of(present), versions)


def _ask(source: str, probe: object, partition: str) -> bool | str | None:
    try:
        answer: bool | str | None = probe(partition)  # type: ignore[operator] # checked when the source was declared
    except RecoupError:
        raise
    except Exception as error:
        message = f"source {source!r} could not be asked about {partition}: {type(error).__name__}: {error}"
        raise UnreachableError(message, "see that the source answers, then run the same command again") from error
    return answer


def _listed(pattern: str, partitioning: Partitioning) -> Iterator[int]:
    """The ordinals whose files exist; what matches the pattern but is no key is somebody else's file."""
    first, *others = map(_regex, pattern.split("{partition}"))
    key = re.compile(f"{first}(?P<key>{_key(partitioning)}){'(?P=key)'.join(others)}")
    paths = glob.iglob(pattern.replace("{partition}", "*"), recursive=True)  # noqa: PTH207 - Path.glob refuses absolute ones
    for path in paths:
        if match := key.fullmatch(path):
            try:
                yield partitioning.ordinal(match["key"])
            except PartitionError:
                continue


def _key(partitioning: Partitioning) -> str:
    """What a key looks like, so that `{partition}*.csv` is cut where it ends."""
    if isinstance(partitioning, Static):
        return "|".join(re.escape(member) for member in sorted(partitioning.members, key=len, reverse=True))
    if isinstance(partitioning, TimePartitioning):
        written = re.sub(r"\d", r"\\d", re.escape(partitioning.example))
        return f"{written}(?:_2)?" if isinstance(partitioning, Hourly) else written
    return "[^/]+"


def _regex(pattern: str) -> str:
    """What glob means by a pattern, as a regular expression."""
    return "".join(_PART[part[0]](part) if part[0] in _PART else re.escape(part) for part in _PARTS.findall(pattern))


_PARTS = re.compile(r"\*\*/|\*|\?|\[!?\]?[^\]]*\]|[^*?\[]+|\[")
_PART: Mapping[str, Callable[[str], str]] = {
    "*": lambda part: "(?:.*/)?" if part == "**/" else "[^/]*",
    "?": lambda _part: "[^/]",
    "[": lambda part: _class(part[1:-1]) if len(part) > 1 else r"\[",
}


def _class(inner: str) -> str:
    members = inner.removeprefix("!").replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return f"[{'^' if inner.startswith('!') else ''}{members}]"
