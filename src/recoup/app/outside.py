"""What lies outside of ledger and lake: files below the project's root, and databases by their connection's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from recoup.ports import Database, Sink


@dataclass
class Outside:
    """Asked by calendars, sources and tables; each database of a connection is opened once, by the first question."""

    root: Path
    open_database: Callable[[str], Database]
    open_sink: Callable[[Mapping[str, Any]], Sink]
    _databases: dict[str, Database] = field(default_factory=dict)
    _sinks: list[Sink] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def database(self, name: str) -> Database:
        """The database of that connection."""
        if name not in self._databases:
            self._databases[name] = self.open_database(name)
        return self._databases[name]

    def sink(self, spec: Mapping[str, Any]) -> Sink:
        """The table of that spec, to be asked what it holds."""
        self._sinks.append(self.open_sink(spec))
        return self._sinks[-1]

    def close(self) -> None:
        """Let go of all of them."""
        for database in self._databases.values():
            database.close()
        for sink in self._sinks:
            sink.close()
