"""What to do where the rule knows more than the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ADVICE_OF_RULE: Final[Mapping[str, str]] = {
    "words: requested run": "The run ids differ (run_id mismatch): compare it with `recoup runs`.",
    "words: missing required column*": "The source's columns changed: fix contract or source.",
}
