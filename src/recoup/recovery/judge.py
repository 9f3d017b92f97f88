"""From one cause to a verdict: codes before classes, classes before words, words before what is only an envelope."""

from __future__ import annotations

import re
from typing import Final

from recoup.model.evidence import Cause
from recoup.model.failure import RETRYABLE
from recoup.model.failure import FailureKind as Kind
from recoup.recovery import codes
from recoup.recovery.phrases import Phrase, Phrasebook, spelled, split, words_of
from recoup.recovery.reading import GENERAL_WORDS, OVERRIDING_WORDS, Reading
from recoup.recovery.rules import clouds, types
from recoup.recovery.rules.class_names import CLASS_NAMES
from recoup.recovery.rules.languages import TRANSLATED
from recoup.recovery.rules.words_of_data import KEYS
from recoup.recovery.rules.words_of_passing import MAY_BE_A_NAME
from recoup.recovery.shapes import SHAPES
from recoup.recovery.told import status_in
from recoup.recovery.verdict import Basis, Verdict

_CLASS_NAMES: Final = Phrasebook(CLASS_NAMES)
_LASTING: Final = frozenset(phrase for _, phrases in (KEYS, TRANSLATED[3]) for phrase in split(phrases))
_NAMES: Final = frozenset(phrase for _, phrases in MAY_BE_A_NAME for phrase in split(phrases))
# What Python itself says of a value that code handed it wrongly; it would read as a check of data.
_OF_PYTHON: Final = re.compile(
    r".{1,200} is not in (?:list|deque|range|tuple)$|\w+\.(?:remove|index)\(x\): x not in \w+"
    r"|sub(?:string|section) not found$"
    r"|m(?:ax|in)\(\) .*empty|I/O operation on closed|(?:not enough|too many) values to unpack|zip\(\) argument"
    r"|range\(\) arg 3|negative shift count|embedded null |Circular reference detected|dictionary update sequence"
    r"|empty separator$|slice step cannot be zero|generator already executing|factorial\(\) not defined|invalid mode: "
    r"|must have exactly one of create|Sample larger than population"
)
_IN_FRONT: Final = re.compile(r"([A-Z]{2,}(?:_[A-Z]+)+): ")
# What beside a status of HTTP may still say more than it.
_MORE_THAN_REFUSED: Final = frozenset({Kind.QUOTA, Kind.THROTTLED})
_MORE_THAN_FAILING: Final = frozenset({Kind.THROTTLED, Kind.DISK, Kind.MEMORY})
# How the class of an error ends; a `ConnectionPoolBug` is none of the connection.
_AS_ERRORS_END: Final = ("Error", "Exception", "Timeout", "Exceeded", "Unavailable", "Requests", "Conflict")
# Bugs' own classes that people raise with words of theirs; a key is often one word, and then it is only the key.
_SPEAKING: Final = frozenset({"ValueError", "AssertionError", "OverflowError", "LookupError"})
_SPEAKING_IN_SENTENCES: Final = frozenset({"KeyError"})
_REFUSED: Final = frozenset({Kind.AUTH, Kind.PERMISSION})
# Of an argument that was refused, words of passing failures or of rows speak of its name.
_UNSURE: Final = frozenset({Kind.NETWORK, Kind.SERVICE, Kind.TIMEOUT, Kind.LOST, Kind.QUALITY})
_TOLD_BESIDE_CODE: Final = frozenset(
    {Kind.QUOTA, Kind.THROTTLED, Kind.AUTH, Kind.CONFLICT, Kind.CONFIG, Kind.MEMORY, Kind.DISK}
)


def judge(cause: Cause) -> Verdict | None:
    """None when nothing in it tells; a warning in a log is heard where its errors do not tell."""
    of, all_of_it = Reading(cause, warnings=False), Reading(cause)
    return _judged(of) or (_judged(all_of_it) if of.message != all_of_it.message else None)


