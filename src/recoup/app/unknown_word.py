"""A word that is nothing recoup knows: what it might have been, instead of how one of these is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recoup.app.loading import all_pipelines
from recoup.app.settings import Settings
from recoup.model.errors import NotAKeyError, RecoupError, UsageError


def unknown_word(settings: Settings, errors: Iterable[RecoupError], kinds: Sequence[str]) -> RecoupError:
    """What to raise when every pipeline was asked for a partition of that name, and none could answer."""
    for error in (told := list(errors)):
        if not isinstance(error, NotAKeyError):
            return error  # it is written like a partition, or nobody could tell
    first = next(error for error in told if isinstance(error, NotAKeyError))
    message = f"{first.word} is neither {', '.join(kinds)} nor a partition"
    there = ", ".join(all_pipelines(settings))
    return UsageError(message, f"the pipelines are {there}; `recoup why` names the causes; {first.written}")
