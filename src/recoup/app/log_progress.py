"""How far a backfill was at any moment, from its attempts: a partition is complete when all its steps succeeded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from recoup.ledger.cells import Cells
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader

_LINES: Final = 10
"""A log tells about so many milestones."""


def completions(reader: LedgerReader, cells: Cells, since: float) -> tuple[int, list[float]]:
    """How many partitions these are, and the moments at which each was complete, ascending.

    Steps of one partitioning share their partitions, as they share runs.
    """
    grain = {row.node: json.dumps(row.partitioning, sort_keys=True) for row in reader.nodes().values()}
    lacking: Counter[tuple[str, int]] = Counter()
    for node, ordinals in cells.items():
        lacking.update((grain[node], ordinal) for ordinal in ordinals)
    total, moments = len(lacking), []
    for node, ordinal, at in _successes(reader, cells, since):
        partition = grain[node], ordinal
        if ordinal in cells[node]:
            lacking[partition] -= 1
            if not lacking[partition]:
                moments.append(at)
    return total, moments


def milestones(total: int, completed_at: Sequence[float]) -> Iterator[tuple[int, float]]:
    """How many were complete when, at round numbers: 50, 100, 150 … of 327."""
    step = _round_step(total)
    for done in [*range(step, total, step), *([total] if total else [])]:
        if done <= len(completed_at):
            yield done, completed_at[done - 1]


def _successes(reader: LedgerReader, cells: Cells, since: float) -> list[tuple[NodeId, int, float]]:
    """The first success of each, in their order; what a rollback or an adoption made is no success of a step."""
    return reader.query(
        "SELECT node, ordinal, min(ended_at) FROM attempts"
        " WHERE state = 'succeeded' AND backfill IS NOT NULL AND ended_at >= ?"
        " AND node IN (SELECT value FROM json_each(?)) GROUP BY node, ordinal ORDER BY 3",
        (since, json.dumps(list(cells))),
    )


def _round_step(total: int) -> int:
    """1, 2, 5, 10, 20, 50 …: the smallest that makes few enough lines."""
    step, nice = 1, (2, 5, 10)
    while total > _LINES * step:
        step = next(n * 10 ** (len(str(step)) - 1) for n in nice if n * 10 ** (len(str(step)) - 1) > step)
    return step
