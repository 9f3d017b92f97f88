"""From evidence to a verdict: a user's rules first, then the root cause before its wrapper. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recoup.model.errors import CorruptError
from recoup.model.evidence import Cause, Evidence
from recoup.model.failure import RETRYABLE, FailureKind
from recoup.model.rule import Rule
from recoup.recovery.judge import judge
from recoup.recovery.told import wrapped
from recoup.recovery.verdict import UNKNOWN, Basis, Verdict

# Raised where bytes could not be read, whatever the library that tried it calls that.
_CORRUPT = f"{CorruptError.__module__}.{CorruptError.__qualname__}"
_WEAK = frozenset({Basis.BUG})
# What an envelope often hides: a wrapper that names the budget or the memory knows more than the status below it.
_ENVELOPES = frozenset({FailureKind.THROTTLED, FailureKind.AUTH, FailureKind.SERVICE, FailureKind.LOST})
_INSIDE = frozenset({FailureKind.QUOTA, FailureKind.MEMORY})


def decide(evidence: Evidence, rules: Sequence[Rule] = ()) -> Verdict:
    """What it is, which rule said so, and how sure that is."""
    return _by_rules(evidence, rules) or _of(evidence)


def _by_rules(evidence: Evidence, rules: Sequence[Rule]) -> Verdict | None:
    if not rules:
        return None
    causes = list(evidence.causes)
    for rule in rules:
        if any(rule.fits(cause) for cause in causes):
            return Verdict(
                rule.failure_kind, f"rule {rule.name}", Basis.USER, asked_class=rule.class_asked, advice=rule.advice
            )
    return None


def _of(evidence: Evidence) -> Verdict:
    verdicts = filter(None, (_of_strand(strand) for strand in evidence.strands))
    return next(verdicts, UNKNOWN)


def _of_strand(strand: Sequence[Cause]) -> Verdict | None:
    found_corrupt = next((cause for cause in strand if cause.classes[:1] == (_CORRUPT,)), None)
    if found_corrupt:
        return judge(found_corrupt)
    judged = (_of_cause(cause, is_root=cause is strand[-1], alone=len(strand) == 1) for cause in reversed(strand))
    verdicts: list[Verdict] = []
    for verdict in filter(None, judged):  # from the root outwards, no further than it must
        verdicts.append(verdict)
        if verdict.basis not in _WEAK:
            break
    if not verdicts:
        return None
    chosen = verdicts[-1] if verdicts[-1].basis not in _WEAK else verdicts[0]
    if chosen.kind in _ENVELOPES:
        return next((v for v in (*verdicts, *filter(None, judged)) if v.kind in _INSIDE), chosen)
    return chosen


def _of_cause(cause: Cause, *, is_root: bool, alone: bool) -> Verdict | None:
    if cause.members:
        return _of_group(list(map(_of, cause.members)))
    verdict = judge(original) if (original := wrapped(cause)) else None
    verdict = verdict or judge(cause)
    if verdict and is_root and not alone and cause.name == "CancelledError":
        return Verdict(verdict.kind, verdict.rule, Basis.BUG)  # how a limit ends what it limits
    return verdict


def _of_group(verdicts: list[Verdict]) -> Verdict | None:
    """The worst decides: while one of them would fail again, so would all."""
    return next(_worst_first(verdicts), None)


def _worst_first(verdicts: list[Verdict]) -> Iterator[Verdict]:
    yield from (v for v in verdicts if v.kind not in RETRYABLE and v.kind is not FailureKind.UNKNOWN)
    yield from (v for v in verdicts if v.kind is FailureKind.UNKNOWN)
    yield from verdicts
