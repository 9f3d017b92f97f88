"""What failed so that it needs a new run (out of memory, or a team's rule) leaves the failed one as it was."""

from __future__ import annotations

import json

from recoup.app.prepare import Planned
from recoup.ledger.transaction import Transaction
from recoup.model.failure import RetryClass

_SPENT = """
SELECT DISTINCT run FROM json_each(?) one JOIN attempts a ON a.token = (
    SELECT max(token) FROM attempts WHERE node = ? AND ordinal = one.value AND failure IS NOT NULL)
JOIN runs r USING (run)
WHERE json_extract(a.failure, '$.retry_class') = ? AND r.closed_at IS NULL
"""


def close_spent_runs(tx: Transaction, planned: Planned) -> None:
    """Before anything is claimed, so that all steps of a partition share the new run."""
    prepared = planned.prepared
    for node, node_id, state in zip(prepared.graph.nodes, prepared.node_ids, prepared.snapshot.states, strict=True):
        if again := state.any_failed & planned.plan.of(node.index):
            rows = tx.execute(_SPENT, (json.dumps(list(again)), node_id, RetryClass.NEW_RUN.value))
            tx.close_runs([run for (run,) in rows.fetchall()])
