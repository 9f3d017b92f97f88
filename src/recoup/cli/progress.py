"""How a run shows itself while it goes on: a live line on a terminal, plain lines elsewhere, NDJSON for programs."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from recoup.app.prepare import Planned
from recoup.app.staging import StageNews
from recoup.cli.dates import Dates
from recoup.cli.output import SCHEMA, Output
from recoup.cli.plan_text import plan_json, totals
from recoup.cli.stage_text import news_json, news_words
from recoup.cli.tally import News, Tally
from recoup.cli.text import clean, counted, cut, duration, number, width_of
from recoup.cli.ticker import ticking
from recoup.engine.stopping import Progress
from recoup.ports import Clock

CAUSES_TOLD: Final = 5
"""Each cause is told once; behind the fifth they are only counted."""
_PLAIN_SECONDS: Final = 5.0
_PLAIN_SHARE: Final = 0.1
_LIVE_SECONDS: Final = 0.2
_WAIT_SECONDS: Final = 2.0
_FAST: Final = 99.5
_SOON: Final = 0.0005  # what would be shown as 0 ms


class Shown:
    """The observer of one run; also called from the ticker's thread, so every word is said under a lock."""

    def __init__(self, output: Output, clock: Clock, command: str, version: str, parallel: int) -> None:
        self._output = output
        self._clock = clock
        self._parallel = parallel
        self._lock = threading.RLock()
        self._stops = 0
        self._told: dict[bool, int] = {True: 0, False: 0}
        self._line = ""
        self._last = (0.0, 0.0, (False, False))
        self._waits_since: float | None = None
        self.tally: Tally | None = None
        self._dates: Dates | None = None
        self.backfill_id: str | None = None
        if output.json:
            output.record({"recoup": version, "schema": SCHEMA, "command": command})

    @contextmanager
    def on(self) -> Iterator[None]:
        """While the run goes on."""
        with ticking(self._tick, self._stop, _LIVE_SECONDS if self._output.live else 1.0):
            try:
                yield
            finally:
                with self._lock:
                    self._erase()

    def on_plan(self, planned: Planned, backfill_id: str | None) -> None:
        """Before anything runs."""
        with self._lock:
            now = self._clock.monotonic()
            self.tally, self.backfill_id = Tally(planned, now), backfill_id
            self._last = (now, 0.0, (False, False))
            if self._output.json:
                self._event("plan", {"backfill_id": backfill_id, **plan_json(planned)})
            elif backfill_id is not None:
                self._output.note(totals(planned, self._parallel))
                self._output.note(f"backfill {backfill_id}", "dim")
                self._dates = None if self._output.live else Dates(planned)

    def observe(self, progress: Progress) -> None:
        """After each turn of the engine in which something happened."""
        with self._lock:
            assert self.tally is not None
            paused = self.tally.paused
            for news in self.tally.take(progress):
                self._tell(news)
            if self._dates and progress.settled:
                self._output.note("\n".join(self._dates.lines(progress.settled)))
            if paused != self.tally.paused:
                self._say_paused()

    def on_stage(self, news: StageNews) -> None:
        """When one begins, when its gate has spoken, and when it rests before the next."""
        with self._lock:
            if self._output.json:
                self._event("stage", news_json(news))
            else:
                head, text = news_words(news)
                self._note(head, text)

    # --- what is told

    def _tell(self, news: News) -> None:
        if self._output.json:
            self._event("failure", _news_json(news))
            return
        final = news.retry_seconds is None
        if not news.first:
            return
        self._told[final] += 1
        if self._told[final] <= CAUSES_TOLD:
            what = f"{news.node.name} {news.node.partitions.name(news.ordinal)}"
            message = f"{news.failure.kind}: {clean(news.failure.message)}{_again(news.retry_seconds)}"
            self._note(("failed" if final else "retry ", "bad" if final else "warn"), f"{what}  {message}")
        elif self._told[final] == CAUSES_TOLD + 1:
            self._note(("failed" if final else "retry ", "dim"), "further causes are counted, and told at the end")

    def _say_paused(self) -> None:
        assert self.tally is not None
        if self._output.json:
            self._event("progress", self._figures(self.tally, self._clock.monotonic()))
        elif self.tally.paused:
            self._note(("paused", "warn"), f"`recoup backfill resume {self.backfill_id}` goes on")
        else:
            self._note(("resumed", "good"), "")

    def _stop(self) -> None:
        with self._lock:
            self._stops += 1
            if self._output.json or self.tally is None:
                return
            if self._stops == 1:
                # What was claimed ahead is given back, so no more can be running than there are workers.
                attempts = counted(min(self.tally.running, self._parallel), "running attempt")
                verb = "ends" if attempts.startswith("1 ") else "end"
                self._note(("stopping:", "warn"), f"{attempts} {verb} first; press Ctrl-C again to stop at once")
            elif self._stops == 2:  # noqa: PLR2004 - the second time
                self._note(("stopping at once", "warn"), "")

    # --- figures, now and then

    def _tick(self) -> None:
        with self._lock:
            if self.tally is None or self.backfill_id is None:
                return
            self._say_waiting(self.tally)
            if self._output.json or not self._output.live:
                self._now_and_then(self.tally)
            else:
                self._draw(self._live_line(self.tally))

    def _say_waiting(self, tally: Tally) -> None:
        """Once, when it has waited for a slot for longer than others need to give one back."""
        if self._output.json or not tally.waiting:
            self._waits_since = None
            return
        now = self._clock.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since >= _WAIT_SECONDS:
            self._waits_since = math.inf
            text = "for a slot: `recoup backfill ls` shows who has them; a higher --max-parallel allows more at once"
            self._note(("waiting", "warn"), text)

    def _now_and_then(self, tally: Tally) -> None:
        now = self._clock.monotonic()
        at, share, stands = self._last
        tally.rate(now)
        due = now - at >= (1.0 if self._output.json else _PLAIN_SECONDS) or tally.share - share >= _PLAIN_SHARE
        if not due or (tally.share, (tally.paused, tally.waiting)) == (share, stands):
            return
        self._last = (now, tally.share, (tally.paused, tally.waiting))
        if self._output.json:
            self._event("progress", self._figures(tally, now))
        else:
            self._output.note("  ".join(_parts(tally, now)))

    def _figures(self, tally: Tally, now: float) -> dict[str, Any]:
        rate, left = tally.rate(now), tally.seconds_left(now)
        return {
            "done": tally.done,
            "total": tally.total,
            "failed": tally.counts.failed,
            "blocked": tally.blocked,
            "running": tally.running,
            "paused": tally.paused,
            "waiting": tally.waiting,
            "per_second": None if rate is None else round(rate, 3),
            "seconds_left": None if left is None else round(left, 1),
        }

    def _live_line(self, tally: Tally) -> str:
        view = self._output.err_view
        width = (view.width or 80) - 4  # room for the ^C that a terminal shows
        text = "  ".join(_parts(tally, self._clock.monotonic()))
        room = width - width_of(text) - 2
        if room < 8:  # noqa: PLR2004 - a shorter bar says nothing
            return cut(text, width)
        full = int(min(room, 40) * tally.share)
        bar = view.paint("good", "━" * full) + view.paint("dim", "─" * (min(room, 40) - full))
        return f"{bar}  {text}"

    def _draw(self, line: str) -> None:
        if line != self._line:
            self._output.draw(f"\r\x1b[K{line}")
            self._line = line

    def _erase(self) -> None:
        if self._line:
            self._output.draw("\r\x1b[K")
            self._line = ""

    def _note(self, head: tuple[str, str], text: str) -> None:
        """A line that stays, above the live one."""
        self._erase()
        view = self._output.err_view
        self._output.note(f"{view.paint(head[1], head[0])} {text}".rstrip())

    def _event(self, kind: str, body: dict[str, Any]) -> None:
        at = datetime.fromtimestamp(self._clock.now().timestamp(), UTC).isoformat(timespec="milliseconds")
        self._output.record({"event": kind, "at": at.replace("+00:00", "Z"), **body})


