"""How a partition's key is written: in a message, and as one segment of a path."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from recoup.model.errors import PartitionError

MAX_QUOTED: Final = 80
_KEY_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,49}")


def quoted(text: object) -> str:
    """What somebody gave us, safe and short enough to stand in a message."""
    shown = repr(text[: MAX_QUOTED + 1] if isinstance(text, str) else text)
    return shown if len(shown) <= MAX_QUOTED else f"{shown[: MAX_QUOTED - 1]}…"


def check_key_name(name: str) -> str:
    """The name itself: it becomes a column and a part of every path."""
    if not isinstance(name, str) or not _KEY_NAME.fullmatch(name):
        remedy = "use a letter, then letters, digits and _ only, at most 50"
        raise PartitionError(f"{quoted(name)} cannot name a partition key", remedy)
    return name


def sides_of(key_names: str, partition: str) -> dict[str, str]:
    """A partition by the names of its key: `dt/tenant` and `2023-11-15/acme` are `{"dt": …, "tenant": …}`.

    Only as many parts as there are names are split off, so a member may hold a `/` itself.
    """
    names = key_names.split("/")
    members = partition.split("/", len(names) - 1)
    if len(members) != len(names) or not all(members):
        message = f"partition {quoted(partition)} has no member for each of {quoted(key_names)}"
        raise PartitionError(message)
    return dict(zip(names, members, strict=True))


def path_segment(key_name: str, member: str) -> str:
    """`dt=2013-01-01`: the member percent-encoded, so that it is always one segment that stays where it stands."""
    return f"{quote(key_name, safe='')}={encoded_member(member)}"


def member_of(segment: str) -> str:
    """The member that `path_segment` wrote."""
    key_name, _, encoded = segment.partition("=")
    try:
        member = unquote(encoded, errors="strict")
        written = path_segment(key_name, member)
    except UnicodeError:
        raise _not_a_folder(segment) from None
    # Exactly one spelling: two folders must never stand for the same partition.
    if not key_name or not member or written != segment:
        raise _not_a_folder(segment)
    return member


def _not_a_folder(segment: str) -> PartitionError:
    return PartitionError(f"{quoted(segment)} is not a partition's folder, which looks like dt=2013-01-01")


def encoded_member(member: str) -> str:
    """Percent-encoded, dots too when there is nothing else."""
    return quote(member, safe="") if member.strip(".") else "%2E" * len(member)
