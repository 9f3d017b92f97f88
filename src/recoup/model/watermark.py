"""Names of watermarks, and their values: moments as whole microseconds since 1970 UTC, exact in every ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from recoup.model.errors import PipelineError
from recoup.model.keys import quoted

LONGEST_NAME: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def watermark_name(name: str) -> str:
    """A job's name, as its people spell it; PipelineError for what nobody could type or read."""
    fit = isinstance(name, str) and name.strip() == name and name.isprintable() and not name.startswith("-")
    if not fit or not 0 < len(name) <= LONGEST_NAME:
        message = f"a watermark cannot be called {quoted(name)}"
        raise PipelineError(message, f"give it a name of 1 to {LONGEST_NAME} printable characters, such as a job's")
    return name


def microseconds(moment: datetime) -> int:
    """One without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def moment_at(value_microseconds: int) -> datetime:
    """Aware, UTC."""
    return _EPOCH + timedelta(microseconds=value_microseconds)


def moment_text(moment: datetime) -> str:
    """`2025-10-01T00:00:00.000Z`; to the microsecond where it has any."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
