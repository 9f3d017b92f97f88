"""A cause with what is read from it more than once: its text, its words, and the first phrase that stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from recoup.model.evidence import Cause
from recoup.recovery.phrases import Phrase, Phrasebook, readable, words_of
from recoup.recovery.rules import types
from recoup.recovery.rules.languages import TRANSLATED
from recoup.recovery.rules.words import GENERAL, OVERRIDING
from recoup.recovery.rules.words_of_data import CHECKED, DATA
from recoup.recovery.rules.words_of_passing import ELSEWHERE, PASSING
from recoup.recovery.spoken import spoken

OVERRIDING_WORDS: Final = Phrasebook(OVERRIDING)
GENERAL_WORDS: Final = Phrasebook((*GENERAL, *DATA, *PASSING, *CHECKED, *ELSEWHERE, *TRANSLATED))
_OF_OTHERS: Final = ("site-packages/", "lib/python3", "/python3.")
_SENTENCE_WORDS: Final = 4


@dataclass(frozen=True)
class Reading:
    """A cause with what is read from it more than once."""

    cause: Cause
    warnings: bool = True

    @cached_property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """Of the type and its bases: the package and the name."""
        return tuple((name.partition(".")[0].lstrip("_"), name.rpartition(".")[2]) for name in self.cause.classes)

    @cached_property
    def package(self) -> str:
        return self.packages[0][0] if self.packages else ""

    @cached_property
    def message(self) -> str:
        return spoken(self.cause, warnings=self.warnings)

    @cached_property
    def text(self) -> str:
        message = self.message
        if self.packages[:1] == (("builtins", "KeyError"),) and self.is_sentence:
            message = message.strip("'\"")  # str() of it is the repr of its key
        return readable(message).strip()

    @cached_property
    def words(self) -> frozenset[str]:
        return words_of(self.text)

    @cached_property
    def word(self) -> Phrase | None:
        return GENERAL_WORDS.first_in(self.text, self.words)

    @cached_property
    def override(self) -> Phrase | None:
        return OVERRIDING_WORDS.first_in(self.text, self.words)

    @property
    def is_sentence(self) -> bool:
        """Several words, as a person writes them."""
        return len(self.message.strip("'\"").split()) >= _SENTENCE_WORDS

    @property
    def refused_by(self) -> str:
        """The library whose innermost frame it is that says of shapes and arguments what it has no class for."""
        last = self.cause.frames[-1] if self.cause.frames else ""
        return next((library for library in types.REFUSE_VALUES if f"/{library}/" in last), "")

    @property
    def is_of_library(self) -> bool:
        """Raised in the code of others."""
        return any(place in frame for frame in self.cause.frames[-1:] for place in _OF_OTHERS)

    @property
    def is_plain(self) -> bool:
        """A bug's own class, or a bad value, of Python itself."""
        return self.package == "builtins" and self.packages[0][1] in types.PLAIN
