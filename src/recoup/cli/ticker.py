"""A thread that looks now and then, and notices a signal at once; the engine's loop is never held up."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

FIRST_SECONDS: Final = 0.3
"""What is over before that is not worth a line."""
_STOPS: Final = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


@contextmanager
def ticking(tick: Callable[[], None], on_stop: Callable[[], None], every_seconds: float) -> Iterator[None]:
    """Call `tick` every so often, and `on_stop` at each signal that asks us to stop, from a thread of its own."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    over = threading.Event()

    def look() -> None:
        patience = FIRST_SECONDS
        while not over.is_set():
            ready, _, _ = select.select([read], [], [], patience)
            if over.is_set():
                return
            numbers = os.read(read, 64) if ready else b""
            for _ in (number for number in numbers if number in _STOPS):
                on_stop()
            tick()
            patience = every_seconds

    thread = threading.Thread(target=look, name="progress", daemon=True)
    with _woken_by_signals(write):
        thread.start()
        try:
            yield
        finally:
            over.set()
            os.write(write, b"\0")
            thread.join()
            os.close(read)
    os.close(write)


@contextmanager
def _woken_by_signals(fileno: int) -> Iterator[None]:
    """The number of each signal is written to the pipe, whoever handles it; only the main thread can ask for that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.set_wakeup_fd(fileno, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
