"""Phrases: a quick look for their longest part first, a regular expression only where that is found.

Most commands meet no failure, and a failure few phrases: nothing is indexed or compiled before it is needed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from recoup.model.failure import FailureKind
from recoup.recovery.rules.words import Block

TEXT_LIMIT = 6_000
_GAP = ".{0,80}?"
_NUMBER, _REST_OF_WORD, _REST_OF_NAME = r"\d[\d.,_]*", r"[^\W_]*", r"\w*"
_WORD = re.compile(r"[^\W_]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SPACES = re.compile(r"\s+")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\")>\]]+")
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_HYPHENS_OF_ID = 4
_QUOTES = re.compile("['\"`«»„“]")
# A quoted value, but not what a JSON body says under `message` and its like, and not an apostrophe.
_QUOTED = re.compile(
    r"(?P<key>[\"'](?:message|msg|m|error\w*|reason|details?|code|status|title|description|type|cause)[\"']\s*:\s*"
    r"|\bdetails = |\blimit )?"
    r"(?:(?<!\w)'[^'\n]{0,200}'(?!\w)|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`|«[^»\n]{0,200}»|»[^«\n]{0,200}«|„[^“”\n]{0,200}[“”]"
    r"|“[^”\n]{0,200}”)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase of the table."""

    text: str
    kind: FailureKind

    def stands_in(self, text: str) -> bool:
        """Whether a text has it."""
        return _longest_part(self.text) in text and _compiled(self.text).search(text) is not None


class Phrasebook:
    """All phrases of some blocks; only those all of whose words stand in a text are looked at."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = tuple(blocks)

    def first_in(self, text: str, words: frozenset[str]) -> Phrase | None:
        """The first, in the order of the table, that stands in a text that has been made `readable`; with its words."""
        by_word, others = self._index
        places = [place for place, part in others if part in text]
        for word in words & by_word.keys():
            places += [place for place, needed in by_word[word] if needed <= words]
        return next((self._phrases[place] for place in sorted(places) if self._phrases[place].stands_in(text)), None)

    @cached_property
    def _phrases(self) -> tuple[Phrase, ...]:
        return tuple(Phrase(text, kind) for kind, phrases in self._blocks for text in split(phrases))

    @cached_property
    def _index(self) -> tuple[dict[str, list[tuple[int, frozenset[str]]]], list[tuple[int, str]]]:
        """By its rarest word each phrase's place and words; of phrases that have none, place and longest part."""
        words = [frozenset(_whole_words(phrase.text)) for phrase in self._phrases]
        count = Counter(word for needed in words for word in needed)
        by_word: dict[str, list[tuple[int, frozenset[str]]]] = {}
        others: list[tuple[int, str]] = []
        for place, needed in enumerate(words):
            if needed:
                by_word.setdefault(min(needed, key=count.__getitem__), []).append((place, needed))
            else:
                others.append((place, _longest_part(self._phrases[place].text)))
        return by_word, others


def split(phrases: str) -> Iterator[str]:
    """The phrases of one block: one `|` or one line ends each."""
    for line in re.split(r"\||\n", phrases):
        if text := line.strip():
            yield text


def readable(text: str) -> str:
    """Small letters, single spaces, without addresses, ids and quoted values; a long text by its two ends."""
    if len(text) > TEXT_LIMIT:
        text = f"{text[: TEXT_LIMIT // 2]} … {text[-TEXT_LIMIT // 2 :]}"
    if _QUOTES.search(text):
        text = _QUOTED.sub(lambda found: found.group(0) if found.group("key") else '"~"', text)
    text = text.lower()
    if "://" in text:
        text = _URL.sub("~", text)
    if text.count("-") >= _HYPHENS_OF_ID:
        text = _ID.sub("~", text)
    return " ".join(text.split())


@cache
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(_pattern(text))


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as the phrasebooks look them up."""
    return frozenset(_WORD.findall(text))


def spelled(name: str) -> str:
    """`COLUMN_NOT_FOUND` or `ParameterNotFound` as the words that it is made of."""
    words = _HUMPS.sub(" ", name.removesuffix("Exception").removesuffix("Error")).replace("_", " ").lower()
    return _SPACES.sub(" ", words).strip()


def _pattern(text: str) -> str:
    parts = [_part_pattern(part.strip()) for part in text.split("…")]
    return _GAP.join(parts)


def _part_pattern(part: str) -> str:
    # `throttl*` is a word, and no part of somebody's `throttled_requests`; `oom_kill*` is a name itself.
    signs = {"#": _NUMBER, "*": _REST_OF_NAME if "_" in part else _REST_OF_WORD}
    pattern = "".join(signs.get(letter, re.escape(letter)) for letter in part)
    before = r"(?<![a-z0-9_])" if _is_latin(part[0]) else ""
    after = r"(?![a-z0-9_])" if _is_latin(part[-1]) or part[-1] == "*" else ""
    return f"{before}{pattern}{after}"


@cache
def _longest_part(text: str) -> str:
    """What must stand in the text, letter for letter."""
    return max(re.split(r"…|#|\*", text), key=lambda part: len(part.strip())).strip()


def _is_latin(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _whole_words(text: str) -> list[str]:
    """Those that a text must have as they are; one in another script may be part of a longer run of letters."""
    return [word for word in _WORD.findall(re.sub(r"\w*\*\w*|#", " ", text)) if word.isascii()]
