"""Whether a failed attempt is tried again, and when: by kind, policy, and what the other side asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recoup.model.failure import Failure, FailureKind, RetryClass
from recoup.model.policy import Retry

RETRY_AFTER = "retry_after_seconds"
"""The evidence in which a server says how long to stay away."""
RESET_AT = "reset_at"
"""The evidence that says when a quota begins anew: seconds since 1970, or ISO 8601, in UTC where no zone is named."""


def wait_before_retry(failure: Failure, retry: Retry, tries: int, chance: float, wall: float = 0.0) -> float | None:
    """Seconds until the next attempt; None: there is none. `tries` are those that count together with this one."""
    if failure.kind is FailureKind.QUOTA:  # without a reset time only a person knows when there is more
        return until_reset(failure.evidence, wall) if tries < retry.attempts(failure.kind) else None
    if failure.retry_class is not RetryClass.SAME_RUN or tries >= retry.attempts(failure.kind):
        return None
    asked = retry_after(failure.evidence)
    if asked is not None:
        return asked
    if failure.kind is FailureKind.LOST and tries == 1:
        return 0.0  # nothing is known against the step yet
    return retry.of(failure.kind).delay(tries, chance)


def retry_after(evidence: Mapping[str, Any]) -> float | None:
    """What the other side asked for; None where it said nothing that can be obeyed."""
    asked = evidence.get(RETRY_AFTER)
    if isinstance(asked, bool) or not isinstance(asked, int | float):
        return None
    return float(asked) if 0 < asked < math.inf else None


def until_reset(evidence: Mapping[str, Any], wall: float) -> float | None:
    """Seconds until a quota begins anew; None where nobody has said it."""
    said = evidence.get(RESET_AT)
    if isinstance(said, str):
        try:
            moment = datetime.fromisoformat(said)
        except ValueError:
            return retry_after(evidence)
        said = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        return retry_after(evidence)
    return max(said - wall, 0.0)
