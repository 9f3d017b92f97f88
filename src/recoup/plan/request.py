"""What was asked: which partitions of which steps, in which order, with which knowledge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from recoup.model.errors import UsageError
from recoup.plan.failure_limit import FailureLimit

_HOW_CAREFULLY = frozenset({"stop_after", "pause_between_seconds"})


class Only(StrEnum):
    """Which partitions are in scope; the default is what is missing and what failed."""

    MISSING = "missing"
    FAILED = "failed"
    STALE = "stale"


class Order(StrEnum):
    """Which partitions come first."""

    OLDEST = "oldest"
    NEWEST = "newest"


class Downstream(StrEnum):
    """When the pipelines that follow are fired: once at the end, as soon as a date is complete, or not at all."""

    HOLD = "hold"
    EACH = "each"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Place:
    """Partitions of one step and of its tables, as ranges of keys that include both ends.

    `again` says why those that are published are made anew: the ledger holds nothing against them.
    """

    step: str
    ranges: tuple[tuple[str, str], ...]
    again: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Place:
        """The inverse of `asdict`."""
        return cls(data["step"], tuple((first, last) for first, last in data["ranges"]), data["again"])


@dataclass(frozen=True, slots=True)
class Request:
    """A wish, as a person or a schedule states it; `start` and `end` are both included.

    `places` are exactly the partitions of exactly the steps that are meant: what a recovery asks for.
    """

    pipeline: str
    start: str | None = None
    end: str | None = None
    partitions: tuple[str, ...] = ()
    only: tuple[Only, ...] = (Only.MISSING, Only.FAILED)
    steps: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include_upstream: bool = False
    order: Order = Order.OLDEST
    as_of_mode: str = "now"
    stages: tuple[str, ...] = ()
    """As they were typed: each is verified before the next begins; empty for all at once."""
    stop_after: str | None = None
    """How many partitions may fail before nothing more is started, such as `5` or `10%`."""
    pause_between_seconds: float = 0.0
    """Between stages."""
    places: tuple[Place, ...] = ()
    memory_bytes: int | None = None
    """What an attempt may take at least, where its step's own limit is lower."""
    downstream: Downstream | None = None
    """None: as usual, which is at once for one partition, and hold for a backfill."""

    def __post_init__(self) -> None:
        if self.partitions and (self.start or self.end):
            message = "both a window and explicit partitions were given"
            raise UsageError(message, "give --start and --end, or partitions, not both")
        if self.stop_after is not None:
            FailureLimit.parse(self.stop_after)
        if self.pause_between_seconds and not self.stages:
            raise UsageError("--pause-between is a pause between stages, and there are none", "name them with --stage")
        if self.places and (self.partitions or self.start or self.end or self.steps or self.exclude):
            message = "both places and another scope were given"
            raise UsageError(message, "places say all: which partitions of which steps")

    def to_json(self) -> dict[str, Any]:
        """The form in which ledger and saved plan keep it; without what nobody said, as before there was that."""
        body = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        for name in ("places", "memory_bytes", "downstream"):
            if not body[name]:
                del body[name]
        return body

    def memory_of(self, declared: int | None) -> int | None:
        """What an attempt may take, of a step that declares this; what has no limit gets none."""
        return None if declared is None else max(declared, self.memory_bytes or 0)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """The inverse of `to_json`."""
        body: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        body["only"] = parse_only(body["only"])
        body["order"] = Order(body["order"])
        body["places"] = tuple(Place.from_json(place) for place in body.get("places", ()))
        body["downstream"] = Downstream(body["downstream"]) if body.get("downstream") else None
        return cls(**body)

    @property
    def digest(self) -> str:
        """Equal for equal wishes, however carefully: how `--resume` finds the backfill that it goes on with."""
        asked = {name: value for name, value in self.to_json().items() if name not in _HOW_CAREFULLY}
        if not self.stages:
            del asked["stages"]  # requests had none once, and those of then go on
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def parse_only(words: str | tuple[str, ...]) -> tuple[Only, ...]:
    """`"missing,failed"` as members, each once, in their usual order."""
    given = words.split(",") if isinstance(words, str) else list(words)
    names = {word.strip() for word in given if word.strip()}
    known = {str(member) for member in Only}
    if not names or names - known:
        wrong = ", ".join(sorted(names - known)) or "nothing"
        message = f"--only does not know {wrong[:80]!r}"
        raise UsageError(message, f"choose from {', '.join(member for member in Only)}, separated by commas")
    return tuple(member for member in Only if member in names)


def parse_downstream(word: str) -> Downstream:
    """`hold`, `each` or `none`."""
    try:
        return Downstream(word)
    except ValueError as error:
        message = f"downstream does not know {word[:80]!r}"
        raise UsageError(message, f"choose from {', '.join(Downstream)}") from error
