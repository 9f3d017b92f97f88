"""What a partition showed before: pure questions to its history, which lists the newest publication first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from recoup.ledger.facts import Published
from recoup.ledger.staleness import ROLLBACK


def run_before(history: Sequence[Published]) -> Published | None:
    """What was shown before the run that is shown now; what was taken back counts as never shown.

    >>> run_before([])
    """
    shown = _shown(history)
    newest = shown[-1].publication.run if shown else None
    return next((row for row in reversed(shown) if row.publication.run != newest), None)


def made_by(history: Sequence[Published]) -> Published | None:
    """The publication whose output is shown now, whatever rollback brought it back; None: nothing is shown.

    >>> made_by([])
    """
    shown = _shown(history)
    return shown[-1] if shown else None


def shown_without(history: Sequence[Published], tokens: Collection[int]) -> Published | None:
    """What was shown before any of these publications, as if they had never been.

    >>> shown_without([], ())
    """
    return next((row for row in reversed(_shown(history)) if row.publication.token not in tokens), None)


def shown_at(history: Sequence[Published], moment: float) -> Published | None:
    """The publication that was current at that moment; None when there was none yet, as far as is known.

    >>> shown_at([], 0.0)
    """
    return next((row for row in history if row.published_at <= moment), None)


def _shown(history: Sequence[Published]) -> list[Published]:
    """The outputs that were shown one upon the other; a rollback goes down to one of them, or brings one back."""
    shown: list[Published] = []
    made: dict[int | None, Published] = {}
    for row in reversed(history):
        run = row.publication.run
        if not row.publication.reason.startswith(ROLLBACK):
            made[run] = row
        if run is None:
            shown.clear()
        elif not row.publication.reason.startswith(ROLLBACK):
            shown.append(row)
        elif run in {below.publication.run for below in shown}:
            while shown[-1].publication.run != run:
                shown.pop()
        else:
            shown.append(made.get(run, row))
    return shown
