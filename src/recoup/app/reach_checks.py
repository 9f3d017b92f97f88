"""Whether what a pipeline asks can be reached: each connection by one question; and where files should be."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath
from typing import Final

from recoup.app.checks import Check
from recoup.app.plugins import open_database
from recoup.app.workspace import Workspace
from recoup.model.calendar import Query
from recoup.model.errors import IdentityRefusedError, RecoupError
from recoup.model.graph import Graph, Node

NEARBY: Final = 3
"""So many files that are there are named beside the one that is not."""

LOOKED_AT: Final = 1_000


def connection_checks(workspace: Workspace, graph: Graph) -> Iterator[Check]:
    """Each connection of sources and calendars; credentials that are refused, or have expired, by that name."""
    for name in dict.fromkeys(name for node in graph.nodes for name in _connections(node)):
        database = open_database(workspace.settings, name)
        try:
            database.rows("SELECT 1", {})
        except IdentityRefusedError as error:
            yield Check(f"credentials of {name}", "fail", error.message, error.remedy)
        except RecoupError as error:
            yield Check(f"connection {name}", "fail", error.message, error.remedy)
        else:
            yield Check(f"connection {name}", "pass", "answers, and knows who we are")
        finally:
            database.close()


def _connections(node: Node) -> Iterator[str]:
    if node.source is not None and node.source.sql is not None:
        yield node.source.sql.connection
    for side in (node.partitions, node.partitions.time_side):
        if side is not None and side.calendar is not None and isinstance(side.calendar.elsewhere, Query):
            yield side.calendar.elsewhere.connection


def where_it_should_be(root: Path, node: Node, ordinal: int) -> str:
    """Of a source that is files: the path that was asked for, and what lies in the nearest folder that is there."""
    if node.source is None or node.source.files is None:
        return ""
    asked = node.source.files.replace("{partition}", node.partitions.name(ordinal))
    folder = PurePath(root, asked)
    while glob.has_magic(str(folder)) or not Path(folder).exists():
        folder = folder.parent
    files = islice((path for path in Path(folder).rglob("*") if path.is_file()), LOOKED_AT)
    there = sorted(os.path.relpath(path, root) for path in files)
    found = ", ".join(there[:NEARBY]) + (" and more" if len(there) > NEARBY else "")
    return f"; asked for {asked}, and {os.path.relpath(folder, root)}/ has {found or 'no file'}"
