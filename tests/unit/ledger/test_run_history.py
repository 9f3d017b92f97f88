"""`run_history` is for people and their own tools: the columns, what they hold, and how times are written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from recoup.ledger.backfills import open_backfill
from recoup.ledger.facts import Claim, Failed, Measured, Publication, Succeeded
from recoup.ledger.reader import LedgerReader
from recoup.ledger.registry import register_node
from recoup.ledger.writer import Ledger
from recoup.model.failure import Failure, FailureKind
from recoup.testing.clock import FakeClock

COLUMNS = (
    "layer", "step", "processor_name", "partition", "run_id", "attempt", "state", "success", "rows_processed",
    "error_message", "failure_kind", "failure_rule", "decision", "code_version", "log", "created_at",
    "started_at", "ended_at", "backfill_id",
)  # fmt: skip
CONTROLLER = 7


class Story:
    """A ledger in which one step's first day is tried, a moment later each time."""

    def __init__(self, ledger, clock):
        self.ledger, self.clock = ledger, clock
        with ledger.transaction() as tx:
            self.node = register_node(
                tx, ledger, name="clean", pipeline="flights", kind="step", label="tidy up", partitioning={}
            )
            self.run = tx.open_run("run-1", "flights", "dt", 0, "2013-01-01", tx.now)
            self.backfill = open_backfill(
                tx, ledger, backfill_id="b-17", pipeline="flights", request={}, digest="", controller=CONTROLLER,
                actions=1, who="ann",
            )  # fmt: skip

    def claim(self, ordinal=0, backfill=None, decision="missing"):
        self.clock.advance(60)
        with self.ledger.transaction() as tx:
            (claimed,) = tx.claim([Claim(self.node, ordinal, self.run, decision, "c0de")], CONTROLLER, backfill)
        return claimed.token

    def measured(self, **more):
        """Begun a moment after the claim, and done 2.25 s later."""
        started = self.clock.now().timestamp() + 0.5
        self.clock.advance(2.75)
        return Measured(started, started + 2.25, **more)

    def succeed(self, token, **more):
        publication = Publication(token, self.node, 0, self.run.run, "d", "c0de", "i", 0.0)
        done = Succeeded(publication, self.measured(**more))
        with self.ledger.transaction() as tx:
            tx.succeed([done])

    def fail(self, token, kind=FailureKind.QUALITY, message="3 rows without a carrier", state="failed", **more):
        failed = Failed(token, self.node, 0, Failure(kind, message), self.measured(**more), state)
        with self.ledger.transaction() as tx:
            tx.fail([failed])

    def rows(self, *arguments):
        with LedgerReader(self.ledger.path) as reader:
            return reader.run_history(*arguments)


@pytest.fixture
def story(tmp_path):
    clock = FakeClock()
    ledger = Ledger(tmp_path / "ledger.db", clock)
    yield Story(ledger, clock)
    ledger.close()


def test_the_columns(story):
    story.claim()
    (row,) = story.rows()
    assert tuple(row) == (*COLUMNS, "token")


def test_an_attempt_that_runs(story):
    token = story.claim(backfill=story.backfill)
    (row,) = story.rows()
    assert row == {
        "layer": "flights",
        "step": "clean",
        "processor_name": "tidy up",
        "partition": "2013-01-01",
        "run_id": "run-1",
        "attempt": 1,
        "state": "running",
        "success": 0,
        "rows_processed": None,
        "error_message": None,
        "failure_kind": None,
        "failure_rule": None,
        "decision": "missing",
        "code_version": "c0de",
        "log": None,
        "created_at": "2024-01-01T00:01:00.000Z",
        "started_at": None,
        "ended_at": None,
        "backfill_id": "b-17",
        "token": token,
    }


def test_a_success(story):
    story.succeed(story.claim(decision="stale"), rows=842, log="logs/1.log")
    (row,) = story.rows()
    shown = {column: row[column] for column in ("state", "success", "rows_processed", "log", "decision", "backfill_id")}
    assert shown == {
        "state": "succeeded",
        "success": 1,
        "rows_processed": 842,
        "log": "logs/1.log",
        "decision": "stale",
        "backfill_id": None,
    }
    assert (row["error_message"], row["failure_kind"]) == (None, None)


def test_a_failure_says_what_and_of_which_kind(story):
    story.fail(story.claim(), rows=3, log="logs/1.log")
    (row,) = story.rows()
    assert (row["state"], row["success"]) == ("failed", 0)
    assert (row["error_message"], row["failure_kind"]) == ("3 rows without a carrier", "quality")
    assert (row["rows_processed"], row["log"]) == (3, "logs/1.log")


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_is_shown_as_it_is_written_elsewhere(story, kind):
    story.fail(story.claim(), kind, 'it said "no",\n and no more: ü')
    (row,) = story.rows("WHERE failure_kind = ?", (kind.value,))
    assert row["error_message"] == 'it said "no",\n and no more: ü'


def test_times_are_iso_in_utc_with_milliseconds(story):
    story.succeed(story.claim())
    (row,) = story.rows()
    assert row["created_at"] == "2024-01-01T00:01:00.000Z"
    assert row["started_at"] == "2024-01-01T00:01:00.500Z"
    assert row["ended_at"] == "2024-01-01T00:01:02.750Z"
    for column in ("created_at", "started_at", "ended_at"):
        assert datetime.fromisoformat(row[column]).utcoffset() == timedelta(0)


def test_a_release_has_an_end_but_no_beginning(story):
    token = story.claim()
    story.clock.advance(1)
    with story.ledger.transaction() as tx:
        tx.release([(token, story.node, 0)])
    (row,) = story.rows()
    assert (row["state"], row["success"], row["started_at"]) == ("released", 0, None)
    assert row["ended_at"] == "2024-01-01T00:01:01.000Z"


def test_newest_first_with_attempts_counted_within_the_run(story):
    story.fail(story.claim())
    story.fail(story.claim(), FailureKind.LOST, "gone", "lost")
    story.succeed(story.claim())
    with story.ledger.transaction() as tx:
        tx.close_runs([story.run.run])
        story.run = tx.open_run("run-2", "flights", "dt", 0, "2013-01-01", tx.now)
    story.fail(story.claim(), FailureKind.CANCELLED, "stopped", "cancelled")
    shown = [(row["run_id"], row["attempt"], row["state"]) for row in story.rows()]
    assert shown == [
        ("run-2", 1, "cancelled"),
        ("run-1", 3, "succeeded"),
        ("run-1", 2, "lost"),
        ("run-1", 1, "failed"),
    ]
    tokens = [row["token"] for row in story.rows()]
    assert tokens == sorted(tokens, reverse=True)


def test_it_can_be_asked_with_plain_sql(story):
    """With any SQLite shell, without recoup."""
    story.fail(story.claim())
    story.succeed(story.claim(), rows=10)
    with closing(sqlite3.connect(story.ledger.path)) as db:
        sql = "SELECT partition, sum(success), sum(rows_processed), count(*) FROM run_history GROUP BY partition"
        assert db.execute(sql).fetchall() == [("2013-01-01", 1, 10, 2)]


def test_conditions_and_limits(story):
    for _ in range(3):
        story.fail(story.claim())
    story.succeed(story.claim())
    assert len(story.rows()) == 4
    assert [row["attempt"] for row in story.rows("WHERE NOT success", (), 2)] == [3, 2]
    assert story.rows("WHERE step = ?", ("another",)) == []
