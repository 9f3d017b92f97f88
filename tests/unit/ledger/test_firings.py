"""What follows a backfill is due once, and taken once."""

import pytest

from recoup.ledger.backfills import open_backfill, set_state
from recoup.ledger.firings import (
    Dates,
    Fired,
    Told,
    dates_fired,
    due_of,
    followers_due,
    note_mode,
    owe,
    owe_for_earlier,
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
    due = due_of(reader, "down", {1})
    with ledger.transaction() as tx:
        take(tx, due, backfill(ledger, tx, "do-1"))

    with (
        pytest.raises(FiredElsewhereError, match="what follows up-1 has been fired by somebody else"),
        ledger.transaction() as tx,
    ):
        take(tx, due, backfill(ledger, tx, "do-2"))

    assert [row.backfill_id for row in reader.backfills()] == ["do-1", "up-1"]
    assert due_of(reader, "down", {1}) == []
    assert followers_due(reader) == ["other"]
    down = reader.backfills("WHERE backfill_id = 'do-1'")[0].backfill
    assert told_of(reader, down) == Told(by=("up-1",))
    with ledger.transaction() as tx:
        settle(tx, due_of(reader, "other", {1}), "nothing")
    assert told_of(reader, up) == Told(
        "backfill", "hold", (), (Fired("down", "fired", "do-1"), Fired("other", "nothing", None))
    )


def test_what_was_begun_is_due_again_while_that_is_interrupted_and_one_takes_it(ledger, reader):
    with ledger.transaction() as tx:
        owe(tx, backfill(ledger, tx, "up-1"), ["down"])
    with ledger.transaction() as tx:
        down = backfill(ledger, tx, "do-1")
        take(tx, due_of(reader, "down", {1}), down)
    assert [one.begun for one in due_of(reader, "down", {2})] == ["do-1"]  # its controller is gone

    with pytest.raises(FiredElsewhereError), ledger.transaction() as tx:
        take(tx, due_of(reader, "down", {2}), down)  # and has come back
    with ledger.transaction() as tx:
        set_state(tx, down, "interrupted")
    due = due_of(reader, "down", {1})
    for state, again in [("running", []), ("incomplete", []), ("interrupted", due)]:
        with ledger.transaction() as tx:
            take(tx, due, down) if state == "running" else None
            set_state(tx, down, state)
        assert due_of(reader, "down", {1}) == again
    assert told_of(reader, 1).fired == (Fired("down", "fired", "do-1"),)
    assert reader.query("SELECT count(*) FROM events WHERE kind = 'downstream begun'") == [(1,)]


def test_what_stopped_owes_it_once_the_same_was_asked_for_again_and_has_ended(ledger, reader):
    with ledger.transaction() as tx:
        for name, state in [("up-1", "interrupted"), ("up-2", "done"), ("up-3", "cancelled")]:
            set_state(tx, backfill(ledger, tx, name), state)
        tx.execute("UPDATE backfills SET digest = 'same' WHERE backfill_id <> 'up-3'")
    for _ in range(2):
        with ledger.transaction() as tx:
            owe_for_earlier(tx, "up", "same", ["down"])
        assert [one.backfill_id for one in due_of(reader, "down", {1})] == ["up-1"]


def test_dates_that_were_fired_are_remembered_and_the_rest_stays_due(ledger, reader):
    dates = Dates({"kind": "daily"}, PartitionSet.of([3, 4, 9]))
    with ledger.transaction() as tx:
        up = backfill(ledger, tx, "up-1")
        owe(tx, up, ["down"])
    (due,) = due_of(reader, "down", {1})
    with ledger.transaction() as tx:
        take_dates(tx, due, dates, backfill(ledger, tx, "do-1"))
    assert dates_fired(reader, up, "down") == [dates]
    assert due_of(reader, "down", {1}) == [due]
