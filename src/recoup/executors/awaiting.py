"""Tasks in the calling thread, one after the other; an event loop comes with the first that is to be awaited."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from recoup.ports import Performer

if TYPE_CHECKING:
    from recoup.executors.loop import LoopThread

CLOSE_SECONDS: Final = 1.0


class Awaiting:
    """Calls a performer, or waits for its coroutine."""

    def __init__(self, performer: Performer) -> None:
        self._performer = performer
        self._loop: LoopThread | None = None

    def perform(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry one task out, to its end.

        The loop has a thread of its own: where somebody waits on a loop already (a notebook), this one cannot.
        """
        coroutine = self._performer.coroutine(body)
        if coroutine is None:
            return self._performer(body)
        if self._loop is None:
            from recoup.executors.loop import LoopThread  # asyncio takes longer to load than most steps to run

            self._loop = LoopThread(self._performer.idle)
        return self._loop.run(coroutine)

    def close(self) -> None:
        """End the loop, if there is one."""
        if self._loop is not None:
            self._loop.close(time.monotonic() + CLOSE_SECONDS)
