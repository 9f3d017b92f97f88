"""From what a database answers to a kind of failure: by SQLSTATE, which all of them share, or by MariaDB's numbers."""

from __future__ import annotations

from collections.abc import Mapping

from recoup.model.failure import FailureKind

# The longest beginning that fits decides: a code of five characters, or its class of two.
_KINDS: Mapping[str, FailureKind] = {
    "08": FailureKind.NETWORK,
    "22": FailureKind.LOGIC,  # division by zero, a text that is no number, a date that never was
    "23": FailureKind.LOGIC,  # NULL where none may be, a check, a foreign key
    "23505": FailureKind.CONFLICT,  # a key twice
    "28": FailureKind.AUTH,
    "3D000": FailureKind.MISSING,
    "3F000": FailureKind.MISSING,
    "40": FailureKind.CONFLICT,  # deadlock, serialization
    "42": FailureKind.LOGIC,
    "42501": FailureKind.PERMISSION,
    "42703": FailureKind.CONTRACT,
    "42P01": FailureKind.MISSING,
    "42S02": FailureKind.MISSING,
    "42S22": FailureKind.CONTRACT,
    "53": FailureKind.SERVICE,
    "53100": FailureKind.DISK,
    "53200": FailureKind.MEMORY,
    "53300": FailureKind.THROTTLED,
    "55P03": FailureKind.CONFLICT,
    "57": FailureKind.SERVICE,  # shutdown, failover, a start that is not over
    "57014": FailureKind.TIMEOUT,
    "58": FailureKind.SERVICE,
    "70100": FailureKind.TIMEOUT,
}
# These come without a SQLSTATE, or with one that says nothing.
_NUMBERS: Mapping[int, FailureKind] = {
    1040: FailureKind.THROTTLED,
    1062: FailureKind.CONFLICT,
    1205: FailureKind.CONFLICT,
    2002: FailureKind.NETWORK,
    2003: FailureKind.NETWORK,
    2006: FailureKind.NETWORK,
    2013: FailureKind.NETWORK,
    3024: FailureKind.TIMEOUT,
}


def kind_of_answer(error: BaseException) -> FailureKind | None:
    """What a driver's error says by itself; None for what is no database's answer."""
    if not hasattr(error, "sqlstate"):
        return None
    number = error.args[0] if error.args else None
    if isinstance(number, int) and number in _NUMBERS:
        return _NUMBERS[number]
    state = error.sqlstate
    return (_KINDS.get(state) or _KINDS.get(state[:2])) if isinstance(state, str) else None
