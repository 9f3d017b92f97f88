"""What other backfills have still to make is found without reading every attempt there ever was."""

from recoup.app.coming import _FAILED
from recoup.ledger.reader import LedgerReader


def test_what_one_has_failed_at_is_found_by_an_index(twice):
    with LedgerReader(twice.workspace.settings.ledger) as reader:
        asked = {"planned": "[1, 2]", "node": 1, "backfill": 1}
        steps = [row[-1] for row in reader.query(f"EXPLAIN QUERY PLAN {_FAILED}", asked)]
    assert [step for step in steps if step.startswith("SCAN")] == ["SCAN one VIRTUAL TABLE INDEX 1:"]
    assert "SEARCH a USING INDEX tries (node=? AND ordinal=?)" in steps
