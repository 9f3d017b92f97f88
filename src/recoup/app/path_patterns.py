"""Where the files of partitions lie: a pattern as glob knows it, with the place of the partition's key in it."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from recoup.model.errors import PartitionError
from recoup.model.grid import Grid
from recoup.model.member_partitionings import Members
from recoup.model.partitioning import Partitioning
from recoup.model.time_base import TimePartitioning
from recoup.model.time_partitionings import Hourly

WHOLE = "partition"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """`{partition}` stands for the key; of a grid each side may have a place of its own: `dt={dt}/tenant={tenant}`."""

    text: str
    partitioning: Partitioning

    @property
    def says_partition(self) -> bool:
        """Whether a path tells which partition it belongs to."""
        sides = ["{" + name + "}" for name in self._sides]
        return "{" + WHOLE + "}" in self.text or (bool(sides) and all(side in self.text for side in sides))

    def globbed(self) -> Iterator[str]:
        """The paths that an absolute pattern finds, whatever stands in the place of the partition."""
        return glob.iglob(self._anywhere, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute ones

    def below(self, folder: str) -> PathPattern:
        """The files in such folders beside those that it finds."""
        return PathPattern(f"{self.text.rpartition('/')[0]}/{folder}/*", self.partitioning)

    def fits(self, paths: Iterable[str]) -> Iterator[str]:
        """Those of the paths that `globbed` would find."""
        found = re.compile(_regex(self._anywhere))
        return (path for path in paths if found.fullmatch(path))

    def matched(self, paths: Iterable[str]) -> Iterator[tuple[str, int | None]]:
        """Each path with the partition that it names; None where it names none."""
        found = re.compile(self._named())
        for path in paths:
            ordinal = None
            if match := found.fullmatch(path):
                with suppress(PartitionError):
                    ordinal = self.partitioning.ordinal(self._key(match.groupdict()))
            yield path, ordinal

    @property
    def _sides(self) -> Mapping[str, Partitioning]:
        """The sides of a grid by the names of their keys."""
        grid = self.partitioning
        return {side.key: side for side in (grid.time, grid.members)} if isinstance(grid, Grid) else {}

    @property
    def _anywhere(self) -> str:
        whole = "*/*" if self._sides else "*"
        text = self.text.replace("{" + WHOLE + "}", whole)
        for name in self._sides:
            text = text.replace("{" + name + "}", "*")
        return text

    def _named(self) -> str:
        """A group for each place; one that comes again must hold the same."""
        keys = {WHOLE: self.partitioning, **self._sides}
        places = re.split("({" + "}|{".join(map(re.escape, keys)) + "})", self.text)
        written, seen = "", set[str]()
        for number, part in enumerate(places):
            name = part[1:-1]
            if number % 2 == 0:
                written += _regex(part)
            elif name in seen:
                written += f"(?P={_group(name)})"
            else:
                seen.add(name)
                written += f"(?P<{_group(name)}>{_key(keys[name])})"
        return written

    def _key(self, found: Mapping[str, str]) -> str:
        whole = found.get(_group(WHOLE))
        return whole if whole is not None else "/".join(found[_group(name)] for name in self._sides)


def _group(name: str) -> str:
    """A key's name as a group of a regular expression may be called."""
    return f"key_{name.encode().hex()}"


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
