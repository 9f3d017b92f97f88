"""From an exception, a lost worker or a limit that ran out to a Failure: judged, redacted, with its fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from recoup.model.errors import RecoupError
from recoup.model.evidence import Cause, Evidence
from recoup.model.failure import Failure, FailureKind, retry_class_of
from recoup.model.redact import Redact, redact
from recoup.model.rule import Rule
from recoup.model.size import memory_text
from recoup.recovery.capture import capture
from recoup.recovery.decide import decide
from recoup.recovery.rules.advice import ADVICE_OF_RULE
from recoup.recovery.rules.system import errno_name
from recoup.recovery.verdict import Verdict

MESSAGE_LIMIT = 2000
CAUSE_LIMIT = 500
CAUSES_KEPT = 6
_BY_HAND: Final = (FailureKind.CONTRACT, FailureKind.QUALITY, FailureKind.PERMISSION)
"""What only a person can put right."""
_KEPT: Final = ("exit_code", "http_status", "retry_after_seconds", "sqlstate", "code", "grpc")
_CHANGING = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\w*\d\w*|'[^']*'|\"[^\"]*\"")
_COLUMNS = re.compile(r"(?i)columns?[^\[\n]{0,60}\[([^\]\n]{1,1000})\]")


def classify(error: BaseException, place: str = "", redact: Redact = redact, rules: Sequence[Rule] = ()) -> Failure:
    """What went wrong, with its evidence; `place` is the innermost line of the user's own code."""
    failure = of_evidence(capture(error), redact, rules, place)
    if not isinstance(error, RecoupError) or not error.remedy:
        return failure
    remedy = redact(error.remedy)
    told = replace(failure, evidence={**failure.evidence, "remedy": remedy})
    # Who raised it knows the statement to type, the kind does not.
    by_hand = not failure.own_advice and failure.kind in _BY_HAND
    return replace(told, own_advice=remedy) if by_hand else told


def of_evidence(evidence: Evidence, redact: Redact, rules: Sequence[Rule] = (), place: str = "") -> Failure:
    """Judged, with what is kept of its evidence, and redacted before anything is cut."""
    verdict = decide(evidence, rules)
    outermost = evidence.strands[0][0]
    name, text = outermost.name, outermost.message
    message = redact(": ".join(filter(None, (name, text))))[:MESSAGE_LIMIT]
    kept = _evidence(evidence, redact) | ({"place": place} if place else {})
    mark = _explicit_key(evidence) or fingerprint(verdict.kind, name, place, message)
    return _failure(verdict, message, name, mark, kept)


def lost(evidence: Mapping[str, Any]) -> Failure:
    """A worker that vanished in the middle of an attempt."""
    how = ", ".join(f"{name} {value}" for name, value in evidence.items() if name in ("signal", "exit_code"))
    message = f"the worker vanished ({how})" if how else "the worker vanished"
    mark = fingerprint(FailureKind.LOST, "", "", message)
    return Failure(FailureKind.LOST, message, "", mark, dict(evidence), "the worker vanished", 1.0)


def timed_out(limit_seconds: float, evidence: Mapping[str, Any], step: str = "") -> Failure:
    """An attempt that ran longer than its step allows; of another step it is another cause."""
    end = "given up; its thread goes on, unheard" if evidence.get("left_running") else "ended"
    message = f"the step ran longer than its limit of {limit_seconds:g} s and was {end}"
    kind = FailureKind.TIMEOUT
    kept = {**evidence, "limit_seconds": limit_seconds}
    return Failure(kind, message, "", fingerprint(kind, "", step, "limit"), kept, "the step's limit", 1.0)


def out_of_memory(evidence: Mapping[str, Any], step: str = "") -> Failure:
    """An attempt that took more memory than it may, or whose worker the system killed because it had none left."""
    kind, limit, peak = FailureKind.MEMORY, evidence.get("memory_limit_bytes"), evidence.get("peak_memory_bytes")
    took = "" if peak is None else memory_text(peak)
    if limit is None:
        held = f", which held {took}" if took else ""
        message, rule = f"the system had no memory left and killed the worker{held}", "the system's memory"
    else:
        message, rule = (
            f"the step took {took} of memory, more than its limit of {memory_text(limit)}",
            "the step's limit",
        )
    return Failure(kind, message, "", fingerprint(kind, "", step, rule), dict(evidence), rule, 1.0)


def fingerprint(kind: FailureKind, exception: str, place: str, message: str) -> str:
    """Equal for the same failure in other partitions: by the place in the user's code, else by the message's words."""
    basis = place or _CHANGING.sub("#", message)
    return _digest(f"{kind}|{exception}|{basis}")


def _explicit_key(evidence: Evidence) -> str:
    """An exception may say itself which failure it is: its attribute `fingerprint`."""
    key = next((cause.facts["key"] for cause in evidence.causes if cause.facts.get("key")), None)
    return _digest(f"key|{key}") if key else ""


def _digest(text: str) -> str:
    return hashlib.sha256(f"1|{text}".encode()).hexdigest()[:12]


def _failure(verdict: Verdict, message: str, name: str, mark: str, kept: Mapping[str, Any]) -> Failure:
    return Failure(
        verdict.kind,
        message,
        name,
        mark,
        kept,
        verdict.rule,
        verdict.confidence,
        "" if verdict.retry_class is retry_class_of(verdict.kind) else verdict.retry_class.value,
        verdict.advice or ADVICE_OF_RULE.get(verdict.rule, ""),
    )


def _evidence(evidence: Evidence, redact: Redact) -> dict[str, Any]:
    """What is kept of it: the types, the codes of the innermost that has any, and what the inner causes said."""
    causes = list(evidence.causes)
    kept: dict[str, Any] = {"types": [cause.name for cause in causes]}
    for cause in causes:
        kept |= {name: cause.facts[name] for name in _KEPT if name in cause.facts}
        if "errno" in cause.facts and "builtins.OSError" in cause.classes:
            kept["errno"] = errno_name(cause.facts["errno"])
    if said := list(_said(causes[1:], redact)):
        kept["causes"] = said[-CAUSES_KEPT:]
    if output := next((cause.output for cause in causes if cause.output), ""):
        kept["output"] = redact(output)[-MESSAGE_LIMIT:]
    if columns := next(
        (found.group(1) for cause in causes if "[" in cause.message and (found := _COLUMNS.search(cause.message))), ""
    ):
        kept["columns"] = [redact(column.strip(" '\"")) for column in columns.split(",")]
    return {name: redact(value) if name in _KEPT and isinstance(value, str) else value for name, value in kept.items()}


def _said(causes: Sequence[Cause], redact: Redact) -> Iterator[str]:
    for cause in causes:
        yield redact(f"{cause.name}: {cause.message}" if cause.message else cause.name)[:CAUSE_LIMIT]
