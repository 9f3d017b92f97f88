"""recoup backfills data pipelines and recovers them when they fail."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from recoup.engine.context import Context
from recoup.model.calendar import Calendar
from recoup.model.errors import RecoupError
from recoup.model.failure import Failure, FailureKind
from recoup.model.grid import Grid
from recoup.model.member_partitionings import Dynamic, Static
from recoup.model.pipeline import Dataset, Pipeline, Source, Step
from recoup.model.policy import Retry
from recoup.model.pool import Pool
from recoup.model.reading import enclosing, every, lookback, newest, snapshot, trailing, within
from recoup.model.rule import Rule
from recoup.model.sinks.duckdb import DuckDB
from recoup.model.sinks.postgres import Postgres
from recoup.model.sql import Sql
from recoup.model.time_partitionings import Daily, Hourly, Monthly, Weekly

if TYPE_CHECKING:
    from recoup.app.api import plan, read, run, status

__version__ = "0.1.0"

__all__ = [
    "Calendar",
    "Context",
    "Daily",
    "Dataset",
    "DuckDB",
    "Dynamic",
    "Failure",
    "FailureKind",
    "Grid",
    "Hourly",
    "Monthly",
    "Pipeline",
    "Pool",
    "Postgres",
    "RecoupError",
    "Retry",
    "Rule",
    "Source",
    "Sql",
    "Static",
    "Step",
    "Weekly",
    "enclosing",
    "every",
    "lookback",
    "newest",
    "plan",
    "read",
    "run",
    "snapshot",
    "status",
    "trailing",
    "within",
]

_VERBS = ("plan", "read", "run", "status")


class _Face(ModuleType):
    """The verb `plan` and the room `recoup.plan` share a name: to import the room must not hide the verb."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _VERBS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a verb
    """The verbs, loaded when they are first used: a pipeline's module only needs the declarations."""
    if name in _VERBS:
        from recoup.app import api

        return getattr(api, name)
    message = f"module 'recoup' has no attribute {name!r}"
    raise AttributeError(message)
