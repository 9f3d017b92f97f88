"""The verb runs: every attempt with its outcome, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import PipelineError, UsageError
from recoup.model.keys import quoted
from recoup.model.policy import seconds

Attempt = dict[str, Any]
"""A row of the view `run_history`; `success` as a bool."""


def runs(
    workspace: Workspace,
    pipeline: str | None = None,
    partition: str | None = None,
    *,
    failed: bool = False,
    steps: Sequence[str] = (),
    since: str | None = None,
    limit: int | None = 20,
) -> list[Attempt]:
    """Attempts that were begun; `since` is a duration such as `2h`, `limit` None means all."""
    with workspace.reader() as reader:
        where: list[str] = ["state <> 'released'"]
        values: list[object] = []
        if pipeline is not None:
            pipeline = _known(workspace, reader, pipeline)
            where.append("layer = ?")
            values.append(pipeline)
        for name in steps:
            _known_step(reader, pipeline, name)
        if steps:
            where.append(f"step IN ({', '.join('?' * len(steps))})")
            values += steps
        if partition is not None:
            tokens = _tokens(reader, pipeline, partition)
            where.append(f"token IN ({', '.join('?' * len(tokens))})")
            values += tokens
        if failed:
            where.append("state IN ('failed', 'lost')")
        if since is not None:
            where.append("token >= ?")
            values.append(first_since(reader, workspace.clock.now().timestamp() - ago(since)))
        rows = reader.run_history(f"WHERE {' AND '.join(where)}", values, -1 if limit is None else limit)
    return [{**row, "success": bool(row["success"])} for row in rows]


def _known(workspace: Workspace, reader: LedgerReader, given: str) -> str:
    """The pipeline's own name; one that recoup.toml calls otherwise has to be loaded to learn it."""
    known = sorted({row.pipeline for row in reader.nodes().values()})
    if given in known:
        return given
    name = workspace.pipeline(given)[0].name
    if name not in known:
        raise PipelineError(f"nothing of pipeline {quoted(name)} has run yet", f"`recoup run {given}` begins")
    return name


def _known_step(reader: LedgerReader, pipeline: str | None, name: str) -> None:
    known = [row.name for row in reader.nodes(pipeline).values() if row.kind != "source"]
    if name not in known:
        raise PipelineError(f"the ledger knows no step {quoted(name)}", f"it knows {', '.join(known) or 'none yet'}")


def ago(since: str) -> float:
    """Seconds of a duration such as `2h`; UsageError for what is none."""
    try:
        return seconds(since, "--since")
    except PipelineError as error:
        raise UsageError(error.message, error.remedy) from error


def first_since(reader: LedgerReader, moment: float) -> int:
    """The first attempt that was claimed from then on: tokens grow with time."""
    rows = reader.query("SELECT min(token) FROM attempts WHERE claimed_at >= ?", (moment,))
    return int(rows[0][0] or 2**62)


def _tokens(reader: LedgerReader, pipeline: str | None, partition: str) -> list[int]:
    """All attempts at this partition, by the index on (node, ordinal)."""
    sql = "SELECT DISTINCT pipeline, ordinal FROM runs WHERE partition = ?"
    grains = (
        reader.query(f"{sql} AND pipeline = ?", (partition, pipeline)) if pipeline else reader.query(sql, (partition,))
    )
    found: list[int] = []
    for owner, ordinal in grains:
        for row in reader.nodes(owner).values():
            tokens = reader.query("SELECT token FROM attempts WHERE node = ? AND ordinal = ?", (row.node, ordinal))
            found += [token for (token,) in tokens]
    if not found:
        message = f"nothing has run for the partition {quoted(partition)}"
        raise UsageError(message, "see `recoup status`, or give a key as it is written there")
    return found
