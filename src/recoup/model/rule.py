"""A rule of a team's own: which failures are of which kind, and what to do about them. It goes before all of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recoup.model.errors import PipelineError
from recoup.model.evidence import Cause
from recoup.model.failure import FailureKind, RetryClass
from recoup.model.keys import quoted

_REMEDY = 'a rule is written as { pattern = "address already in use", kind = "conflict", advice = "…" }'
_KEYS = ("name", "pattern", "type", "kind", "retry_class", "advice")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which failures, and of which kind they are.

    `pattern` is a regular expression, searched in message and output in any case of letters; `type` the name of an
    exception's class or of one of its bases. With both, both must fit.

    `retry_class` is `A` (try again in the same run), `B` (in a new run) or `C` (not blindly); without, the kind's own.
    """

    pattern: str = ""
    kind: str = ""
    type: str = ""
    advice: str = ""
    retry_class: str = ""
    name: str = ""
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be, in one sentence."""
        for key in _KEYS:
            if not isinstance(getattr(self, key), str):
                raise PipelineError(f"the {key} of a rule must be a text", _REMEDY)
        if not (self.pattern or self.type):
            raise PipelineError("a rule needs a pattern or a type", _REMEDY)
        if not self.name:
            object.__setattr__(self, "name", self.pattern or self.type)
        if self.kind not in set(FailureKind):
            message = f"rule {quoted(self.name)} has the unknown kind {quoted(self.kind)}"
            raise PipelineError(message, f"the kinds are {', '.join(FailureKind)}")
        if self.retry_class not in {"", *RetryClass}:
            message = f"rule {quoted(self.name)} has the unknown retry_class {quoted(self.retry_class)}"
            raise PipelineError(message, "it is A (same run), B (new run) or C (not blindly)")
        try:
            object.__setattr__(self, "_compiled", re.compile(self.pattern, re.IGNORECASE))
        except re.error as error:
            message = f"rule {quoted(self.name)} has a broken pattern: {error}"
            raise PipelineError(message, "mend the regular expression; in TOML write it in single quotes") from error

    def __str__(self) -> str:
        """As the settings are shown."""
        return f"{self.name} → {self.kind}"

    @property
    def failure_kind(self) -> FailureKind:
        """What it says that it is."""
        return FailureKind(self.kind)

    @property
    def class_asked(self) -> RetryClass | None:
        """What it says about another attempt."""
        return RetryClass(self.retry_class) if self.retry_class else None

    def fits(self, cause: Cause) -> bool:
        """Whether it speaks of this one."""
        if self.type and not any(self.type in (name, name.rpartition(".")[2]) for name in cause.classes):
            return False
        return bool(self._compiled.search(f"{cause.message}\n{cause.output}"))

    @classmethod
    def of(cls, body: object) -> Rule:
        """From an entry of the settings; PipelineError for what cannot be."""
        if not isinstance(body, Mapping):
            raise PipelineError(f"a rule must be a table, not {body!r:.60}", _REMEDY)
        if unknown := next((key for key in body if key not in _KEYS), None):
            raise PipelineError(f"a rule has no {quoted(str(unknown))}", f"it has {', '.join(_KEYS)}")
        given: dict[str, Any] = dict(body)
        return cls(**given)


def checked(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The same; PipelineError where two say different things of one failure."""
    seen: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        other = seen.setdefault((rule.pattern.lower(), rule.type), rule)
        if (other.kind, other.class_asked) != (rule.kind, rule.class_asked):
            message = (
                f"two rules contradict each other: {quoted(rule.pattern or rule.type)} cannot be both"
                f" {_said(other)} and {_said(rule)}"
            )
            raise PipelineError(message, "leave one of them out")
    return tuple(rules)


def _said(rule: Rule) -> str:
    return f"{rule.kind} {rule.retry_class}".strip()
