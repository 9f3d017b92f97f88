"""How a step says which partitions it reads: as the default of the argument that they come in.

Each takes a step, or a source, and `complete`: the share of the expected partitions that must be there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from recoup.model.errors import PipelineError
from recoup.model.keys import quoted
from recoup.model.pipeline import Dataset, Reading, Source, Step
from recoup.model.policy import seconds
from recoup.model.relation import Enclosing, Every, Newest, Span, Within

# Each stands where the argument's own type is declared, so it may be anything: hence Any.
Readable = Step[..., Any] | Source | Dataset


def lookback(
    of: Readable, *, days: int = 0, hours: int = 0, weeks: int = 0, months: int = 0, complete: float = 1.0
) -> Any:  # noqa: ANN401 - as said above
    """Read the span before this partition."""
    return Reading(_readable(of), Span(_length(of, days, hours, weeks, months)), _share(complete))


def trailing(
    of: Readable, *, days: int = 0, hours: int = 0, weeks: int = 0, months: int = 0, complete: float = 1.0
) -> Any:  # noqa: ANN401 - as said above
    """Read the span that ends with this partition."""
    return Reading(_readable(of), Span(_length(of, days, hours, weeks, months), trailing=True), _share(complete))


def within(of: Readable, *, complete: float = 1.0) -> Any:  # noqa: ANN401 - as said above
    """Read the finer partitions that lie in this one: the hours of a day, the days of a month, the tenants of a day."""
    return Reading(_readable(of), Within(), _share(complete))


def enclosing(of: Readable) -> Any:  # noqa: ANN401 - as said above
    """Read the coarser partition in which this one lies: the month of a day, the day or the tenant of a cell."""
    return Reading(_readable(of), Enclosing(), 1.0)


def every(of: Readable, *, complete: float = 1.0) -> Any:  # noqa: ANN401 - as said above
    """Read all partitions; in two grids over the same members, all of this one's member."""
    return Reading(_readable(of), Every(), _share(complete))


def newest(of: Readable) -> Any:  # noqa: ANN401 - as said above
    """Read the newest partition that is there."""
    return Reading(_readable(of), Newest(), 1.0)


def snapshot(of: Readable, *, max_age: str | float | timedelta | None = None) -> Any:  # noqa: ANN401 - as said above
    """Read the newest partition that was over at the run's `run_as_of`, by no more than `max_age`, such as "36h"."""
    limit = None if max_age is None else seconds(max_age, f"snapshot of {_readable(of).name!r}: max_age")
    return Reading(_readable(of), Newest(snapshot=True, max_age_seconds=limit), 1.0)


def _readable(of: object) -> Any:  # noqa: ANN401 - a Step or a Source, whose types the caller knows
    if not isinstance(of, Step | Source | Dataset):
        message = f"{quoted(of)} is no step, source or dataset, so nothing can be read of it"
        raise PipelineError(message, "give the step itself, without quotes: rc.lookback(step, days=7)")
    return of


def _length(of: Readable, days: int, hours: int, weeks: int, months: int) -> int:
    """The span in partitions of the dataset that is read."""
    given = {unit: n for unit, n in (("days", days), ("hours", hours), ("weeks", weeks), ("months", months)) if n}
    time = of.partitions.time_side
    if time is None:
        message = f"lookback on {of.name!r}: its partitions are {of.partitions.grain}, which are not in time"
        raise PipelineError(message, "read the same partition instead")
    grain = time.grain
    if len(given) != 1 or not all(isinstance(n, int) and n >= 1 for n in given.values()):
        message = f"lookback on {of.name!r}: say how far with one of days=, hours=, weeks= or months="
        raise PipelineError(message, "for example rc.lookback(step, days=7)")
    unit, length = next(iter(given.items()))
    if unit == "days" and grain == "hours":
        return length * 24
    if unit != grain:
        message = f"lookback on {of.name!r}: its partitions are {grain}, not {unit}"
        raise PipelineError(message, f"write {grain}=")
    return length


def _share(complete: float) -> float:
    if not isinstance(complete, int | float) or not 0 <= complete <= 1:
        message = f"complete={quoted(complete)} is no share"
        raise PipelineError(message, "give a number from 0 to 1, for example 0.8")
    return float(complete)
