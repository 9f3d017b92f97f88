"""From an exception to a Failure: structured evidence first, types next, and `unknown` when nothing tells.

Rules are data, one table. The first that matches, from the root cause outwards, decides; a bug's kind only where no
other does, because a KeyError is often how another failure was noticed. What was merely being handled when the error
came (no `from`) is asked last.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from recoup.model.errors import RecoupError
from recoup.model.failure import Failure, FailureKind
from recoup.model.redact import Redact, redact
from recoup.recovery.sqlstate import kind_of_answer

MESSAGE_LIMIT = 2000
TEXT_LIMIT = 10 * MESSAGE_LIMIT

KIND_OF_ERRNO: Mapping[int, FailureKind] = {
    errno.ENOSPC: FailureKind.DISK,
    errno.EDQUOT: FailureKind.DISK,
    errno.EMFILE: FailureKind.DISK,
    errno.ENFILE: FailureKind.DISK,
    errno.ENOMEM: FailureKind.MEMORY,
    errno.EACCES: FailureKind.PERMISSION,
    errno.EPERM: FailureKind.PERMISSION,
    errno.EROFS: FailureKind.PERMISSION,
    errno.ENOENT: FailureKind.MISSING,
    errno.ECONNREFUSED: FailureKind.NETWORK,
    errno.ECONNRESET: FailureKind.NETWORK,
    errno.ECONNABORTED: FailureKind.NETWORK,
    errno.EPIPE: FailureKind.NETWORK,
    errno.ETIMEDOUT: FailureKind.NETWORK,
    errno.EHOSTUNREACH: FailureKind.NETWORK,
    errno.ENETUNREACH: FailureKind.NETWORK,
    errno.EADDRINUSE: FailureKind.CONFLICT,
}

KIND_OF_TYPE: Mapping[str, FailureKind] = {
    "MemoryError": FailureKind.MEMORY,
    "FileNotFoundError": FailureKind.MISSING,
    "PermissionError": FailureKind.PERMISSION,
    "ConnectionError": FailureKind.NETWORK,
    "gaierror": FailureKind.NETWORK,
    "TimeoutError": FailureKind.NETWORK,
    "SSLError": FailureKind.NETWORK,
    "DiskFullError": FailureKind.DISK,
    "FsyncFailedError": FailureKind.DISK,
    "PermissionDeniedError": FailureKind.AUTH,
    "UnauthenticatedError": FailureKind.AUTH,
    "IdentityRefusedError": FailureKind.AUTH,
    "UnreachableError": FailureKind.NETWORK,
    "ServerBusyError": FailureKind.THROTTLED,
    "GrantMissingError": FailureKind.PERMISSION,
    "ConflictError": FailureKind.CONFLICT,
    "LedgerLockedError": FailureKind.CONFLICT,
    "FencedError": FailureKind.CANCELLED,
    "CorruptError": FailureKind.CORRUPT,
    "StepReturnError": FailureKind.LOGIC,
    "UsageError": FailureKind.CONFIG,
    "ModuleNotFoundError": FailureKind.CONFIG,
    "KeyboardInterrupt": FailureKind.CANCELLED,
    "ArithmeticError": FailureKind.LOGIC,
    "AssertionError": FailureKind.LOGIC,
    "AttributeError": FailureKind.LOGIC,
    "LookupError": FailureKind.LOGIC,
    "NameError": FailureKind.LOGIC,
    "TypeError": FailureKind.LOGIC,
    "NotImplementedError": FailureKind.LOGIC,
    "RecursionError": FailureKind.LOGIC,
    "SyntaxError": FailureKind.LOGIC,
    "ColumnNotFoundError": FailureKind.CONTRACT,
    "RowsRefusedError": FailureKind.CONTRACT,
    "SchemaError": FailureKind.CONTRACT,
    "SchemaFieldNotFoundError": FailureKind.CONTRACT,
}
"""By the name of a class or of one of its bases, the nearest first."""

_CHANGING = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\w*\d\w*|'[^']*'|\"[^\"]*\"")


def classify(error: BaseException, place: str = "", redact: Redact = redact) -> Failure:
    """What went wrong, with its evidence; `place` is the innermost line of the user's own code."""
    strands = list(_strands(error))
    chain = [cause for strand in strands for cause in strand]
    kind = next((kind for strand in strands if (kind := _kind_of(strand))), FailureKind.UNKNOWN)
    name, text = type(error).__name__, _text(error)
    message = redact(f"{name}: {text}" if text else name)[:MESSAGE_LIMIT]
    evidence: dict[str, Any] = {"types": [type(cause).__name__ for cause in chain]}
    if place:
        evidence["place"] = place
    numbers = [cause.errno for cause in chain if isinstance(cause, OSError) and cause.errno is not None]
    if numbers:
        evidence["errno"] = errno.errorcode.get(numbers[-1], str(numbers[-1]))
    if isinstance(error, RecoupError) and error.remedy:
        evidence["remedy"] = redact(error.remedy)
    return Failure(kind, message, name, fingerprint(kind, name, place, message), evidence)


def lost(evidence: Mapping[str, Any]) -> Failure:
    """A worker that vanished in the middle of an attempt."""
    how = ", ".join(f"{name} {value}" for name, value in evidence.items() if name in ("signal", "exit_code"))
    message = f"the worker vanished ({how})" if how else "the worker vanished"
    return Failure(FailureKind.LOST, message, "", fingerprint(FailureKind.LOST, "", "", message), dict(evidence))


def timed_out(limit_seconds: float, evidence: Mapping[str, Any]) -> Failure:
    """An attempt that ran longer than its step allows."""
    end = "given up; its thread goes on, unheard" if evidence.get("left_running") else "ended"
    message = f"the step ran longer than its limit of {limit_seconds:g} s and was {end}"
    kind = FailureKind.TIMEOUT
    return Failure(kind, message, "", fingerprint(kind, "", "", "limit"), {**evidence, "limit_seconds": limit_seconds})


def fingerprint(kind: FailureKind, exception: str, place: str, message: str) -> str:
    """Equal for the same failure in other partitions: by the place in the user's code, else by the message's words."""
    basis = place or _CHANGING.sub("#", message)
    return hashlib.sha256(f"1|{kind}|{exception}|{basis}".encode()).hexdigest()[:12]


def _text(error: BaseException) -> str:
    """What it says, as text that can be stored: a file name that is no UTF-8 brings half characters."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - somebody's own __str__
        text = f"(its text cannot be had: {type(broken).__name__})"
    return text[:TEXT_LIMIT].encode(errors="backslashreplace").decode()


def _strands(error: BaseException) -> Iterator[list[BaseException]]:
    """The error with what it was raised `from`, outermost first; then likewise what was being handled meanwhile."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        strand: list[BaseException] = []
        last = current
        while current is not None and id(current) not in seen:
            seen.add(id(current))
            strand.append(current)
            last, current = current, current.__cause__
        yield strand
        current = None if last.__suppress_context__ else last.__context__


def _kind_of(strand: list[BaseException]) -> FailureKind | None:
    kinds = [kind for cause in reversed(strand) if (kind := _kind(cause))]
    return next((kind for kind in kinds if kind is not FailureKind.LOGIC), kinds[0] if kinds else None)


def _kind(error: BaseException) -> FailureKind | None:
    if isinstance(error, OSError) and error.errno is not None and error.errno in KIND_OF_ERRNO:
        return KIND_OF_ERRNO[error.errno]
    if answered := kind_of_answer(error):
        return answered
    return next((KIND_OF_TYPE[t.__name__] for t in type(error).__mro__ if t.__name__ in KIND_OF_TYPE), None)
