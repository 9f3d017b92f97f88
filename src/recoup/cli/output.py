"""Where a command speaks: data on stdout, everything else on stderr; once nobody reads any more, silence."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from recoup.cli.text import View, clean
from recoup.model.errors import ExitCode, RecoupError

SCHEMA: Final = 1
"""Of everything that `--json` prints; docs/json.md describes it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say: `body` for programs, `lines` for people, and what to type next.

    `notes` are for people only, on stderr.
    """

    command: str
    body: Mapping[str, Any]
    lines: Callable[[View], Iterable[str]]
    next: str = ""
    exit_code: ExitCode = ExitCode.DONE
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Stream:
    """One of the two; a reader who has gone (a pipe, a terminal that was closed) must not end a backfill."""

    file: TextIO
    muted: bool = False
    problem: OSError | None = None

    def write(self, text: str) -> None:
        if self.muted:
            return
        try:
            self.file.write(text)
            self.file.flush()
        except (OSError, ValueError) as error:
            self.muted = True
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                self.problem = error

    @property
    def view(self) -> View:
        if not _is_terminal(self.file):
            return View()
        colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
        return View(max(shutil.get_terminal_size().columns, 40), colour)


@dataclass
class Output:
    """The two streams, and whether programs are listening."""

    json: bool = False
    _out: _Stream = field(default_factory=lambda: _Stream(sys.stdout))
    _err: _Stream = field(default_factory=lambda: _Stream(sys.stderr))

    @property
    def out_view(self) -> View:
        """Who reads the data."""
        return self._out.view

    @property
    def err_view(self) -> View:
        """Who reads progress and notes."""
        return self._err.view

    @property
    def live(self) -> bool:
        """Whether a line on stderr may be drawn again and again."""
        return self.err_view.width is not None and os.environ.get("TERM", "dumb") != "dumb"

    @property
    def out_live(self) -> bool:
        """Whether the screen may be drawn again and again."""
        return self.out_view.width is not None and os.environ.get("TERM", "dumb") != "dumb"

    @property
    def unread(self) -> bool:
        """Whether whoever read the data has gone."""
        return self._out.muted

    @property
    def problem(self) -> OSError | None:
        """Why the data could not be written, if somebody wants it."""
        return self._out.problem

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Keep stdout for the data: what steps in this process print there, their children too, goes to stderr."""
        try:
            fileno, errors = sys.stdout.fileno(), sys.stderr.fileno()
        except (OSError, ValueError):  # no real file: somebody captures it
            yield
            return
        sys.stdout.flush()
        own = os.dup(fileno)
        os.dup2(errors, fileno)
        self._out.file = os.fdopen(own, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            os.dup2(own, fileno)
            with suppress(OSError):  # its reader has gone
                self._out.file.close()
            self._out.file = sys.stdout

    def data(self, text: str) -> None:
        """One line of data."""
        self._out.write(f"{text}\n")

    def note(self, text: str, style: str = "") -> None:
        """One line for the person at the keyboard."""
        self._err.write(f"{self.err_view.paint(style, text)}\n")

    def record(self, body: Mapping[str, Any]) -> None:
        """One JSON object on one line."""
        self.data(json.dumps(body, ensure_ascii=self._plain))

    def next(self, command: str) -> None:
        """What to type next."""
        if command:
            self.note(f"next: {command}", "dim")

    def answer(self, answer: Answer) -> ExitCode:
        """The whole of a short command."""
        if self.json:
            body = {"schema": SCHEMA, "command": answer.command, **answer.body}
            self._document({**body, "exit_code": int(answer.exit_code), "next": answer.next})
            return answer.exit_code
        for line in answer.lines(self.out_view):
            self.data(line)
        for note in answer.notes:
            self.note(note)
        self.next(answer.next)
        return answer.exit_code

    def result(self, body: Mapping[str, Any], exit_code: ExitCode, next_: str) -> None:
        """The line that closes a stream of NDJSON."""
        self.record({"event": "result", **body, "exit_code": int(exit_code), "next": next_})

    def error(self, command: str, error: RecoupError) -> ExitCode:
        """What went wrong, in one sentence, and the remedy."""
        if self.json:
            body = {"schema": SCHEMA, "command": command, "error": error_json(error)}
            self._document({**body, "exit_code": int(error.exit_code)})
            return error.exit_code
        view = self.err_view
        self._err.write(f"{view.paint('bad', 'error:')} {clean(error.message)}\n")
        if error.remedy:
            self._err.write(f"{view.paint('good', 'help:')} {clean(error.remedy)}\n")
        return error.exit_code

    def _document(self, body: Mapping[str, Any]) -> None:
        """One JSON object, laid out where a person reads it."""
        indent = None if self.out_view.width is None else 2
        self.data(json.dumps(body, ensure_ascii=self._plain, indent=indent))

    @property
    def _plain(self) -> bool:
        """Whether the stream cannot take every letter."""
        return (getattr(self._out.file, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"

    def screen(self, text: str) -> None:
        """Raw text for a screen of data that is drawn over itself."""
        self._out.write(text)

    def draw(self, text: str) -> None:
        """Raw text for a live line on stderr."""
        self._err.write(text)


def error_json(error: RecoupError) -> dict[str, Any]:
    """An error as `--json` shows it."""
    return {"type": type(error).__name__, "message": error.message, "help": error.remedy}


def _is_terminal(file: TextIO) -> bool:
    try:
        return file.isatty()
    except ValueError:  # closed
        return False
