"""The same answer again and again: drawn over itself on a terminal, in blocks elsewhere, as NDJSON for programs."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final

from recoup.app.standing import iso
from recoup.cli import version
from recoup.cli.output import SCHEMA, Answer, Output, error_json
from recoup.cli.text import clean, cut
from recoup.model.errors import ExitCode, RecoupError, UsageError
from recoup.ports import Clock

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class Watch:
    """Asks every so many seconds, and shows what it is told."""

    def __init__(
        self,
        output: Output,
        clock: Clock,
        ask: Callable[[], Answer],
        every_seconds: float,
        pause: Callable[[float], object] = _pause,
    ) -> None:
        if not 0 < every_seconds < float("inf"):
            raise UsageError(f"--watch is {every_seconds:g} seconds", "give a number of seconds above zero")
        self._output = output
        self._clock = clock
        self._ask = ask
        self._every_seconds = every_seconds
        self._pause = pause
        self._drawn = not output.json and output.out_live

    def run(self, *, until_done: bool) -> ExitCode:
        """Until Ctrl-C, or until nobody reads any more; with `until_done` also until all is complete."""
        answer, code = self._ask(), None  # what cannot be asked at all is an error like any other
        if self._output.json:
            self._output.record({"recoup": version(), "schema": SCHEMA, "command": answer.command})
        try:
            with self._screen():
                while code is None:
                    self._show(answer)
                    code = self._over(answer, until_done=until_done)
                    if code is None:
                        self._pause(self._every_seconds)
                        answer = self._again(answer)
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
        self._close(answer, code)
        return code

    def _over(self, answer: Answer, *, until_done: bool) -> ExitCode | None:
        done = until_done and answer.exit_code is ExitCode.DONE
        return ExitCode.DONE if done or self._output.unread else None

    def _again(self, before: Answer) -> Answer:
        """A ledger that is out of reach for a moment ends nothing: it is told, and asked again."""
        try:
            return self._ask()
        except RecoupError as error:
            body = {"error": error_json(error)}
            line = f"error: {clean(error.message)}"
            return Answer(before.command, body, lambda _view: [line], before.next, error.exit_code)

    def _show(self, answer: Answer) -> None:
        at = self._clock.now()
        if self._output.json:
            self._output.record({"event": answer.command, "at": iso(at.timestamp()), **answer.body})
        elif self._drawn:
            self._draw(answer, at)
        else:
            self._output.data(f"— {iso(at.timestamp())}")
            for line in answer.lines(self._output.out_view):
                self._output.data(line)
            self._output.data("")

    def _draw(self, answer: Answer, at: datetime) -> None:
        """Over what is there, without a flicker, and no more than fits."""
        view = self._output.out_view
        head = f"every {self._every_seconds:g} s · {at.astimezone():%Y-%m-%d %H:%M:%S} · Ctrl-C ends it"
        lines = [view.paint("dim", cut(head, view.width)), "", *answer.lines(view)]
        room = max(shutil.get_terminal_size().lines - 1, 3)
        if len(lines) > room:
            more = len(lines) - room + 1
            lines = [*lines[: room - 1], view.paint("dim", f"and {more} more lines")]
        self._output.screen(_HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in lines) + _REST_OF_SCREEN)

    def _close(self, answer: Answer, code: ExitCode) -> None:
        """What was drawn last stays, below the command that was typed."""
        if self._output.json:
            state = "done" if code is ExitCode.DONE else "interrupted"
            self._output.result({"state": state}, code, answer.next)
            return
        if self._drawn:
            for line in answer.lines(self._output.out_view):
                self._output.data(line)
        self._output.next(answer.next)

    @contextmanager
    def _screen(self) -> Iterator[None]:
        """A screen of its own, which is given back however this ends."""
        with _polite_end():
            if self._drawn:
                self._output.screen(_ENTER)
            try:
                yield
            finally:
                if self._drawn:
                    self._output.screen(_LEAVE)


@contextmanager
def _polite_end() -> Iterator[None]:
    """A polite kill ends it as an exception does, so that the terminal is given back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.TERMINATED))
    try:
        yield
    finally:
        with suppress(TypeError):  # it was not set from Python
            signal.signal(signal.SIGTERM, before)
