import io
import json

import pytest

from recoup.cli.output import Output, _Stream
from recoup.cli.progress import CAUSES_TOLD, Shown
from recoup.engine.events import Counts, Retry
from recoup.engine.stopping import Progress
from tests.unit.cli.test_tally import ORDERS, failed, ordinal, progress


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return Screen()


def shown(clock, err=None, out=None, *, as_json=False):
    output = Output(as_json, _Stream(out or io.StringIO()), _Stream(err or io.StringIO()))
    return Shown(output, clock, "run", "1.2.3", 2)


def lines(stream):
    return stream.getvalue().splitlines()


def test_in_a_pipe_a_line_at_the_most_every_few_seconds(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    before = len(lines(err))
    for second in range(100):
        clock.seconds = second / 10
        on.observe(progress(counts=Counts(total=93, succeeded=second // 30), running=2))
        on._tick()
    told = lines(err)[before:]
    assert len(told) == 1
    assert told[0].startswith("1/93  1 %  ")
    assert told[0].endswith("2 running")


def test_in_a_pipe_every_tenth_is_told(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    before = len(lines(err))
    for done in range(94):
        on.observe(progress(counts=Counts(total=93, succeeded=done)))
        on._tick()
    assert 8 <= len(lines(err)) - before <= 10


def test_a_retry_without_a_delay_comes_at_once(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    for day, delay, cause in ((3, 0.0, "a"), (4, 30.0, "b")):
        retry = Retry(ORDERS, ordinal(day), delay)
        on.observe(progress(failed(day, cause=cause), retries=(retry,)))
    assert [line.partition("tried again ")[2] for line in lines(err)[-2:]] == ["at once", "in 30 s"]


def test_the_share_is_of_what_is_published_and_not_of_what_is_over(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    clock.seconds = 60.0
    on.observe(progress(counts=Counts(total=93, failed=93)))
    on._tick()
    assert lines(err)[-1].startswith("0/93  0 %")
    assert lines(err)[-1].endswith("93 failed")


def test_ten_thousand_failures_are_a_few_lines(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    before = len(lines(err))
    for number in range(10_000):
        on.observe(progress(failed(1 + number % 31, cause=f"cause {number % 40}")))
    told = lines(err)[before:]
    assert len(told) == CAUSES_TOLD + 1
    assert told[0] == "failed orders 2024-01-01  logic: ValueError: cause 0"
    assert on.tally is not None
    assert sum(len(group.ordinals) for group in on.tally.failure_groups()) == 10_000


def test_a_live_line_fits_its_terminal_and_is_gone_at_the_end(desk, clock, terminal):
    on = shown(clock, terminal)
    with on.on():
        on.on_plan(desk.planned(), "sample-1")
        clock.seconds = 10.0
        on.observe(progress(counts=Counts(total=93, succeeded=10), running=2))
        on._tick()
    drawn = terminal.getvalue().rpartition("\r\x1b[K")[0].rpartition("\r\x1b[K")[2]
    assert "10/93" in drawn
    assert "━" in drawn
    assert "─" in drawn
    assert len(drawn) < 80
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_what_fails_stays_above_the_live_line(desk, clock, terminal):
    on = shown(clock, terminal)
    on.on_plan(desk.planned(), "sample-1")
    on._tick()
    on.observe(progress(failed(3)))
    assert terminal.getvalue().endswith("\r\x1b[Kfailed orders 2024-01-03  logic: ValueError: a\n")


@pytest.mark.runbook("B-51")
def test_ctrl_c_says_what_it_does(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    on.observe(progress(running=8))
    on._stop()
    on._stop()
    assert lines(err)[-2:] == [
        "stopping: 2 running attempts end first; press Ctrl-C again to stop at once",
        "stopping at once",
    ]


def test_a_pause_is_told_with_the_way_back(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    on.observe(Progress(Counts(total=93), 0, True))
    on.observe(Progress(Counts(total=93), 0, False))
    assert lines(err)[-2:] == ["paused `recoup backfill resume sample-1` goes on", "resumed"]


def test_who_waits_for_a_slot_is_told_where_to_look(desk, clock):
    err = io.StringIO()
    on = shown(clock, err)
    on.on_plan(desk.planned(), "sample-1")
    before = len(lines(err))
    on.observe(Progress(Counts(total=93), 0, False, waiting=True))
    for clock.seconds in (1.0, 2.0, 4.0, 5.0, 6.0):
        on._tick()
    note, figures = lines(err)[before:]
    assert note.startswith("waiting for a slot: `recoup backfill ls` shows who has them")
    assert figures == "0/93  0 %  waits for a slot"


def test_for_programs_lines_of_json_and_silence_beside(desk, clock):
    out, err = io.StringIO(), io.StringIO()
    on = shown(clock, err, out, as_json=True)
    on.on_plan(desk.planned(), "sample-1")
    on.observe(progress(failed(3)))
    clock.seconds = 2.0
    on.observe(progress(counts=Counts(total=93, succeeded=4)))
    on._tick()
    opening, plan, failure, figures = map(json.loads, lines(out))
    assert opening == {"recoup": "1.2.3", "schema": 1, "command": "run"}
    assert (plan["event"], plan["backfill_id"], plan["actions"]) == ("plan", "sample-1", 93)
    assert (failure["event"], failure["partition"], failure["log"]) == ("failure", "2024-01-03", "3.log")
    assert (figures["event"], figures["done"], figures["total"]) == ("progress", 4, 93)
    assert err.getvalue() == ""
