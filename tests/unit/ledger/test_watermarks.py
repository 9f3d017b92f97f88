"""What the ledger holds of watermarks: only attempts that were told today's value move it, and only forwards."""

import pytest

from recoup.ledger.reader import LedgerReader
from recoup.ledger.verify import broken_laws
from recoup.ledger.watermarks import Advance, advance, history, pinned, set_watermark, watermarks
from recoup.ledger.writer import Ledger
from recoup.testing.clock import FakeClock

BY = {"who": "ann@host"}


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db", FakeClock())
    yield ledger
    ledger.close()


def value(ledger):
    with ledger.transaction() as tx:
        return pinned(tx, "job").value_microseconds


def test_it_only_grows_by_what_attempts_say(ledger):
    with ledger.transaction() as tx:
        told = pinned(tx, "job")
        advance(tx, [Advance(1, told, 50), Advance(2, told, 30), Advance(3, told, 70)])
    assert value(ledger) == 70
    kinds = [change.kind for change in history(LedgerReader(ledger.path, ledger.db), "job")]
    assert kinds == ["watermark advanced"] * 2


def test_a_rewind_is_not_undone_by_whoever_began_before_it(ledger):
    with ledger.transaction() as tx:
        told = pinned(tx, "job")
        set_watermark(tx, "job", 20, BY)
    with ledger.transaction() as tx:
        advance(tx, [Advance(1, told, 50)])
    assert value(ledger) == 20


def test_verify_finds_a_value_that_its_history_does_not_know(ledger):
    with ledger.transaction() as tx:
        set_watermark(tx, "job", 1_759_276_800_000_001, BY)
    assert broken_laws(ledger.db) == []
    (shown,) = watermarks(LedgerReader(ledger.path, ledger.db), "job")
    assert shown.value.microsecond == 1
    with ledger.transaction() as tx:
        tx.execute("UPDATE watermarks SET value_microseconds = 1")
    assert broken_laws(ledger.db) == ["the watermark job is not what its history says"]
