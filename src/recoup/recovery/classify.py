"""From an exception to a Failure: structured evidence first, types next, and `unknown` when nothing tells.

Rules are data, one table. The first that matches, from the root cause outwards, decides.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from recoup.model.errors import RecoupError
from recoup.model.failure import Failure, FailureKind

MESSAGE_LIMIT = 2000

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
    "UnreachableError": FailureKind.NETWORK,
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
    "SchemaError": FailureKind.CONTRACT,
    "SchemaFieldNotFoundError": FailureKind.CONTRACT,
}
"""By the name of a class or of one of its bases, the nearest first."""

_SECRET = re.compile(
    r"(?i)(\b(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|sas|signature)\b\s*[=:]\s*)"
    r"([^\s;,&'\"]+)|(://[^/\s:@]+:)([^@\s/]+)(?=@)"
)
_CHANGING = re.compile(r"0x[0-9a-fA-F]+|\d+|'[^']*'|\"[^\"]*\"")


def classify(error: BaseException, place: str = "") -> Failure:
    """What went wrong, with its evidence; `place` is the innermost line of the user's own code."""
    chain = list(_causes(error))
    for cause in reversed(chain):
        if kind := _kind(cause):
            break
    else:
        kind = FailureKind.UNKNOWN
    kind = kind or FailureKind.UNKNOWN
    name = type(error).__name__
    message = redact(f"{name}: {error}" if str(error) else name)[:MESSAGE_LIMIT]
    evidence: dict[str, Any] = {"types": [type(cause).__name__ for cause in chain]}
    if place:
        evidence["place"] = place
    numbers = [cause.errno for cause in chain if isinstance(cause, OSError) and cause.errno is not None]
    if numbers:
        evidence["errno"] = errno.errorcode.get(numbers[-1], str(numbers[-1]))
    if isinstance(error, RecoupError) and error.remedy:
        evidence["remedy"] = error.remedy
    return Failure(kind, message, name, fingerprint(kind, name, place, message), evidence)


def lost(evidence: Mapping[str, Any]) -> Failure:
    """A worker that vanished in the middle of an attempt."""
    how = ", ".join(f"{name} {value}" for name, value in evidence.items() if name in ("signal", "exit_code"))
    message = f"the worker vanished ({how})" if how else "the worker vanished"
    return Failure(FailureKind.LOST, message, "", fingerprint(FailureKind.LOST, "", "", message), dict(evidence))


def timed_out(limit_seconds: float, evidence: Mapping[str, Any]) -> Failure:
    """An attempt that ran longer than its step allows."""
    message = f"the step ran longer than its limit of {limit_seconds:g} s and was ended"
    kind = FailureKind.TIMEOUT
    return Failure(kind, message, "", fingerprint(kind, "", "", "limit"), {**evidence, "limit_seconds": limit_seconds})


def fingerprint(kind: FailureKind, exception: str, place: str, message: str) -> str:
    """Equal for the same failure in other partitions: by the place in the user's code, else by the message's words."""
    basis = place or _CHANGING.sub("#", message)
    return hashlib.sha256(f"1|{kind}|{exception}|{basis}".encode()).hexdigest()[:12]


def redact(text: str) -> str:
    """Without passwords, keys and tokens; done before anything is cut, stored or shown."""
    return _SECRET.sub(lambda m: f"{m[1] or m[3]}***", text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _kind(error: BaseException) -> FailureKind | None:
    if isinstance(error, OSError) and error.errno in KIND_OF_ERRNO:
        return KIND_OF_ERRNO[error.errno]
    return next((KIND_OF_TYPE[t.__name__] for t in type(error).__mro__ if t.__name__ in KIND_OF_TYPE), None)
