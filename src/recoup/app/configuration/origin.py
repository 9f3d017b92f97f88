"""Where a setting's value comes from, as a person is told it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from recoup.app.configuration.file import Keys, SettingsFile


class Source(StrEnum):
    """Who says so."""

    DEFAULT = "default"
    DISCOVERED = "discovered"
    FILE = "file"
    ENVIRONMENT = "environment"
    VARIABLE = "variable"
    FLAG = "flag"


@dataclass(frozen=True)
class Origin:
    """Who said it, and where; `name` is the variable's or the flag's. The line is only looked up when it is shown."""

    source: Source
    file: SettingsFile | None = None
    keys: Keys = ()
    name: str = ""

    def __str__(self) -> str:
        """`/project/recoup.toml:12`, `$RECOUP_LAKE`, `--env`, `default`."""
        if self.file is not None:
            return self.file.place(self.keys)
        return f"${self.name}" if self.source is Source.VARIABLE else self.name or self.source.value

    @property
    def environment(self) -> str | None:
        """The environment whose table says it."""
        return self.keys[1] if self.source is Source.ENVIRONMENT else None


DEFAULT = Origin(Source.DEFAULT)


@dataclass(frozen=True, slots=True)
class Entry:
    """One value, as it was written, with where it comes from."""

    value: Any = field(repr=False)  # it may hold a password
    origin: Origin