def _judged(of: Reading) -> Verdict | None:
    for look in (
        _by_shape,
        _plain,
        _overriding,
        _by_code,
        _by_type,
        _by_name_of_code,
        _by_reply,
        _by_status,
        _by_words,
        _by_family,
        _by_class_name,
        _by_names,
        _by_exit,
    ):
        if verdict := look(of):
            return verdict if verdict is not _SILENT else None
    return None


_SILENT: Final = Verdict(Kind.UNKNOWN, "", Basis.NOTHING)
"""It was looked at, and what it says is not to be believed."""


def _by_shape(of: Reading) -> Verdict | None:
    for shape in SHAPES:
        if kind := shape(of.cause, of.text):
            return Verdict(kind, f"shape: {shape.__name__.replace('_', ' ')}", Basis.TYPE)
    return None


def _plain(of: Reading) -> Verdict | None:
    if of.package == "pyo3_runtime":  # a panic of polars speaks of its own insides; a torn file looks so too
        return _SILENT
    if not of.is_plain:
        return None
    name = of.packages[0][1]
    if name == "ValueError" and _OF_PYTHON.match(of.message):
        return Verdict(Kind.LOGIC, "Python's own words", Basis.BUG)
    if name in _SPEAKING or (name in _SPEAKING_IN_SENTENCES and of.is_sentence):
        phrase = of.override or of.word
        if phrase and phrase.kind is Kind.LOGIC:
            return Verdict(Kind.LOGIC, f"words: {phrase.text}", Basis.BUG)
        if phrase and phrase.kind not in RETRYABLE:
            return _worded(phrase)
    if name in types.BUGS:
        return Verdict(Kind.LOGIC, f"type {name}", Basis.BUG)
    if name == "ValueError" and (library := of.refused_by):
        return Verdict(Kind.LOGIC, f"{library} refuses a value", Basis.BUG)
    if name == "ValueError" and of.is_of_library and of.is_sentence:
        return Verdict(Kind.LOGIC, "a library refuses a value", Basis.BUG)
    return _SILENT


def _overriding(of: Reading) -> Verdict | None:
    phrase = of.override
    return _worded(phrase) if phrase else None


def _by_code(of: Reading) -> Verdict | None:
    verdict = codes.by_code(of.cause, of.package)
    if verdict and verdict.rule == "sqlstate 57014" and of.word and of.word.kind is Kind.CANCELLED:
        return _worded(of.word)  # one code for a limit that ran out and for a person who had enough
    if verdict and verdict.kind is Kind.NETWORK and of.word and of.word.kind is Kind.AUTH:
        return _worded(of.word)  # drivers say "no connection" of a refused password, too
    if verdict or not isinstance(of.cause.facts.get("code"), str):
        if (
            verdict
            and verdict.rule in {"grpc UNAVAILABLE", "grpc Unavailable"}
            and of.word
            and of.word.kind is Kind.NETWORK
        ):
            return _worded(of.word)
        return verdict
    told = codes.untold_code(of.cause)
    if told and of.word and of.word.kind in _TOLD_BESIDE_CODE:
        return _worded(of.word)
    return told


def _by_type(of: Reading) -> Verdict | None:
    exit_code = of.cause.facts.get("exit_code")
    if isinstance(exit_code, int) and codes.is_signal(exit_code) and (verdict := codes.by_exit_code(exit_code)):
        return verdict
    return _in_table(of, types.SPECIFIC, Basis.TYPE)


def _by_name_of_code(of: Reading) -> Verdict | None:
    """A code that no table has is read as the words that it is made of: `ParameterNotFound`, `COLUMN_NOT_FOUND`."""
    code = of.cause.facts.get("code")
    if not isinstance(code, str):
        return _by_code_in_front(of)
    if code in codes.KNOWN:
        return None
    text = spelled(code)
    words = words_of(text)
    phrase = (OVERRIDING_WORDS.first_in(text, words) or GENERAL_WORDS.first_in(text, words)) if len(words) > 1 else None
    return _worded(phrase) if phrase else None


