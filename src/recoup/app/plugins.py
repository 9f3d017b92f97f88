"""The plug-in table: the only place that names executors, sinks and sources."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

from recoup.app.configuration.spec import EXECUTORS
from recoup.app.connections import connection_url
from recoup.app.settings import Settings
from recoup.model.calendar import Exchange, Holidays
from recoup.model.errors import ConfigError
from recoup.ports import Database, Days, Executor, Performer, Sink, Table

PERFORMER = "recoup.app.performer:make"
"""Where workers find what carries their tasks out."""


def open_executor(settings: Settings, kind: str, workers: int, setup: Mapping[str, Any]) -> Executor:
    """The executor of that name; whoever works for it makes its performer from the setup."""
    if kind == "inline":
        from recoup.executors.inline import Inline

        return Inline(_performer(setup))
    if kind == "threads":
        from recoup.executors.threads import Threads

        return Threads(workers, _performer(setup))
    if kind == "processes":
        from recoup.executors.processes import Processes

        return Processes(workers, PERFORMER, setup, settings.state / "logs")
    message = f"unknown executor {kind!r}"
    raise ConfigError(message, f"choose from {', '.join(EXECUTORS)}")


def _performer(setup: Mapping[str, Any]) -> Performer:
    """For an executor within this process."""
    module, _, factory = PERFORMER.partition(":")
    performer: Performer = getattr(importlib.import_module(module), factory)(setup)
    return performer


def sink_exists(spec: Mapping[str, Any], root: Path) -> bool:
    """Whether there is a database at all: one that was deleted holds nothing, whatever the ledger remembers."""
    return spec["kind"] != "duckdb" or Path(root, str(spec["database"])).exists()


def open_sink(spec: Mapping[str, Any], settings: Settings) -> Sink:
    """The sink that a spec's JSON describes; paths in it are relative to the project's root."""
    if spec["kind"] == "duckdb":
        from recoup.sinks.duckdb import DuckDBSink

        return DuckDBSink({**spec, "database": str(settings.root / spec["database"])})
    if spec["kind"] == "postgres":
        from recoup.sinks.postgres import PostgresSink

        return PostgresSink(spec, connection_url(settings, spec["connection"]))
    message = f"unknown sink {spec['kind']!r}"
    raise ConfigError(message, "the sinks are: duckdb, postgres")


def open_database(settings: Settings, name: str) -> Database:
    """The database of that connection; it is connected to by the first question."""
    from recoup.sources.sql import SqlDatabase

    return SqlDatabase(connection_url(settings, name), name)


def open_table(settings: Settings, name: str, table: str, column: str) -> Table:
    """A table in the database of that connection, read by one of its columns."""
    from recoup.sources.table import SqlTable

    return SqlTable(connection_url(settings, name), name, table, column)


def open_days(calendar: Exchange | Holidays) -> Days:
    """Who keeps such a calendar."""
    from recoup.sources.days import CountryDays, ExchangeDays

    match calendar:
        case Exchange(name):
            return ExchangeDays(name)
        case Holidays(country, subdivision, weekends):
            return CountryDays(country, subdivision, weekends=weekends)
        case unknown:
            assert_never(unknown)
