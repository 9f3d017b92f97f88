"""What the sources have before a plan is made: by their files, by a function of the pipeline's, or in SQL."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath

from recoup.app.aside import aside
from recoup.app.outside import Outside
from recoup.app.presence import Presence
from recoup.app.sql_sources import sql_presence
from recoup.model.errors import PartitionError, RecoupError, UnreachableError
from recoup.model.graph import Node
from recoup.model.grid import Grid
from recoup.model.member_partitionings import Dynamic, Members
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.time_base import TimePartitioning
from recoup.model.time_partitionings import Hourly


def listed(partitioning: Partitioning) -> Partitioning:
    """The same with the members that a listing names now; others are as they are."""
    side = partitioning.member_side
    if not isinstance(side, Dynamic) or side.listing is None:
        return partitioning
    try:
        with aside():
            members = side.asked(side.listing())
    except RecoupError as error:
        raise PartitionError(f"the listing of {side.key}: {error.message}", error.remedy) from error
    except Exception as error:
        message = f"the members of {side.key} could not be listed: {type(error).__name__}: {error}"
        raise UnreachableError(message, "see that the listing answers, then run the same command again") from error
    return partitioning.with_sides(partitioning.time, members) if isinstance(partitioning, Grid) else members


def is_listed(partitioning: Partitioning) -> bool:
    """Whether somebody outside must be asked which members there are."""
    side = partitioning.member_side
    return isinstance(side, Dynamic) and side.listing is not None


def presence(node: Node, wanted: PartitionSet, outside: Outside) -> Presence:
    """Ask a source about these of its partitions."""
    source = node.source
    assert source is not None
    if source.sql is not None:
        return sql_presence(source.name, source.sql, node.partitions, wanted, outside)
    if source.files is not None:
        found = _listed(str(PurePath(glob.escape(str(outside.root))) / source.files), node.partitions)
        return Presence(PartitionSet.of(found) & wanted)
    assert source.probe is not None
    present, versions = [], {}
    for ordinal in wanted:
        name = node.partitions.name(ordinal)
        answer = _ask(source.name, source.probe, name)
        if answer:
            present.append(ordinal)
            if isinstance(answer, str):
                versions[ordinal] = answer
    return Presence(PartitionSet.of(present), versions)


def _ask(source: str, probe: object, partition: str) -> bool | str | None:
    try:
        with aside():
            answer: bool | str | None = probe(partition)  # type: ignore[operator] # checked when the source was declared
    except RecoupError:
        raise
    except Exception as error:
        message = f"source {source!r} could not be asked about {partition}: {type(error).__name__}: {error}"
        raise UnreachableError(message, "see that the source answers, then run the same command again") from error
    return answer


def _listed(pattern: str, partitioning: Partitioning) -> Iterator[int]:
    """The ordinals whose files exist; what matches the pattern but is no key is somebody else's file."""
    return (ordinal for _, ordinal in matched(pattern, partitioning, globbed(pattern)) if ordinal is not None)


def globbed(pattern: str) -> Iterator[str]:
    """The paths that an absolute pattern finds, whatever stands in the place of the partition."""
    return glob.iglob(pattern.replace("{partition}", "*"), recursive=True)  # noqa: PTH207 - Path.glob refuses absolute ones


def fits(pattern: str, paths: Iterable[str]) -> Iterator[str]:
    """Those of the paths that `globbed` would find."""
    found = re.compile(_regex(pattern.replace("{partition}", "*")))
    return (path for path in paths if found.fullmatch(path))


def matched(pattern: str, partitioning: Partitioning, paths: Iterable[str]) -> Iterator[tuple[str, int | None]]:
    """Each path with the partition that it names; None where it names none."""
    first, *others = map(_regex, pattern.split("{partition}"))
    key = re.compile(f"{first}(?P<key>{_key(partitioning)}){'(?P=key)'.join(others)}")
    for path in paths:
        ordinal = None
        if match := key.fullmatch(path):
            with suppress(PartitionError):
                ordinal = partitioning.ordinal(match["key"])
        yield path, ordinal


def _key(partitioning: Partitioning) -> str:
    """What a key looks like, so that `{partition}*.csv` is cut where it ends."""
    if isinstance(partitioning, Members):
        return "|".join(re.escape(member) for member in sorted(partitioning.members, key=len, reverse=True)) or "(?!)"
    if isinstance(partitioning, Grid):
        return f"(?:{_key(partitioning.time)})/(?:{_key(partitioning.members)})"
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
