"""From the partitions of a source that are there to a step's argument, on the worker's side."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recoup.model.graph import Node
from recoup.model.partitioning import Partitioning
from recoup.model.sql import Parameters, Sql, of_none, of_one
from recoup.ports import Database


@dataclass
class SourceLoader:
    """A source's own way to load; databases stay open until nothing waits."""

    root: Path
    open_database: Callable[[str], Database]
    _databases: dict[str, Database] = field(default_factory=dict)

    def load(self, node: Node, keys: list[str]) -> Any:  # noqa: ANN401 - whatever the source gives
        """What `load` makes of these partitions, or a frame of rows; else the list of files, or of keys."""
        source = node.source
        assert source is not None
        if source.load is not None:
            return source.load(keys)
        if source.sql is not None and source.sql.load is not None:
            text, asked = source.sql.load, _asked(source.sql, node.partitions, keys)
            return self._database(source.sql.connection).frame(text, asked)
        if source.files is None:
            return keys
        patterns = [source.files.replace("{partition}", glob.escape(key)) for key in keys]
        found = (glob.glob(str(self.root / pattern)) for pattern in patterns)  # noqa: PTH207 - Path.glob refuses absolute ones
        return [path for paths in found for path in sorted(paths)]

    def close(self) -> None:
        """Let go of the connections; they are opened again when something is loaded."""
        for database in self._databases.values():
            database.close()

    def _database(self, name: str) -> Database:
        if name not in self._databases:
            self._databases[name] = self.open_database(name)
        return self._databases[name]


def _asked(sql: Sql, partitions: Partitioning, keys: Sequence[str]) -> list[Parameters]:
    """Once for each partition, or once for all; once for none where nothing is there, to learn the columns."""
    each = [of_one(partitions, key) for key in keys]
    if sql.loads_once:
        return [{"partitions": [asked["partition"] for asked in each]}]
    return each or [of_none(partitions)]
