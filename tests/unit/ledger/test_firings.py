"""What follows a backfill is due once, and taken once."""

import pytest

from recoup.ledger.backfills import open_backfill
from recoup.ledger.firings import (
    Dates,
    Fired,
    Told,
    dates_fired,
    due_of,
    followers_due,
    note_mode,
    owe,
    settle,
    take,
    take_dates,
    told_of,
)
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.errors import FiredElsewhereError
from recoup.model.partition import PartitionSet
from recoup.testing.clock import FakeClock


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db", FakeClock())
    yield ledger
    ledger.close()


@pytest.fixture
def reader(ledger):
    return LedgerReader(ledger.path, ledger.db)


def backfill(ledger, tx, name):
    asked = {"backfill_id": name, "pipeline": name[:2], "request": {}, "digest": name, "controller": 1}
    return open_backfill(tx, ledger, **asked, actions=1, who="somebody")


def test_who_comes_second_begins_nothing(ledger, reader):
    with ledger.transaction() as tx:
        up = backfill(ledger, tx, "up-1")
        note_mode(tx, up, "backfill", "hold")
        owe(tx, up, ["down", "other"])
    due = due_of(reader, "down")
    with ledger.transaction() as tx:
        take(tx, due, backfill(ledger, tx, "do-1"))

    with pytest.raises(FiredElsewhereError, match="what follows up-1 has been fired by somebody else"):  # noqa: SIM117
        with ledger.transaction() as tx:
            take(tx, due, backfill(ledger, tx, "do-2"))

    assert [row.backfill_id for row in reader.backfills()] == ["do-1", "up-1"]
    assert due_of(reader, "down") == []
    assert followers_due(reader) == ["other"]
    down = reader.backfills("WHERE backfill_id = 'do-1'")[0].backfill
    assert told_of(reader, down) == Told(by=("up-1",))
    with ledger.transaction() as tx:
        settle(tx, due_of(reader, "other"), "nothing")
    assert told_of(reader, up) == Told(
        "backfill", "hold", (), (Fired("down", "fired", "do-1"), Fired("other", "nothing", None))
    )


def test_dates_that_were_fired_are_remembered_and_the_rest_stays_due(ledger, reader):
    dates = Dates({"kind": "daily"}, PartitionSet.of([3, 4, 9]))
    with ledger.transaction() as tx:
        up = backfill(ledger, tx, "up-1")
        owe(tx, up, ["down"])
    (due,) = due_of(reader, "down")
    with ledger.transaction() as tx:
        take_dates(tx, due, dates, backfill(ledger, tx, "do-1"))
    assert dates_fired(reader, up, "down") == [dates]
    assert due_of(reader, "down") == [due]
