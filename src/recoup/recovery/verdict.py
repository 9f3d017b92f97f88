"""What was decided about a failure: its kind, the rule, how sure that is, and whether it may be tried again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from recoup.model.failure import FailureKind, RetryClass, retry_class_of


class Basis(StrEnum):
    """What a verdict rests on; how sure each is."""

    USER = "user"
    CODE = "code"
    TYPE = "type"
    WORDS = "words"
    STATUS = "status"
    FAMILY = "family"
    BUG = "bug"
    NOTHING = "nothing"


CONFIDENCE: Final = {
    Basis.USER: 1.0,
    Basis.CODE: 0.95,
    Basis.TYPE: 0.9,
    Basis.WORDS: 0.75,
    Basis.STATUS: 0.7,
    Basis.FAMILY: 0.6,
    Basis.BUG: 0.5,
    Basis.NOTHING: 0.0,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` names what decided, as `errno ENOSPC` or `words: lock wait timeout`."""

    kind: FailureKind
    rule: str
    basis: Basis
    lasting: bool = False
    """A conflict that the next attempt would meet again."""
    asked_class: RetryClass | None = None
    """What a user's rule says."""
    advice: str = ""

    @property
    def confidence(self) -> float:
        """From 0 to 1."""
        return CONFIDENCE[self.basis]

    @property
    def retry_class(self) -> RetryClass:
        """A, B or C."""
        if self.asked_class:
            return self.asked_class
        return RetryClass.NOT_BLINDLY if self.lasting else retry_class_of(self.kind)


UNKNOWN: Final = Verdict(FailureKind.UNKNOWN, "nothing tells", Basis.NOTHING)
