"""What the machine is told, and what it answers: frozen values, matched exhaustively."""

from __future__ import annotations

from dataclasses import dataclass

from recoup.model.failure import Failure


@dataclass(frozen=True, slots=True)
class Succeeded:
    """It is published, by us or by somebody else; for a delivery: the table holds it."""

    node: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt did not make it; `now` is monotonic, `chance` from [0, 1), `wall` in seconds since 1970."""

    node: int
    ordinal: int
    failure: Failure
    now: float
    chance: float
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Released:
    """It was taken but never begun: as if it had not been taken."""

    node: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Another controller runs it: wait for how it ends."""

    node: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Unready:
    """When it was claimed, an input turned out not to be there, or to have been made too late to be used."""

    node: int
    ordinal: int
    reason: str


@dataclass(frozen=True, slots=True)
class FailedElsewhere:
    """Another controller ran it, and it did not make it."""

    node: int
    ordinal: int


Event = Succeeded | Failed | Released | Taken | Unready | FailedElsewhere

# --- instructions


@dataclass(frozen=True, slots=True)
class Start:
    """Claim this and run it."""

    node: int
    ordinal: int
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """Record that this cannot be tried, and why."""

    node: int
    ordinal: int
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """It will be tried again, so many seconds from now."""

    node: int
    ordinal: int
    delay_seconds: float


@dataclass(frozen=True, slots=True)
class CloseRun:
    """All steps of this partition are published: its run is complete."""

    node: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Credentials were refused: everything else would fail alike, so nothing more is started."""

    node: int
    ordinal: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Enough:
    """So many partitions have failed that a person wants to look first: nothing more is started."""

    node: int
    ordinal: int
    failed: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A step's attempts fail alike: what was claimed of it ahead is given back, and one probe follows by then."""

    node: int
    ordinal: int
    failure: Failure
    probe_in_seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A quota is used up: nothing of this pool starts until then; "" is for steps that have none."""

    node: int
    ordinal: int
    pool: str
    seconds: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class Outage:
    """The probes of a step are spent too: what it reads stays away, until an attempt succeeds."""

    node: int
    ordinal: int
    failure: Failure


Instruction = Start | Block | Retry | CloseRun | Halt | Enough | Broken | Outage | Pause


@dataclass(slots=True)
class Counts:
    """How many actions stand where; what progress shows."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    blocked: int = 0

    @property
    def settled(self) -> int:
        """Those that are over, well or not."""
        return self.succeeded + self.failed + self.blocked
