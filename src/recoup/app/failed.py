"""How the partitions that are failed now have failed: the last attempt of each, as the ledger keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from recoup.engine.causes import Current
from recoup.engine.insight import StepInsight
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.model.failure import Failure, FailureKind
from recoup.model.partition import PartitionSet

_LAST = """
SELECT a.ordinal, a.failure, a.ended_at, r.run_id, a.log, a.number, a.run, a.code_version, a.claimed_at,
    coalesce(json_extract(b.request, '$.as_of_mode'), 'now')
FROM json_each(?) one JOIN attempts a ON a.token = (
    SELECT max(token) FROM attempts
    WHERE node = ? AND ordinal = one.value AND failure IS NOT NULL AND state IN ('failed', 'lost'))
JOIN runs r USING (run) LEFT JOIN backfills b USING (backfill)
"""


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The attempt that failed last; of a ledger that was rebuilt nothing but the kind is known, and no `run`."""

    current: Current
    run: int | None = None
    code_version: str = ""
    claimed_at: float = 0.0
    as_of_mode: str = "now"
    """What its backfill allowed it to know."""


def last_attempts(reader: LedgerReader, step: StepInsight, node_id: NodeId) -> Iterator[LastAttempt]:
    """Of each partition of a step that is failed now."""
    node, told = step.node.index, []
    read: dict[str, Failure] = {}
    rows = reader.query(_LAST, (json.dumps(list(step.any_failed)), node_id))
    for ordinal, text, at, run_id, log, number, *more in rows:
        if text not in read:  # a thousand partitions that fail alike say the same
            read[text] = Failure.from_json(json.loads(text))
        told.append(ordinal)
        yield LastAttempt(Current(node, ordinal, read[text], at, run_id, log, number), *more)
    known = PartitionSet.of(told)
    for kind, ordinals in step.failed.items():
        failure = Failure(FailureKind(kind), "the ledger keeps no message of it")
        yield from (LastAttempt(Current(node, ordinal, failure, 0.0, "")) for ordinal in ordinals - known)
