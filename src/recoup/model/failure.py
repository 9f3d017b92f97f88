"""A failure is a value: its kind, where it came from, the evidence, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FailureKind(StrEnum):
    """What went wrong; `ADVICE` says what is safe."""

    NETWORK = "network"
    SERVICE = "service"
    THROTTLED = "throttled"
    QUOTA = "quota"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    DISK = "disk"
    LOST = "lost"
    MISSING = "missing"
    BLOCKED = "blocked"
    CONTRACT = "contract"
    QUALITY = "quality"
    CORRUPT = "corrupt"
    LOGIC = "logic"
    AUTH = "auth"
    PERMISSION = "permission"
    CONFIG = "config"
    CONFLICT = "conflict"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


RETRYABLE = frozenset(
    {
        FailureKind.NETWORK,
        FailureKind.SERVICE,
        FailureKind.THROTTLED,
        FailureKind.TIMEOUT,
        FailureKind.LOST,
        FailureKind.CONFLICT,
    }
)
"""Kinds that may pass by themselves; every other kind waits for a person or for a fix."""

FAILS_AGAIN = frozenset(
    {FailureKind.LOGIC, FailureKind.CONTRACT, FailureKind.QUALITY, FailureKind.CORRUPT, FailureKind.UNKNOWN}
)
"""Kinds that are only tried again when code or input has changed, or a person insists."""


class RetryClass(StrEnum):
    """How it may be tried again."""

    SAME_RUN = "A"
    NEW_RUN = "B"
    NOT_BLINDLY = "C"


def retry_class_of(kind: FailureKind) -> RetryClass:
    """What a kind allows by itself: out of memory needs a run with other resources, the rest a person or a fix."""
    if kind in RETRYABLE:
        return RetryClass.SAME_RUN
    return RetryClass.NEW_RUN if kind is FailureKind.MEMORY else RetryClass.NOT_BLINDLY


ADVICE: Mapping[FailureKind, str] = {
    FailureKind.NETWORK: "It may pass by itself; see that the endpoint answers, then run the same command again.",
    FailureKind.SERVICE: "The other side is up but failing; run the same command again when it has recovered.",
    FailureKind.THROTTLED: "Lower --max-parallel or the pool's slots, then run the same command again.",
    FailureKind.QUOTA: "Wait until the quota resets, then run the same command again.",
    FailureKind.TIMEOUT: "Give the step more time or less work, then run the same command again.",
    FailureKind.MEMORY: "Give the step more memory or split the window, then run it again.",
    FailureKind.DISK: "Make room on the disk, then run the same command again; nothing was lost.",
    FailureKind.LOST: "The worker vanished; run the same command again.",
    FailureKind.MISSING: "Fill what is missing upstream first, then run the same command again.",
    FailureKind.BLOCKED: "Fill the gap first, then run the same command again.",
    FailureKind.CONTRACT: "Fix the contract or the source; the same input would fail again.",
    FailureKind.QUALITY: "Look at the checks that failed, fix the data, then run it again.",
    FailureKind.CORRUPT: "Leave the partition out with --exclude, export it again, then run it.",
    FailureKind.LOGIC: "Fix the step's code, then run the same command again.",
    FailureKind.AUTH: "Renew the credentials, then run the same command again.",
    FailureKind.PERMISSION: "Grant the permission, then run the same command again.",
    FailureKind.CONFIG: "Set what is missing, then run the same command again.",
    FailureKind.CONFLICT: "Somebody else held it; run the same command again, alone.",
    FailureKind.CANCELLED: "It was stopped; `recoup backfill resume` does the rest.",
    FailureKind.UNKNOWN: "Nothing tells what this is: read the log before you run it again.",
}
TOO_MANY_FILES = "Raise the limit of open files (`ulimit -n`) or lower --max-parallel, then run the same command again."


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in one attempt, as it is kept in the ledger and in the manifest."""

    kind: FailureKind
    message: str
    exception: str = ""
    fingerprint: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    rule: str = ""
    """What decided, as `errno ENOSPC`; a rule of the team's own by its name."""
    confidence: float = 0.0
    asked_class: str = ""
    """Where the kind alone does not say whether it may be tried again: a key that is there twice, a team's own rule."""
    own_advice: str = ""
    """What the rule says instead of the kind."""

    @property
    def advice(self) -> str:
        """One sentence: what is safe to do."""
        too_many = self.kind is FailureKind.DISK and "open files" in self.message.lower()
        return self.own_advice or (TOO_MANY_FILES if too_many else ADVICE[self.kind])

    @property
    def retry_class(self) -> RetryClass:
        """A, B or C."""
        return RetryClass(self.asked_class) if self.asked_class else retry_class_of(self.kind)

    def to_json(self) -> dict[str, Any]:
        """The form in which ledger and manifest keep it."""
        return {
            "kind": self.kind.value,
            "message": self.message,
            "exception": self.exception,
            "fingerprint": self.fingerprint,
            "evidence": dict(self.evidence),
            "rule": self.rule,
            "confidence": self.confidence,
            "retry_class": self.retry_class.value,
            **({"own_advice": self.own_advice} if self.own_advice else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Failure:
        """The inverse of `to_json`."""
        return cls(
            FailureKind(data["kind"]),
            data["message"],
            data.get("exception", ""),
            data.get("fingerprint", ""),
            data.get("evidence", {}),
            data.get("rule", ""),
            data.get("confidence", 0.0),
            _asked(data),
            data.get("own_advice", ""),
        )


def _asked(data: Mapping[str, Any]) -> str:
    """The class that was kept, where it is not the kind's own."""
    kept = str(data.get("retry_class", ""))
    return "" if kept in {"", retry_class_of(FailureKind(data["kind"]))} else kept
