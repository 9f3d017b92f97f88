"""The real clock."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """Time and chance of this machine."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)

    def boottime(self) -> float:
        """Goes on while the machine sleeps where the system can tell; else monotonic."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    def monotonic(self) -> float:
        """For durations and timers."""
        return time.monotonic()

    def random(self) -> float:
        """From [0, 1)."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def token_bytes(self, count: int) -> bytes:
        """Unpredictable."""
        return secrets.token_bytes(count)
