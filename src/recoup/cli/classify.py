"""`recoup classify`: what kind of failure is it, by which rule, and may it be tried again?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from recoup.app.classifying import classified, explained
from recoup.cli.options import Common
from recoup.cli.output import Answer, Output
from recoup.cli.text import Cell, View, clean
from recoup.model.errors import ExitCode
from recoup.model.failure import Failure

_USUAL = Common()
_CLASSES = {
    "A": "it may be tried again in the same run",
    "B": "it needs a new run, with other means",
    "C": "it is not tried again blindly",
}


def classify(
    *,
    explain: Annotated[str | None, Parameter(metavar="TEXT", help="A message, a traceback, the end of a log.")] = None,
    common: Common = _USUAL,
) -> Answer | ExitCode:
    """Say of failures what kind they are: JSON lines on stdin, one JSON line each; or one text, for a person."""
    rules = common.workspace().settings.rules
    if explain is None:
        return _lines_of_stdin(Output(json=True), classified(sys.stdin.buffer, rules))
    failure = explained(explain, rules)
    return Answer(
        "classify",
        {
            "kind": failure.kind.value,
            "rule": failure.rule,
            "retry_class": failure.retry_class.value,
            "confidence": failure.confidence,
            "advice": failure.advice,
        },
        lambda view: _explanation(failure, view),
        next=common.again("recoup why"),
    )


def _lines_of_stdin(output: Output, answers: Iterator[dict[str, object]]) -> ExitCode:
    code = ExitCode.DONE
    for answer in answers:
        if "error" in answer:
            code = ExitCode.USAGE
        output.record(answer)
        if output.unread:
            break
    return code


def _explanation(failure: Failure, view: View) -> Iterator[str]:
    rows = [
        ("kind", str(failure.kind)),
        ("rule", failure.rule),
        ("confidence", f"{failure.confidence:.0%}"),
        ("class", f"{failure.retry_class}: {_CLASSES[failure.retry_class]}"),
        ("advice", failure.advice),
    ]
    yield from view.columns([Cell(name, "dim"), clean(what)] for name, what in rows)
