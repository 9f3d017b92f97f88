"""What a run may know: from the words of `--as-of-mode` to a moment for each partition."""

from __future__ import annotations

from datetime import UTC, datetime

from recoup.app.aside import aside
from recoup.engine.runs import AsOf
from recoup.model.errors import UsageError
from recoup.model.partitioning import Partitioning
from recoup.model.pipeline import Pipeline
from recoup.model.time_base import TimePartitioning


def as_of(mode: str, pipeline: Pipeline, request_made_at: float) -> AsOf:
    """`now` (one moment for the whole request), `partition-end`, one of the pipeline's own, or an ISO time."""
    if mode == "now":
        return lambda _partitioning, _ordinal: request_made_at
    if mode == "partition-end":
        return _partition_end
    if mode in pipeline.as_of_modes:
        return _named(pipeline, mode)
    moment = parse_moment(
        mode, f"--as-of-mode does not know {mode[:80]!r}", ", ".join(["now", "partition-end", *pipeline.as_of_modes])
    )
    return lambda _partitioning, _ordinal: moment


def parse_moment(text: str, problem: str, known: str) -> float:
    """Seconds since 1970 of an ISO time; one without a zone is UTC."""
    moment = moment_of(text)
    if moment is None:
        raise UsageError(problem, f"choose from {known}, or give an ISO time such as 2024-01-15T10:30:00Z")
    return moment


def moment_of(text: str) -> float | None:
    """The same; None when it is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _partition_end(partitioning: Partitioning, ordinal: int) -> float:
    if not isinstance(partitioning, TimePartitioning):
        message = f"--as-of-mode partition-end: {partitioning} have no end in time"
        raise UsageError(message, "use --as-of-mode now, or an ISO time")
    return partitioning.span(ordinal)[1].timestamp()


def _named(pipeline: Pipeline, mode: str) -> AsOf:
    def moment(partitioning: Partitioning, ordinal: int) -> float:
        key = partitioning.name(ordinal)
        try:
            with aside():
                answer = pipeline.as_of_modes[mode](key)
        except Exception as error:
            message = f"the as-of mode {mode!r} could not tell about {key}: {type(error).__name__}: {error}"
            raise UsageError(message, "mend the function that defines it") from error
        if not isinstance(answer, datetime) or answer.tzinfo is None:
            message = f"the as-of mode {mode!r} gave {answer!r} for {key}"
            raise UsageError(message, "it must return a datetime with a time zone")
        return answer.timestamp()

    return moment
