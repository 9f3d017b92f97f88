"""Ctrl-C once drains, twice stops; a polite kill does the same."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from recoup.engine.stopping import Stopping
from recoup.ports import Clock


@dataclass
class Received:
    """Which signal asked us to stop."""

    number: int | None = None


@contextmanager
def stop_on_signals(stopping: Stopping, clock: Clock) -> Iterator[Received]:
    """Handlers for the block; only the main thread can have them. SIGHUP that nohup ignores stays ignored."""
    received = Received()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        stopping.at_once = stopping.drain
        stopping.drain = True
        stopping.asked_at = stopping.asked_at or clock.now().timestamp()
        # A lost terminal is told as an interrupt: the exit code says that it can be resumed.
        received.number = signal.SIGTERM if number == signal.SIGTERM else signal.SIGINT
        stopping.wake()

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, on_signal)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
