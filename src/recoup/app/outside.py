"""What lies outside of ledger and lake: files below the project's root, and databases by their connection's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from recoup.ports import Database


@dataclass
class Outside:
    """Asked by calendars and sources; each database is opened once, by the first question."""

    root: Path
    open_database: Callable[[str], Database]
    _databases: dict[str, Database] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def database(self, name: str) -> Database:
        """The database of that connection."""
        if name not in self._databases:
            self._databases[name] = self.open_database(name)
        return self._databases[name]

    def close(self) -> None:
        """Let go of all of them."""
        for database in self._databases.values():
            database.close()
