"""A fixed set of members, such as tenants or regions, as partitions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import ClassVar, Final

from recoup.model.calendar import Calendar
from recoup.model.errors import PartitionError
from recoup.model.keys import check_key_name, encoded_member, quoted
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import Partitioning

_MAX_LENGTH: Final = 200
_UNPRINTABLE: Final = ("Cc", "Cs")


@dataclass(frozen=True, init=False)
class Static(Partitioning):
    """One partition for each member; the order given is the order in which a window counts them."""

    kind: ClassVar[str] = "static"
    grain: ClassVar[str] = "members"
    is_time: ClassVar[bool] = False

    members: tuple[str, ...]
    key: str
    ids: tuple[tuple[str, int], ...] = field(init=False, repr=False)
    calendar: Calendar | None = field(default=None, init=False, repr=False)

    def __init__(self, members: Iterable[str], *, key: str = "member") -> None:
        self._fix(_checked_members(members), check_key_name(key), ids=None)

    def __str__(self) -> str:
        return f"members of {self.key}"

    def bind(self, ids: Mapping[str, int]) -> Static:
        """The same members with the ids that the ledger gave them; ids of former members may be among them."""
        if not ids.keys() >= set(self.members) or len(set(ids.values())) < len(ids) or min(ids.values()) < 0:
            raise ValueError("each member needs an id of its own, from 0 up")
        bound = object.__new__(Static)
        bound._fix(self.members, self.key, ids=tuple(sorted(ids.items(), key=itemgetter(1))))
        return bound

    def ordinal(self, key: str) -> int:
        try:
            return self._ordinals[key]
        except (KeyError, TypeError):
            raise self._not_a_member(key) from None

    def name(self, ordinal: int) -> str:
        try:
            return self._names[ordinal]
        except KeyError:
            raise PartitionError(f"no member of {self.key} has the id {ordinal}") from None

    def value(self, ordinal: int) -> str:
        return self.name(ordinal)

    def universe(self, now: datetime) -> PartitionSet:  # noqa: ARG002 - members do not depend on time
        """Every member that is declared now."""
        return PartitionSet.of(self._ordinals[member] for member in self.members)

    def window(self, start: str | None, end: str | None, now: datetime) -> PartitionSet:  # noqa: ARG002 - as above
        """The members from start to end as they were declared, both included."""
        first = 0 if start is None else self._position(start)
        last = len(self.members) - 1 if end is None else self._position(end)
        if last < first:
            message = f"the window from {quoted(start)} to {quoted(end)} ends before it starts"
            raise PartitionError(message, "members count in the order in which they are declared")
        return PartitionSet.of(self._ordinals[member] for member in self.members[first : last + 1])

    def span(self, ordinal: int) -> tuple[datetime, datetime]:
        raise PartitionError(f"{self.name(ordinal)} is no time, so it has no beginning and no end")

    def at(self, instant: datetime) -> int:
        raise PartitionError(f"{self} are no times, so none of them holds {instant.isoformat()}")

    def rank(self, ordinal: int) -> int:
        return ordinal

    def identity(self) -> dict[str, str | int]:
        """Kind and key: members may come and go."""
        return {"kind": self.kind, "key": self.key}

    def is_finer_than(self, other: Partitioning) -> bool:  # noqa: ARG002 - whatever it is
        """Never: members do not lie in anything."""
        return False

    def parts(self, coarser: Partitioning, ordinal: int) -> range:
        """The member itself, in the same partitioning."""
        if self != coarser:
            raise self._refuse_nesting(coarser)
        return range(ordinal, ordinal + 1)

    def whole(self, finer_ordinal: int, coarser: Partitioning) -> int:
        """The member itself, in the same partitioning."""
        return self.parts(coarser, finer_ordinal).start

    def ranges_text(self, partitions: PartitionSet, over: PartitionSet | None = None) -> list[str]:
        """Each member by itself."""
        del over  # nobody could tell what lies between two members
        return [self.name(ordinal) for ordinal in partitions]

    def _position(self, member: str) -> int:
        try:
            return self.members.index(member)
        except ValueError:
            raise self._not_a_member(member) from None

    def _not_a_member(self, key: object) -> PartitionError:
        message = f"{quoted(key)} is not one of the {len(self.members)} members of {self.key}"
        return PartitionError(message, f"a member is written as declared, for example {quoted(self.members[0])}")

    @cached_property
    def _ordinals(self) -> dict[str, int]:
        return dict(self.ids)

    @cached_property
    def _names(self) -> dict[int, str]:
        return {ordinal: member for member, ordinal in self.ids}

    def _fix(self, members: tuple[str, ...], key: str, ids: tuple[tuple[str, int], ...] | None) -> None:
        if ids is None:
            ids = tuple((member, position) for position, member in enumerate(members))
        self.__dict__.update(members=members, key=key, ids=ids)  # frozen for everybody else


def _checked_members(members: Iterable[str]) -> tuple[str, ...]:
    if isinstance(members, str):
        raise PartitionError(f"members are a list, not the text {quoted(members)}", "put it in brackets")
    checked = tuple(_checked_member(member) for member in members)
    if not checked:
        raise PartitionError("a static partitioning needs at least one member")
    # Some file systems and databases do not tell upper from lower case.
    seen: dict[str, str] = {}
    for member in checked:
        folded = member.casefold()
        if folded in seen:
            message = f"the members {quoted(seen[folded])} and {quoted(member)} are the same, or differ only in case"
            raise PartitionError(message, "name each member once")
        seen[folded] = member
    return checked


def _checked_member(member: str) -> str:
    if reason := _objection(member):
        raise PartitionError(f"{quoted(member)} cannot be a member: {reason}")
    return member


def _objection(member: str) -> str:
    """Why it cannot be a member; empty when it can."""
    if not isinstance(member, str) or not member:
        return "a member is a text that is not empty"
    if member in (".", ".."):
        return "in a path it would mean another folder"
    if any(unicodedata.category(character) in _UNPRINTABLE for character in member[: _MAX_LENGTH + 1]):
        return "it has control or broken characters"
    # As written in a path, because folders may not have longer names.
    if len(member) > _MAX_LENGTH or len(encoded_member(member)) > _MAX_LENGTH:
        return f"it is longer than {_MAX_LENGTH} characters, as a path spells it"
    return ""
