"""A check: one question that is asked before a run, its answer with the evidence, and a remedy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from recoup.model.errors import RecoupError
from recoup.model.redact import redactor

Verdict = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer."""

    name: str
    verdict: Verdict
    evidence: str
    remedy: str = ""


def guarded(name: str, checks: Iterable[Check], slips: Sequence[type[RecoupError]] = ()) -> Iterator[Check]:
    """A check that stumbles is an answer too: what recoup says of it is a fail, anything else unknown.

    What is of one of the types `slips` itself is raised: a slip of the hand is no finding.
    """
    try:
        yield from checks
    except RecoupError as error:
        if type(error) in slips:
            raise
        yield Check(name, "fail", error.message, error.remedy)
    except Exception as error:  # noqa: BLE001 - one question that cannot be answered must not hide the others
        yield Check(name, "unknown", f"{type(error).__name__}: {error}", "look into it by hand")


def without_secrets(checks: Iterable[Check]) -> list[Check]:
    """Servers and settings are quoted as they are, so what is secret is hidden at the end."""
    hide = redactor(os.environ)
    return [replace(check, evidence=hide(check.evidence), remedy=hide(check.remedy)) for check in checks]
