"""What of a message is to be read: no statement's text, no command line, no line of a log that is no error."""

from __future__ import annotations

import re
from typing import Final

from recoup.model.evidence import Cause

_IN_TUPLE: Final = re.compile(r"^\((?:'\w+'|-?\d+), b?(['\"])(.*)\1\)$", re.DOTALL)
_OF_COMMAND: Final = re.compile(
    r"^Command .*? (?:returned non-zero exit status -?\d+|died with \S+ ?-?\d*>?|timed out after [\d.]+ seconds)\.?",
    re.DOTALL,
)
# The text of a statement, the values of a row, and other words that are no message.
_QUOTED_STATEMENT: Final = re.compile(
    r"\n?\[SQL: .*|\(Background on this error.*|\nLINE \d+: .*|\n\s*Resolved plan until failure.*"
    r"|\nFor further information.*|\n== SQL.*|(?-s:\nDETAIL:  (?:Failing row contains|Key) \(.*)",
    re.DOTALL,
)
_LEVEL: Final = (
    r"^(?!.*(?:\b(?:ERROR|FATAL|CRITICAL|SEVERE)\b|Error\b|Exception\b))"
    r"(?:\S+ +){{0,4}}?[\[(<]?(?:{})[\])>]?(?::| ).*$"
)
_TALK: Final = re.compile(_LEVEL.format("TRACE|DEBUG|INFO|NOTICE"), re.MULTILINE)
_WARNINGS: Final = re.compile(_LEVEL.format("WARN|WARNING"), re.MULTILINE)


def spoken(cause: Cause, *, warnings: bool) -> str:
    """Its message and output; with `warnings` False only what is worse, where a log says more than those."""
    own = _IN_TUPLE.sub(r"\2", _OF_COMMAND.sub("", cause.message.strip()))
    text = _QUOTED_STATEMENT.sub("", f"{own}\n{cause.output}" if cause.output else own)
    if "\n" not in text:
        return text
    text = _without(_TALK, text)
    return text if warnings else _without(_WARNINGS, text)


def _without(lines: re.Pattern[str], text: str) -> str:
    rest = lines.sub("", text)
    return rest if rest.strip() else text
