"""A set of members, such as tenants or regions, as partitions: a fixed one, and one whose members arrive."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import ClassVar, Self

from recoup.model.calendar import Calendar
from recoup.model.errors import NotAKeyError, PartitionError
from recoup.model.keys import check_key_name, quoted
from recoup.model.member_names import check_members
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import MemberSet, Partitioning


@dataclass(frozen=True, init=False)
class Members(Partitioning):
    """One partition for each member; the ledger gives each an id of its own, which is its ordinal for good."""

    grain: ClassVar[str] = "members"
    is_time: ClassVar[bool] = False
    has_order: ClassVar[bool] = False

    members: tuple[str, ...]
    key: str
    ids: tuple[tuple[str, int], ...] = field(repr=False)
    calendar: Calendar | None = field(default=None, init=False, repr=False)

    def __str__(self) -> str:
        return f"members of {self.key}"

    @property
    def member_side(self) -> Members:
        """Itself."""
        return self

    @property
    @abstractmethod
    def listed(self) -> tuple[str, ...] | None:
        """The members by name, as declared or as asked for now; None where only the ledger knows who arrived."""

    @classmethod
    def known(cls, key: str, ids: Mapping[str, int]) -> Self:
        """All members that the ledger has met, without what is declared of them."""
        made = object.__new__(cls)
        made.__dict__.update(members=(), key=key, ids=(), listing=None)
        return made._with(members=tuple(ids), ids=tuple(sorted(ids.items(), key=itemgetter(1))))

    def bind(self, ids: Mapping[str, int]) -> Self:
        """The same with the ids that the ledger gave them; ids of former members may be among them."""
        members = tuple(ids) if self.listed is None else self.listed
        given = set(ids.values())
        if not ids.keys() >= set(members) or len(given) < len(ids) or min(given, default=0) < 0:
            raise ValueError("each member needs an id of its own, from 0 up")
        return self._with(members=members, ids=tuple(sorted(ids.items(), key=itemgetter(1))))

    def with_members(self, ids_of: Callable[[MemberSet], Mapping[str, int]]) -> Self:
        return self.bind(ids_of(self))

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
        """Every member that there is now."""
        return PartitionSet.of(self._ordinals[member] for member in self.members)

    def window(self, start: str | None, end: str | None, now: datetime) -> PartitionSet:  # noqa: ARG002 - as above
        """The members from start to end in their order, both included."""
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

    def identity(self) -> dict[str, object]:
        """Kind and key: members may come and go."""
        return {"kind": self.kind, "key": self.key}

    def is_finer_than(self, other: Partitioning) -> bool:  # noqa: ARG002 - whatever it is
        """Never: members do not lie in anything."""
        return False

    def parts(self, coarser: Partitioning, ordinal: int) -> range:
        """The member itself, in the same partitioning."""
        if self.identity() != coarser.identity():
            raise self._refuse_nesting(coarser)
        return range(ordinal, ordinal + 1)

    def whole(self, finer_ordinal: int, coarser: Partitioning) -> int:
        """The member itself, in the same partitioning."""
        return self.parts(coarser, finer_ordinal).start

    def ranges_text(self, partitions: PartitionSet, over: PartitionSet | None = None) -> list[str]:
        """Each member by itself."""
        del over  # nobody could tell what lies between two members
        return [self.name(ordinal) for ordinal in partitions]

    def __contains__(self, member: object) -> bool:
        """Whether there is such a member now."""
        return member in self._ordinals and member in self.members

    @property
    def next_id(self) -> int:
        """One more than the highest id that was given."""
        return self.ids[-1][1] + 1 if self.ids else 0

    def _position(self, member: str) -> int:
        try:
            return self.members.index(member)
        except ValueError:
            raise self._not_a_member(member) from None

    def _not_a_member(self, key: object) -> PartitionError:
        if not self.members:
            return PartitionError(f"{quoted(key)} is no member of {self.key}: none has arrived yet")
        message = f"{quoted(key)} is not one of the {len(self.members)} members of {self.key}"
        written = f"a member is written as declared, for example {quoted(self.members[0])}"
        return NotAKeyError.of(quoted(key), written, message)

    @cached_property
    def _ordinals(self) -> dict[str, int]:
        return dict(self.ids)

    @cached_property
    def _names(self) -> dict[int, str]:
        return {ordinal: member for member, ordinal in self.ids}

    def _with(self, **fields: object) -> Self:
        made = object.__new__(type(self))
        cached = ("_ordinals", "_names")
        kept = {name: value for name, value in self.__dict__.items() if name not in cached}
        made.__dict__.update(kept | fields)  # frozen for everybody else
        return made


@dataclass(frozen=True, init=False)
class Static(Members):
    """A fixed set; the order given is the order in which a window counts its members."""

    kind: ClassVar[str] = "static"

    def __init__(self, members: Iterable[str], *, key: str = "member") -> None:
        given = tuple(members) if not isinstance(members, str) else members
        checked = check_members(given)
        if not checked:
            raise PartitionError("a static partitioning needs at least one member")
        if len(set(checked)) < len(checked):
            twice = next(member for member in checked if checked.count(member) > 1)
            raise PartitionError(f"the member {quoted(twice)} is named twice", "name each member once")
        ids = tuple((member, position) for position, member in enumerate(checked))
        self.__dict__.update(members=checked, key=check_key_name(key), ids=ids)  # frozen for everybody else

    @property
    def listed(self) -> tuple[str, ...]:
        """As declared."""
        return self.members


@dataclass(frozen=True, init=False)
class Dynamic(Members):
    """A set whose members arrive at run time, and are told apart from then on.

    Give `listing`, a function that is asked before each plan; without it members arrive through `ctx.add_members` in
    a step or `recoup members add`, and stay.
    """

    kind: ClassVar[str] = "dynamic"
    has_order: ClassVar[bool] = True

    listing: Callable[[], Iterable[str]] | None

    def __init__(self, *, key: str = "member", listing: Callable[[], Iterable[str]] | None = None) -> None:
        self.__dict__.update(members=(), key=check_key_name(key), ids=(), listing=listing)  # as above

    @property
    def listed(self) -> tuple[str, ...] | None:
        """Those that `naming` was told; None where only the ledger knows who arrived."""
        return self.members if self.listing is not None else None

    def naming(self, answer: Iterable[str]) -> Dynamic:
        """The same with what the listing answered."""
        return self._with(members=check_members(dict.fromkeys(answer)))
