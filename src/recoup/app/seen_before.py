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
ORDER BY f.token DESC LIMIT 1
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
    rows = reader.query(_FIXED, (cause.newest.failure.fingerprint,)) if cause.newest.run_id else []
    if not rows:
        return None
    node, partition, at, fixed_at, number, same_run, same_code, decision = rows[0]
    names: dict[NodeId, str] = {row.node: row.name for row in reader.nodes().values()}
    if decision == ADOPTED:
        how = "what was there already was adopted"
    elif not same_code:
        how = "the step's code was changed"
    else:
        how = f"it passed by itself, at try {number}" if same_run else "it was run again"
    return SeenBefore(names[node], partition, at, fixed_at, how)
