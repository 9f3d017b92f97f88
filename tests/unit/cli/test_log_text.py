"""The lines of an execution log."""

import pytest

from recoup.app.execution_log import Entry, ExecutionLog
from recoup.cli.log_text import entry_words, log_lines
from recoup.ledger.facts import BackfillRow

ROW = BackfillRow(1, "phase3-1", "phase3", "running", "", 4, 0.0, None, "ann@host", {"pipeline": "phase3"}, 1)
LOG = ExecutionLog(ROW, 4, (10.0, 20.0), ())
STOPPED: dict[str, object] = {"last_success": None, "in_flight": [], "remaining": 0, "ranges": []}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry(5.0, "backfill paused"), "Paused at 0/4"),
        (Entry(15.0, "backfill running"), "Going on from 1/4"),
        (
            Entry(15.0, "backfill set", "bob@host", "slower", {"max_parallel": 1}),
            "Set to at most 1 at once by bob@host: slower",
        ),
        (
            Entry(1.0, "halted", data={"kind": "auth", "message": "401"}),
            "Stopped at once, as everything else would fail alike: auth: 401",
        ),
        (
            Entry(1.0, "breaker opened", data={"step": "raw", "message": "503"}),
            "Holding raw back, as its attempts fail alike: 503",
        ),
        (Entry(1.0, "blocked", data={"because": "raw is not there"}), "Blocked, the first of them: raw is not there"),
        (
            Entry(1.0, "failures reached their limit", data={"partitions": 5}),
            "Started nothing more, as 5 partitions had failed",
        ),
        (
            Entry(1.0, "waived", "ann@host", "never recorded", {"steps": {"raw": ["2024-01-04"]}}),
            "Waived raw 2024-01-04 by ann@host: never recorded",
        ),
        (Entry(1.0, "code accepted", data={"ranges": {"raw": ["a", "b"]}}), "Accepted what older code made: raw a, b"),
        (
            Entry(20.0, "backfill cancelled", data={"stopped": STOPPED}),
            "Cancelled at 2/4 partitions; no success; in flight nothing; remaining nothing",
        ),
        (
            Entry(1.0, "backfill done", data={"summary": {"counts": {}, "seconds": 30.0}}),
            "Completed 0/4 partitions, after 30 s",
        ),
        (Entry(1.0, "other backfill done", data={"id": "phase3-2"}), "phase3-2: done"),
        (Entry(1.0, "something new"), "Something new"),
    ],
)
def test_what_is_said_of_each_kind(entry, words):
    assert entry_words(entry, LOG) == words


def test_whatever_a_person_wrote_is_one_line_that_markdown_shows():
    log = ExecutionLog(ROW, 4, (), (Entry(0.0, "note", "ann@host", data={"text": "a\n<b>"}),))
    assert list(log_lines(log)) == [r"1970-01-01T00:00:00.000Z: a \<b> (ann@host)  "]
