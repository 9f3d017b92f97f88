"""What is known of a failure before anybody judges it: each exception of the chain, with what its library says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One exception, or the end of one command.

    `classes` are the type and its bases as `module.Name`, nearest first. `facts` are what its library tells beside its
    words: `errno`, `exit_code` (negative: the signal), `http_status`, `retry_after_seconds`, `sqlstate`, `number` (a
    database's own), `code` (a cloud's, a broker's), `grpc`. `output` is the end of what a command printed. `frames` are
    the innermost, as `file:function`. `members` are those of an exception group, each a failure of its own.
    """

    classes: tuple[str, ...] = ()
    message: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""
    frames: tuple[str, ...] = ()
    members: tuple[Evidence, ...] = ()

    @property
    def name(self) -> str:
        """The type without its module."""
        return self.classes[0].rpartition(".")[2] if self.classes else ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A chain in strands, outermost first.

    A strand is an exception with what it was raised `from`; then, as a strand of its own, comes what was merely being
    handled when the last of them came.
    """

    strands: tuple[tuple[Cause, ...], ...]

    @property
    def causes(self) -> Iterator[Cause]:
        """All of them, outermost first, members of groups after their group."""
        for strand in self.strands:
            for cause in strand:
                yield cause
                for member in cause.members:
                    yield from member.causes
