"""The settings: `recoup.toml`, or `[tool.recoup]` in pyproject.toml; over it an environment, variables, flags."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recoup.app.configuration import layers
from recoup.app.configuration.check import check_file, read_entries
from recoup.app.configuration.discovery import discover
from recoup.app.configuration.file import FILE_VARIABLE, find_file, read_file
from recoup.app.configuration.follows import check_follows
from recoup.app.configuration.layers import Entries
from recoup.app.configuration.origin import Entry, Origin, Source
from recoup.model.pool import Pool
from recoup.model.rule import Rule


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and how much may run at once; paths are absolute.

    `origin` says for each value where it came from, those of tables by `pools.api`; what it lacks has its default.
    """

    root: Path
    lake: str
    ledger: Path
    pipelines: Mapping[str, str] = field(default_factory=dict)
    follows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Pipelines by the name of those that run after them have published something; without circles."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may hold passwords
    executor: str = "processes"
    max_parallel: int = field(default_factory=lambda: os.cpu_count() or 1)
    lease_seconds: float = 60.0
    discover: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """Where people read on when something is wrong, by a name."""
    rules: Sequence[Rule] = ()
    """A team's own, of which kind a failure is; those of a pipeline go before them."""
    origin: Mapping[str, Origin] = field(default_factory=dict)
    config: Path | None = None
    """The file that was read."""
    environment: str | None = None
    environments: Sequence[str] = ()
    """All that the file has."""

    @property
    def state(self) -> Path:
        """The folder of the ledger: locks and logs lie beside it."""
        return self.ledger.parent


def load_settings(
    config: Path | None = None, environ: Mapping[str, str] | None = None, *, environment: str | None = None
) -> Settings:
    """The nearest recoup.toml upwards from here, or the defaults.

    `environment` is the flag: over RECOUP_ENV; an empty one chooses the settings as they stand at the top.
    """
    environ = os.environ if environ is None else environ
    path = find_file(config, environ)
    file = read_file(path) if path else None
    if file:
        check_file(file)
    chosen = layers.chosen_environment(environment, file, environ)
    variables = {**environ, layers.VARIABLE: chosen} if chosen else environ
    entries = read_entries(layers.filled_in(layers.layered(file, chosen, environ), variables))
    root = _plain(path.parent) if path else Path.cwd()
    entries |= _discovered(root, entries)
    check_follows(entries)
    values = _by_name(entries)
    lake = values.pop("lake")
    return Settings(
        root=root,
        lake=lake if "://" in lake else str(_plain(root / lake)),
        ledger=_plain(root / values.pop("ledger")),
        **values,
        origin={
            "config": Origin(Source.DEFAULT, name="nearest upwards" if path else "no recoup.toml"),
            **_origin("config", config, FILE_VARIABLE, "--config", environ),
            **_origin("environment", environment, layers.VARIABLE, "--env", environ),
            **{".".join(keys): entry.origin for keys, entry in entries.items()},
        },
        config=path,
        environment=chosen,
        environments=layers.environments(file),
    )


def _plain(path: Path) -> Path:
    """Absolute, and without `..`; links are only followed where those make it necessary."""
    return path.resolve() if ".." in path.parts else path.absolute()


def _discovered(root: Path, entries: Entries) -> Entries:
    patterns = entries.get(("discover",))
    named = {keys[1]: entry.value for keys, entry in entries.items() if keys[0] == "pipelines"}
    found = discover(root, patterns.value, named) if patterns else []
    return {("pipelines", one.name): Entry(one.place, Origin(Source.DISCOVERED, name=one.where)) for one in found}


def _by_name(entries: Entries) -> dict[str, Any]:
    """Tables put together again."""
    values: dict[str, Any] = {}
    for (name, *below), entry in entries.items():
        if below:
            values.setdefault(name, {})[below[0]] = entry.value
        else:
            values[name] = entry.value
    return values


def _origin(name: str, given: object, variable: str, flag: str, environ: Mapping[str, str]) -> dict[str, Origin]:
    """What chose the file, or the environment; nothing when nobody did."""
    if given:
        return {name: Origin(Source.FLAG, name=flag)}
    return {name: Origin(Source.VARIABLE, name=variable)} if environ.get(variable) and given is None else {}