def _again(delay_seconds: float | None) -> str:
    if delay_seconds is None:
        return ""
    return f", tried again in {duration(delay_seconds)}" if delay_seconds >= _SOON else ", tried again at once"


def _parts(tally: Tally, now: float) -> Iterator[str]:
    """`151/327  46 %  12.3/s  17 s left  2 failed  1 blocked  4 running`."""
    yield f"{number(tally.done)}/{number(tally.total)}"
    yield f"{int(100 * tally.published_share)} %"
    rate, left = tally.rate(now), tally.seconds_left(now)
    if tally.paused:
        yield "paused"
    elif tally.waiting:
        yield "waits for a slot"
    elif rate is not None:
        yield f"{rate:.1f}/s" if rate < _FAST else f"{number(round(rate))}/s"
    if left is not None and left >= 1:
        yield f"{duration(left)} left"
    for count, word in ((tally.counts.failed, "failed"), (tally.blocked, "blocked"), (tally.running, "running")):
        if count:
            yield f"{number(count)} {word}"


def _news_json(news: News) -> dict[str, Any]:
    return {
        "step": news.node.name,
        "partition": news.node.partitions.name(news.ordinal),
        "kind": news.failure.kind.value,
        "message": news.failure.message,
        "fingerprint": news.failure.fingerprint,
        "log": news.log,
        "retry_in_seconds": news.retry_seconds,
    }
