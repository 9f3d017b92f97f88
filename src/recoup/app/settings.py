"""`recoup.toml`, or `[tool.recoup]` in pyproject.toml, then RECOUP_… variables, then flags; errors name their place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recoup.model.errors import ConfigError

FILE = "recoup.toml"
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
    pools: Mapping[str, int] = field(default_factory=dict)
    executor: str = "processes"
    max_parallel: int = field(default_factory=lambda: os.cpu_count() or 1)
    lease_seconds: float = 60.0
    origin: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The folder of the ledger: locks and logs lie beside it."""
        return self.ledger.parent


_TYPES: Mapping[str, tuple[type, ...]] = {
    "lake": (str,),
    "ledger": (str,),
    "executor": (str,),
    "max_parallel": (int,),
    "lease_seconds": (int, float),
    "pipelines": (dict,),
    "pools": (dict,),
}


def load_settings(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The nearest recoup.toml upwards from here, or the defaults; variables win over the file."""
    environ = os.environ if environ is None else environ
    path = _find(config, environ)
    root = path.parent if path else Path.cwd()
    values = _read(path) if path else {}
    origin = dict.fromkeys(values, str(path))
    for name, kinds in _TYPES.items():
        variable = f"RECOUP_{name.upper()}"
        if variable in environ and dict not in kinds:
            values[name] = _from_variable(variable, environ[variable], kinds)
            origin[name] = f"${variable}"
    _check(values, path)
    lake = values.get("lake", "lake")
    return Settings(
        root=root,
        lake=lake if "://" in lake else str((root / lake).absolute()),
        ledger=(root / values.get("ledger", ".recoup/ledger.db")).absolute(),
        pipelines=values.get("pipelines", {}),
        pools=values.get("pools", {}),
        executor=values.get("executor", "processes"),
        max_parallel=values.get("max_parallel", os.cpu_count() or 1),
        lease_seconds=float(values.get("lease_seconds", 60.0)),
        origin={name: origin.get(name, "default") for name in _TYPES},
    )


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
        if project.is_file() and "[tool.recoup" in project.read_text(errors="replace"):
            return project
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is no valid TOML: {error}"
        raise ConfigError(message, "mend that line") from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise ConfigError(message, "check its owner and mode") from error
    if path.name == "pyproject.toml":
        return dict(body.get("tool", {}).get("recoup", {}))
    return body


def _from_variable(name: str, text: str, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 - a TOML value
    if str in kinds:
        return text
    try:
        return kinds[-1](text)
    except ValueError as error:
        message = f"${name} is {text!r}, which is no number"
        raise ConfigError(message, f"set it to a {kinds[-1].__name__}, or unset it") from error


def _check(values: Mapping[str, Any], path: Path | None) -> None:
    where = path or "the environment"
    for name, value in values.items():
        if name not in _TYPES:
            message = f"{where}: unknown setting {name!r}"
            raise ConfigError(message, f"the settings are {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            message = f"{where}: {name} must be a {_TYPES[name][-1].__name__}, not {type(value).__name__}"
            raise ConfigError(message, "mend its value")
    if values.get("executor", "processes") not in EXECUTORS:
        message = f"{where}: unknown executor {values['executor']!r}"
        raise ConfigError(message, f"choose from {', '.join(EXECUTORS)}")
    if values.get("max_parallel", 1) < 1:
        message = f"{where}: max_parallel must be at least 1"
        raise ConfigError(message, "mend its value")
    if float(values.get("lease_seconds", 60)) <= 0:
        message = f"{where}: lease_seconds must be more than 0"
        raise ConfigError(message, "mend its value")
    for table, kind in (("pipelines", str), ("pools", int)):
        for key, value in values.get(table, {}).items():
            if not isinstance(value, kind) or isinstance(value, bool) or (kind is int and value < 1):
                message = f"{where}: [{table}] {key} = {value!r} is no {'place' if kind is str else 'number of slots'}"
                raise ConfigError(message, 'write pipelines as name = "file.py:variable", pools as name = slots')
