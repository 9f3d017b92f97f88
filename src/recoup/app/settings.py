"""`recoup.toml`, or `[tool.recoup]` in pyproject.toml, then RECOUP_… variables, then flags; errors name their place."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recoup.model.errors import ConfigError, PipelineError
from recoup.model.pool import Pool

FILE = "recoup.toml"
_NEWLINE = b"\n"
_OWN_TABLE = re.compile(r"^\s*\[\s*tool\s*\.\s*recoup\s*[\].]", re.MULTILINE)
EXECUTORS = ("processes", "inline")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and how much may run at once; paths are absolute.

    `origin` says for each value where it came from.
    """

    root: Path
    lake: str
    ledger: Path
    pipelines: Mapping[str, str] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may hold passwords
    executor: str = "processes"
    max_parallel: int = field(default_factory=lambda: os.cpu_count() or 1)
    lease_seconds: float = 60.0
    origin: Mapping[str, str] = field(default_factory=dict)
    config: Path | None = None
    """The file that was read."""

    @property
    def state(self) -> Path:
        """The folder of the ledger: locks and logs lie beside it."""
        return self.ledger.parent


_NOUNS: Mapping[type, str] = {str: "text", int: "whole number", float: "number", dict: "table"}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "lake": (str,),
    "ledger": (str,),
    "executor": (str,),
    "max_parallel": (int,),
    "lease_seconds": (int, float),
    "pipelines": (dict,),
    "pools": (dict,),
    "connections": (dict,),
}
_TABLES = (("pipelines", "place"), ("connections", "URL"))
_ENTRIES: Mapping[str, str] = {
    "pipelines": 'name = "file.py:variable"',
    "connections": 'name = "postgresql://…", with the password as ${VARIABLE}',
}
_CONNECTION = "RECOUP_CONNECTIONS_"


def load_settings(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The nearest recoup.toml upwards from here, or the defaults; variables win over the file."""
    environ = os.environ if environ is None else environ
    path = _find(config, environ)
    root = path.parent if path else Path.cwd()
    values = _read(path) if path else {}
    origin = dict.fromkeys(values, str(path))
    for name, kinds in _TYPES.items():
        variable = f"RECOUP_{name.upper()}"
        if environ.get(variable) and dict not in kinds:
            values[name] = _from_variable(variable, environ[variable], kinds)
            origin[name] = f"${variable}"
    _check(values, origin)
    if connections := _overridden(values.get("connections", {}), environ):
        values["connections"] = connections
    lake = values.get("lake", "lake")
    return Settings(
        root=root,
        lake=lake if "://" in lake else str((root / lake).absolute()),
        ledger=(root / values.get("ledger", ".recoup/ledger.db")).absolute(),
        pipelines=values.get("pipelines", {}),
        pools={name: Pool.of(value) for name, value in values.get("pools", {}).items()},
        connections=values.get("connections", {}),
        executor=values.get("executor", "processes"),
        max_parallel=values.get("max_parallel", os.cpu_count() or 1),
        lease_seconds=float(values.get("lease_seconds", 60.0)),
        origin={name: origin.get(name, "default") for name in _TYPES},
        config=path,
    )


def connection_variable(name: str) -> str:
    """The variable that says where a connection leads, whatever the file says."""
    return _CONNECTION + re.sub(r"\W", "_", name).upper()


def _overridden(connections: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Those of the file, each with its variable's value where that is set; then those that only variables name."""
    variables = {name: value for name, value in environ.items() if name.startswith(_CONNECTION) and value}
    merged = {name: variables.get(connection_variable(name), url) for name, url in connections.items()}
    others = variables.keys() - {connection_variable(name) for name in connections}
    return merged | {name.removeprefix(_CONNECTION).lower(): variables[name] for name in sorted(others)}


def _find(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    if config is not None or "RECOUP_CONFIG" in environ:
        path = Path(config or environ["RECOUP_CONFIG"]).absolute()
        if not path.is_file():
            message = f"there is no configuration at {path}"
            raise ConfigError(message, "name an existing recoup.toml, or make one with `recoup init`")
        return path
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder / FILE
        project = folder / "pyproject.toml"
        if project.is_file() and _OWN_TABLE.search(project.read_text(encoding="utf-8", errors="replace")):
            return project
    return None


def _read(path: Path) -> dict[str, Any]:
    data = b""
    try:
        data = path.read_bytes()
        body = tomllib.loads(data.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        message = f"{path} is no valid TOML: {error}"
        raise ConfigError(message, "mend that line") from error
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = f"at line {before.count(_NEWLINE) + 1}, column {error.start - before.rfind(_NEWLINE)}"
        message = f"{path} is no valid TOML: it is not in UTF-8 ({place})"
        raise ConfigError(message, "mend that line") from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise ConfigError(message, "check its owner and mode") from error
    if path.name != "pyproject.toml":
        return body
    own = body.get("tool", {}).get("recoup", {})
    if not isinstance(own, dict):
        message = f"{path}: tool.recoup must be a table"
        raise ConfigError(message, "write the settings below [tool.recoup]")
    return own


def _from_variable(name: str, text: str, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 - a TOML value
    if str in kinds:
        return text
    try:
        return kinds[-1](text)
    except ValueError as error:
        message = f"${name} is {text[:80]!r}, which is no {_NOUNS[kinds[-1]]}"
        raise ConfigError(message, f"set it to a {_NOUNS[kinds[-1]]}, or unset it") from error


def _check(values: Mapping[str, Any], origin: Mapping[str, str]) -> None:
    for name, value in values.items():
        where = origin[name]
        if name not in _TYPES:
            message = f"{where}: unknown setting {name[:80]!r}"
            raise ConfigError(message, f"the settings are {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            message = f"{where}: {name} must be a {_NOUNS[_TYPES[name][-1]]}, not {_shown(name, value)}"
            raise ConfigError(message, "mend its value")
        if problem := _problem(name, value):
            message = f"{where}: {name} = {value!r:.80}: {problem}"
            raise ConfigError(message, "mend its value")
    for table, wanted in _TABLES:
        for key, value in values.get(table, {}).items():
            if not isinstance(value, str):
                message = f"{origin[table]}: [{table}] {key} = {_shown(table, value)} is no {wanted}"
                raise ConfigError(message, f"write the entries of [{table}] as {_ENTRIES[table]}")
    for key, value in values.get("pools", {}).items():
        try:
            Pool.of(value)
        except PipelineError as error:
            message = f"{origin['pools']}: [pools] {key}: {error}"
            raise ConfigError(message, error.remedy) from error


def _shown(name: str, value: Any) -> str:  # noqa: ANN401 - a TOML value
    """A value as a message shows it; one that may hold a password is not shown."""
    return f"a {type(value).__name__}" if name == "connections" else f"{value!r:.80}"


def _problem(name: str, value: Any) -> str:  # noqa: ANN401 - of the type that the setting has
    match name:
        case "executor" if value not in EXECUTORS:
            return f"choose from {', '.join(EXECUTORS)}"
        case "max_parallel" if value < 1:
            return "it must be at least 1"
        case "lease_seconds" if not 0 < value < float("inf"):
            return "it must be more than 0"
        case "lake" | "ledger" if not value or "\0" in value:
            return "it names no place"
    return ""
