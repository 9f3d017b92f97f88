"""What may be a member of a set of partitions: a text that a path, a key and a person can carry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from recoup.model.errors import PartitionError
from recoup.model.keys import encoded_member, quoted

ANY: Final = "*"
"""How people write one side of a grid that they leave open."""

_MAX_LENGTH: Final = 200
_UNPRINTABLE: Final = ("Cc", "Cs")
_SEPARATOR: Final = re.compile(r"[/\\]")


def check_members(members: Iterable[str], known: Iterable[str] = ()) -> tuple[str, ...]:
    """The members themselves, each once; `known` are those that are there already, which they may repeat exactly."""
    if isinstance(members, str):
        raise PartitionError(f"members are a list, not the text {quoted(members)}", "put it in brackets")
    # Some file systems and databases do not tell upper from lower case.
    seen = {member.casefold(): member for member in known}
    there = frozenset(seen.values())
    return tuple(_new(members, seen, there))


def _new(members: Iterable[str], seen: dict[str, str], there: frozenset[str]) -> Iterator[str]:
    for member in members:
        if reason := _objection(member):
            raise PartitionError(f"{quoted(member)} cannot be a member: {reason}", "give it another name")
        other = seen.setdefault(member.casefold(), member)
        if other != member:
            message = f"the members {quoted(other)} and {quoted(member)} differ only in case"
            raise PartitionError(message, "spell each member in one way")
        if member not in there:
            yield member


def _objection(member: str) -> str:
    """Why it cannot be a member; empty when it can."""
    if not isinstance(member, str) or not member:
        return "a member is a text that is not empty"
    if member == ANY:
        return "it stands for all members"
    if any(part in (".", "..") for part in _SEPARATOR.split(member)):
        return "in a path it would mean another folder"
    if any(unicodedata.category(character) in _UNPRINTABLE for character in member[: _MAX_LENGTH + 1]):
        return "it has control or broken characters"
    # As written in a path, because folders may not have longer names.
    if len(member) > _MAX_LENGTH or len(encoded_member(member)) > _MAX_LENGTH:
        return f"it is longer than {_MAX_LENGTH} characters, as a path spells it"
    return ""
