import io
import json
import sys

import pytest

from recoup.cli.dispatch import with_values
from recoup.cli.output import Answer, Output
from recoup.cli.watch import Watch
from recoup.model.errors import ExitCode, UnreachableError, UsageError
from tests.unit.cli.json_page import complaints


class Screen(io.StringIO):
    def isatty(self):
        return True


class Telling:
    """Answers one after the other; Ctrl-C is pressed when there are none left."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.paused = []

    def __call__(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self, seconds):
        self.paused.append(seconds)
        if not self.answers:
            raise KeyboardInterrupt


def told(text, code=ExitCode.PENDING):
    return Answer("status", {"complete": code is ExitCode.DONE}, lambda _view: text.split("\n"), "recoup run x", code)


def watched(clock, telling, *, json=False, until_done=False):
    watch = Watch(Output(json=json), clock, telling, 300.0, telling.pause)
    return watch.run(until_done=until_done)


def test_blocks_one_below_the_other_where_nobody_looks(clock, capsys):
    telling = Telling(told("1 of 3"), told("2 of 3"))
    assert watched(clock, telling) is ExitCode.INTERRUPTED
    out, err = capsys.readouterr()
    assert out == "— 2024-06-01T12:00:00.000Z\n1 of 3\n\n— 2024-06-01T12:00:00.000Z\n2 of 3\n\n"
    assert err == "next: recoup run x\n"
    assert telling.paused == [300.0, 300.0]


def test_it_ends_by_itself_when_all_is_complete_and_that_was_asked(clock, capsys):
    answers = [told("2 of 3"), told("3 of 3", ExitCode.DONE), told("never")]
    assert watched(clock, Telling(*answers), until_done=True) is ExitCode.DONE
    assert "never" not in capsys.readouterr().out
    assert watched(clock, Telling(*answers[:2])) is ExitCode.INTERRUPTED


def test_a_ledger_that_is_out_of_reach_for_a_moment_ends_nothing(clock, capsys):
    telling = Telling(told("1 of 3"), UnreachableError("the ledger is away"), told("2 of 3"))
    watched(clock, telling)
    out = capsys.readouterr().out
    assert "error: the ledger is away" in out
    assert "2 of 3" in out


def test_what_cannot_be_asked_at_all_is_an_error(clock):
    with pytest.raises(UnreachableError):
        watched(clock, Telling(UnreachableError("there is no ledger")))


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_no_time_at_all_is_refused(clock, seconds):
    with pytest.raises(UsageError, match="--watch is"):
        Watch(Output(), clock, Telling(), seconds)


def test_programs_get_lines_between_an_opening_and_a_closing_one(clock, capsys, monkeypatch):
    monkeypatch.setattr("recoup.cli.watch.version", lambda: "0.1.0")
    watched(clock, Telling(told("x"), told("y", ExitCode.DONE)), json=True, until_done=True)
    opening, *events, closing = map(json.loads, capsys.readouterr().out.splitlines())
    assert (opening["schema"], opening["command"]) == (1, "status")
    assert [event.pop("complete") for event in events] == [False, True]
    assert [complaint for event in events for complaint in complaints(event, "status --watch")] == []
    assert closing == {"event": "result", "state": "done", "exit_code": 0, "next": "recoup run x"}


def test_a_terminal_is_drawn_over_and_given_back(clock, monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "6")
    long = "\n".join(f"line {number}" for number in range(9))
    assert watched(clock, Telling(told("first"), told(long))) is ExitCode.INTERRUPTED
    before, first, second = screen.getvalue().split("\x1b[H")
    assert before == "\x1b[?1049h\x1b[?25l"
    assert "every 300 s" in first
    assert "first" in first
    drawn, left = second.split("\x1b[?25h\x1b[?1049l")
    assert "line 1" in drawn
    assert "line 2" not in drawn
    assert "and 7 more lines" in drawn
    assert left == long + "\n"  # what was seen last stays, whole


def test_a_reader_who_has_gone_ends_it(clock, monkeypatch):
    class Closed(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    assert watched(clock, Telling(told("1"), told("2"))) is ExitCode.DONE


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("status x --watch", "status x --watch=2"),
        ("status --watch x", "status --watch=2 x"),
        ("status x --watch 300 --json", "status x --watch 300 --json"),
        ("status x --watch=5", "status x --watch=5"),
        ("status x --watch --json", "status x --watch=2 --json"),
        ("status -- --watch", "status -- --watch"),
    ],
)
def test_the_number_may_be_left_out(words, expected):
    assert with_values(words.split()) == expected.split()
