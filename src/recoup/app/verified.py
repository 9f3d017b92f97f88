"""What there is to say after a recovery: the gate, and five lines, each passed, failed or unknown, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from recoup.app.gaps import Gate
from recoup.model.errors import ExitCode

MOST_FOUND: Final = 20
"""So many sentences of what is wrong a line keeps; it counts all."""


class Outcome(StrEnum):
    """What could not be evaluated is unknown, never passed."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One question, its answer, and what the answer rests on."""

    name: str
    outcome: Outcome
    evidence: str
    found: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As programs see it."""
        return {"name": self.name, "outcome": str(self.outcome), "evidence": self.evidence, "found": list(self.found)}


@dataclass(frozen=True, slots=True)
class Verified:
    """The gate's verdict and the five lines."""

    gate: Gate
    lines: tuple[Line, ...]

    @property
    def failed(self) -> list[Line]:
        """Those that say that something is wrong."""
        return [line for line in self.lines if line.outcome is Outcome.FAIL]

    @property
    def is_sound(self) -> bool:
        """Everything expected is there, and no line fails."""
        return self.gate.is_complete and not self.failed

    @property
    def is_idle(self) -> bool:
        """No partition was there to be looked at: nothing is expected, or all of it is waived."""
        return self.is_sound and any(one.name == "counts" and one.outcome is Outcome.UNKNOWN for one in self.lines)

    @property
    def exit_code(self) -> ExitCode:
        """0 only if nothing fails."""
        return ExitCode.DONE if self.is_sound else ExitCode.INCOMPLETE


@dataclass
class Findings:
    """What a line has looked at, and what was wrong with it; the first sentences are kept."""

    count: int = 0
    wrong: int = 0
    sentences: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Something is wrong; an empty sentence says that nothing is."""
        if sentence:
            self.wrong += 1
            if len(self.sentences) < MOST_FOUND:
                self.sentences.append(sentence)

    def line(self, name: str, many: str, one: str) -> Line:
        """Failed by anything that is wrong, unknown where there was nothing to look at."""
        if not self.count and not self.wrong:
            return Line(name, Outcome.UNKNOWN, f"there is nothing to look at: no {many}")
        what = one if self.count == 1 else many
        if self.wrong:
            return Line(name, Outcome.FAIL, f"{self.wrong:,} wrong in {self.count:,} {what}", tuple(self.sentences))
        return Line(name, Outcome.PASS, f"{self.count:,} {what}")
