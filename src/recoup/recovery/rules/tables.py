"""How the tables are written: a kind, and the words that mean it."""

from __future__ import annotations

from collections.abc import Mapping

from recoup.model.failure import FailureKind


def by_word(table: Mapping[FailureKind, str]) -> dict[str, FailureKind]:
    """From `{kind: "A B"}` to `{"A": kind, "B": kind}`."""
    found: dict[str, FailureKind] = {}
    for kind, words in table.items():
        for word in words.split():
            if word in found:
                raise ValueError(f"{word} stands in the table as {found[word]} and as {kind}")
            found[word] = kind
    return found


def by_number(table: Mapping[FailureKind, str]) -> dict[int, FailureKind]:
    """Likewise, of whole numbers; `5-7` are three."""
    found: dict[int, FailureKind] = {}
    for word, kind in by_word(table).items():
        first, _, last = word.lstrip("-").partition("-")
        sign = -1 if word.startswith("-") else 1
        found |= dict.fromkeys((sign * n for n in range(int(first), int(last or first) + 1)), kind)
    return found
