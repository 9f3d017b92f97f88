"""The plug-in table: the only place that names executors and sinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recoup.app.settings import Settings
from recoup.model.errors import ConfigError
from recoup.ports import Executor, Sink


def open_executor(settings: Settings, kind: str, workers: int, setup: Mapping[str, Any]) -> Executor:
    """The executor of that name; its workers make their performer from the setup."""
    logs = settings.state / "logs"
    if kind == "inline":
        from recoup.executors.inline import Inline

        from recoup.app.performer import make

        return Inline(make(setup))
    if kind == "processes":
        from recoup.executors.processes import Processes

        return Processes(workers, "recoup.app.performer:make", setup, logs)
    message = f"unknown executor {kind!r}"
    raise ConfigError(message, "choose from processes, inline")


def open_sink(spec: Mapping[str, Any]) -> Sink:
    """The sink that a spec's JSON describes."""
    if spec["kind"] == "duckdb":
        from recoup.sinks.duckdb import DuckDBSink

        return DuckDBSink(spec)
    message = f"unknown sink {spec['kind']!r}"
    raise ConfigError(message, "the sinks are: duckdb")