def _by_code_in_front(of: Reading) -> Verdict | None:
    """`RESOURCE_DOES_NOT_EXIST: …`; a setting looks so, too, so it never says that it may pass by itself."""
    found = _IN_FRONT.match(of.message)
    text = spelled(found.group(1)) if found else ""
    phrase = GENERAL_WORDS.first_in(text, words_of(text)) if text else None
    return _worded(phrase) if phrase and phrase.kind not in RETRYABLE else None


def _by_reply(of: Reading) -> Verdict | None:
    """Of FTP and mail, whose three figures are not those of HTTP; words go before one that means several things."""
    if of.package not in codes.OWN_REPLIES:
        return None
    verdict = codes.by_reply(of.cause.message)
    return _worded(of.word) if verdict and of.word and verdict.rule in codes.UNTOLD_REPLIES else verdict


def _by_status(of: Reading) -> Verdict | None:
    if of.package in codes.OWN_REPLIES:
        return None
    own = of.cause.facts.get("http_status")
    status = own or status_in(of.message)
    if not isinstance(status, int) or not (verdict := codes.by_status(status)):
        return None
    word = of.word
    if word is None or status in {409, 412, 423, 429}:
        return verdict
    if status in {401, 403, 407}:
        return _worded(word) if word.kind in _MORE_THAN_REFUSED else verdict
    if own is None and word.kind in _REFUSED:
        return _worded(word)  # three figures in a text may be another protocol's, and a refusal never passes by itself
    if status >= 500:  # noqa: PLR2004 - the other side's own fault
        return _worded(word) if word.kind in _MORE_THAN_FAILING else verdict
    if status in {400, 422} or status not in clouds.HTTP:
        return verdict if word.kind in _UNSURE else _worded(word)
    return verdict


def _by_words(of: Reading) -> Verdict | None:
    return _worded(of.word) if of.word and of.word.text not in _NAMES else None


def _by_family(of: Reading) -> Verdict | None:
    if verdict := _in_table(of, types.FAMILY, Basis.FAMILY):
        return verdict
    bug = next((name for package, name in of.packages if package == "builtins" and name in types.BUGS), None)
    return Verdict(Kind.LOGIC, f"type {bug}", Basis.BUG) if bug else None


def _by_class_name(of: Reading) -> Verdict | None:
    """As its author called it; a base, which may be of many things, never says that it may pass by itself."""
    for place, (package, name) in enumerate(of.packages):
        text = spelled(name)
        phrase = _CLASS_NAMES.first_in(text, words_of(text)) if package != "builtins" else None
        if phrase and (phrase.kind not in RETRYABLE or (place == 0 and name.endswith(_AS_ERRORS_END))):
            return Verdict(phrase.kind, f"class {name}", Basis.FAMILY)
    return None


def _by_names(of: Reading) -> Verdict | None:
    """Words that may be somebody's name for a table, where nothing else tells."""
    return _worded(of.word) if of.word else None


def _by_exit(of: Reading) -> Verdict | None:
    code = of.cause.facts.get("exit_code")
    return codes.by_exit_code(code) if isinstance(code, int) else None


def _in_table(of: Reading, table: dict[tuple[str, str], Kind], basis: Basis) -> Verdict | None:
    for package, name in of.packages:
        if kind := table.get((package, name)):
            lasting = kind is Kind.CONFLICT and ("Exist" in name or "Duplicate" in name)
            return Verdict(
                kind, f"type {name}" if package == "builtins" else f"type {package}.{name}", basis, lasting=lasting
            )
    return None


def _worded(phrase: Phrase) -> Verdict:
    return Verdict(phrase.kind, f"words: {phrase.text}", Basis.WORDS, lasting=phrase.text in _LASTING)
