"""Whether a failure is open for so long that somebody else should hear of it."""

from __future__ import annotations

import json
from itertools import islice
from typing import Final

from recoup.app.bound import Bound
from recoup.app.standing import Overdue
from recoup.engine.insight import Insight
from recoup.ledger.reader import LedgerReader

OPEN_SECONDS: Final = 2 * 3600.0
_MOST: Final = 10_000
"""So many partitions of a step are looked at: what fails everywhere has begun with its first ones."""
_SINCE: Final = """
SELECT min(a.ended_at) FROM json_each(?) one JOIN attempts a ON a.node = ? AND a.ordinal = one.value
WHERE a.failure IS NOT NULL AND a.state IN ('failed', 'lost') AND a.token > coalesce(
    (SELECT max(token) FROM attempts WHERE node = a.node AND ordinal = a.ordinal AND state = 'succeeded'), 0)
"""


def overdue(reader: LedgerReader, known: Bound, found: Insight, now: float) -> Overdue | None:
    """The failure that is open for the longest time, when that is longer than two hours."""
    since: list[tuple[float, str]] = []
    for step in found.steps:
        if failed := list(islice(step.any_failed, _MOST)):
            first = reader.query(_SINCE, (json.dumps(failed), known.node_ids[step.node.index]))[0][0]
            since += [] if first is None else [(first, step.node.name)]
    if not since:
        return None
    first, name = min(since)
    return Overdue(name, first, now - first) if now - first > OPEN_SECONDS else None
