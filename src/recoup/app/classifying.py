"""From failures that somebody wrote down to their kinds, with the rules of this project."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from recoup.model.errors import UsageError
from recoup.model.failure import Failure
from recoup.model.redact import redactor
from recoup.model.rule import Rule
from recoup.recovery.classify import of_evidence
from recoup.recovery.decide import decide
from recoup.recovery.reported import from_json, from_text

Row = dict[str, Any]


def classified(lines: Iterable[bytes], rules: Sequence[Rule]) -> Iterator[Row]:
    """One answer for each line that is not blank, in their order; for what is no failure, what is wrong with it."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _answer(line, rules)
            except UsageError as error:
                yield {"error": f"line {number}: {error.message}", "help": error.remedy}


def explained(text: str, rules: Sequence[Rule]) -> Failure:
    """What a mere text would be taken for."""
    if not text.strip():
        raise UsageError("--explain has no text", "give it the message, the traceback or the end of the log")
    return of_evidence(from_text(text), redactor(os.environ), rules)


def _answer(line: bytes, rules: Sequence[Rule]) -> Row:
    verdict = decide(from_json(_object(line)), rules)
    return {
        "kind": verdict.kind.value,
        "rule": verdict.rule,
        "retry_class": verdict.retry_class.value,
        "confidence": verdict.confidence,
    }


def _object(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError too
        message = f"it is no JSON: {error}" if isinstance(error, json.JSONDecodeError) else "it is no JSON in UTF-8"
        raise UsageError(message, 'write one JSON object a line, such as {"message": "…"}') from error
