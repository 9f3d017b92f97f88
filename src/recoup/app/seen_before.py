"""How a cause came to an end the last time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recoup.engine.causes import Cause
from recoup.ledger.facts import ADOPTED, NodeId
from recoup.ledger.reader import LedgerReader

_FIXED: Final = """
SELECT f.node, r.partition, f.ended_at, s.ended_at, s.number, f.run = s.run, f.code_version = s.code_version, s.decision
FROM attempts f JOIN attempts s ON s.token = (
    SELECT min(token) FROM attempts
    WHERE node = f.node AND ordinal = f.ordinal AND token > f.token AND state = 'succeeded')
JOIN runs r ON r.run = f.run
WHERE f.failure IS NOT NULL AND json_extract(f.failure, '$.fingerprint') = ?
ORDER BY f.token DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """The last time that this cause came to an end."""

    step: str
    partition: str
    at: float
    fixed_at: float
    fixed_by: str


def seen_before(reader: LedgerReader, cause: Cause) -> SeenBefore | None:
    """The newest failure of this cause after which its partition succeeded."""
    return next(iter(earlier(reader, cause, 1)), None)


def earlier(reader: LedgerReader, cause: Cause, limit: int) -> list[SeenBefore]:
    """The failures of this cause after which their partitions succeeded, newest first."""
    rows = reader.query(_FIXED, (cause.newest.failure.fingerprint, limit)) if cause.newest.run_id else []
    names: dict[NodeId, str] = {row.node: row.name for row in reader.nodes().values()} if rows else {}
    return [
        SeenBefore(names[node], partition, at, fixed_at, _how(*how)) for node, partition, at, fixed_at, *how in rows
    ]


def _how(number: int, same_run: int, same_code: int, decision: str) -> str:
    if decision == ADOPTED:
        return "what was there already was adopted"
    if not same_code:
        return "the step's code was changed"
    return f"it passed by itself, at try {number}" if same_run else "it was run again"
