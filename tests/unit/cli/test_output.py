import io
import json

import pytest

from recoup.cli.output import Answer, Output, _Stream
from recoup.cli.text import View
from recoup.model.errors import ExitCode, PipelineError


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text):
        raise BrokenPipeError

    def isatty(self):
        return False


class Full(io.StringIO):
    """A disk without room."""

    def write(self, text):
        raise OSError(28, "No space left on device")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def output(out=None, err=None, *, as_json=False):
    out, err = out or io.StringIO(), err or io.StringIO()
    return Output(as_json, _Stream(out), _Stream(err)), out, err


ANSWER = Answer("status", {"complete": True}, lambda _view: ["all is well"], next="recoup runs", notes=("a note",))


def test_data_on_stdout_and_everything_else_on_stderr():
    speaking, out, err = output()
    assert speaking.answer(ANSWER) is ExitCode.DONE
    assert out.getvalue() == "all is well\n"
    assert err.getvalue() == "a note\nnext: recoup runs\n"


def test_for_programs_it_is_one_document_and_no_word_more():
    speaking, out, err = output(as_json=True)
    speaking.answer(ANSWER)
    assert json.loads(out.getvalue()) == {
        "schema": 1,
        "command": "status",
        "complete": True,
        "exit_code": 0,
        "next": "recoup runs",
    }
    assert out.getvalue().count("\n") == 1
    assert err.getvalue() == ""


def test_an_error_is_a_sentence_and_a_remedy():
    speaking, out, err = output()
    code = speaking.error("run", PipelineError("there is no pipeline 'nix'\x1b[31m", "name another one"))
    assert code is ExitCode.USAGE
    assert out.getvalue() == ""
    assert err.getvalue() == "error: there is no pipeline 'nix'\\x1b[31m\nhelp: name another one\n"


def test_a_reader_who_left_silences_the_output_without_an_error():
    speaking, _, _ = output(Gone(), Gone())
    speaking.data("one")
    speaking.note("two")
    assert speaking.answer(ANSWER) is ExitCode.DONE
    assert speaking.problem is None


def test_data_that_cannot_be_written_is_remembered():
    speaking, _, _ = output(Full())
    speaking.data("one")
    assert speaking.problem is not None


def test_colour_needs_a_terminal_and_no_NO_COLOR(monkeypatch):  # noqa: N802 - the variable's own name
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, _, _ = output(Terminal())
    assert terminal.out_view.colour
    assert output()[0].out_view == View()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.out_view.colour
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.out_view.colour


@pytest.mark.parametrize(("columns", "width"), [("120", 120), ("10", 40)])
def test_the_width_is_the_terminals(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert output(Terminal())[0].out_view.width == width


def test_a_stream_that_cannot_take_every_letter_gets_escapes():
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    speaking, out, _ = output(plain, as_json=True)
    speaking.record({"text": "2013-01-01…"})
    out.flush()
    assert json.loads(out.buffer.getvalue()) == {"text": "2013-01-01…"}
