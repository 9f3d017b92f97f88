"""The file with the settings: found upwards from here, read, and asked on which line something stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from recoup.model.errors import ConfigError

FILE: Final = "recoup.toml"
FILE_VARIABLE: Final = "RECOUP_CONFIG"
PROJECT: Final = "pyproject.toml"
_OWN_TABLE: Final = re.compile(r"^\s*\[\s*tool\s*\.\s*recoup\s*[\].]", re.MULTILINE)

Keys = tuple[str, ...]
"""Where a value stands: `("pools", "api")`."""


@dataclass(frozen=True)
class SettingsFile:
    """What a recoup.toml, or the table of ours in a pyproject.toml, says."""

    path: Path
    text: str = field(repr=False)  # it may hold passwords
    body: Mapping[str, Any] = field(repr=False)

    def place(self, keys: Keys) -> str:
        """`/project/recoup.toml:12`, as an editor opens it."""
        line = self.line(keys)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def line(self, keys: Keys) -> int | None:
        """Where a key or table begins; that of the table around it when it has no line of its own."""
        while keys:
            if (found := self._lines.get((*self._above, *keys))) is not None:
                return found
            keys = keys[:-1]
        return None

    @property
    def _above(self) -> Keys:
        return ("tool", "recoup") if self.path.name == PROJECT else ()

    @cached_property
    def _lines(self) -> Mapping[Keys, int]:
        lines: dict[Keys, int] = {}
        for number, keys in _keys_by_line(self.text):
            lines.setdefault(keys, number)
        return lines


def find_file(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The one that was named, else the nearest upwards from the current folder; None when there is none."""
    if config is not None or environ.get(FILE_VARIABLE):
        path = Path(config or environ[FILE_VARIABLE]).absolute()
        if not path.is_file():
            message = f"there is no configuration at {path}"
            raise ConfigError(message, "name an existing recoup.toml, or make one with `recoup init`")
        return path
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder / FILE
        project = folder / PROJECT
        if project.is_file() and _OWN_TABLE.search(project.read_text(encoding="utf-8", errors="replace")):
            return project
    return None


def read_file(path: Path) -> SettingsFile:
    """Read it; ConfigError with the place when it cannot be read or is no TOML."""
    text = _text(path)
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{path} is no valid TOML: {error}"
        raise ConfigError(message, "mend that line") from error
    if path.name != PROJECT:
        return SettingsFile(path, text, body)
    own = body.get("tool", {}).get("recoup", {})
    if not isinstance(own, dict):
        message = f"{path}: tool.recoup must be a table"
        raise ConfigError(message, "write the settings below [tool.recoup]")
    return SettingsFile(path, text, own)


def _text(path: Path) -> str:
    data = b""
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        newline = b"\n"
        place = f"at line {before.count(newline) + 1}, column {error.start - before.rfind(newline)}"
        message = f"{path} is no valid TOML: it is not in UTF-8 ({place})"
        raise ConfigError(message, "mend that line") from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise ConfigError(message, "check its owner and mode") from error


def _keys_by_line(text: str) -> Iterator[tuple[int, Keys]]:
    """Each key with the line on which its statement begins: a statement is what the parser takes by itself."""
    table: Keys = ()
    statement, begins = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += f"{line}\n"
        try:
            body = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # it goes on: a text or an array over several lines
        if statement.lstrip().startswith("["):
            table = max(_paths(body), key=len)
            yield from ((begins, table[:depth]) for depth in range(1, len(table) + 1))
        else:
            yield from ((begins, (*table, *keys)) for keys in _paths(body))
        statement, begins = "", number + 1


def _paths(body: Any, above: Keys = ()) -> Iterator[Keys]:  # noqa: ANN401 - a TOML value
    """All keys of a statement, outer ones first."""
    if isinstance(body, list) and body and isinstance(body[-1], dict):  # [[array.of.tables]]
        body = body[-1]
    if isinstance(body, dict):
        for key, inner in body.items():
            yield (*above, key)
            yield from _paths(inner, (*above, key))
