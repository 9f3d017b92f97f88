"""From an exception to evidence, by duck typing: no library is imported to ask what its errors say."""

from __future__ import annotations

import re
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from recoup.model.evidence import Cause, Evidence
from recoup.recovery.told import told

TEXT_LIMIT = 20_000
CHAIN_LIMIT = 20
FRAMES = 5


def capture(error: BaseException) -> Evidence:
    """The whole chain; nothing is cut so short that a secret could not be recognised any more."""
    return _captured(error, set())


def _captured(error: BaseException, seen: set[int]) -> Evidence:
    strands: list[tuple[Cause, ...]] = []
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        strand: list[Cause] = []
        last = current
        while current is not None and id(current) not in seen and len(seen) < CHAIN_LIMIT:
            seen.add(id(current))
            strand.append(_cause(current, seen))
            last, current = current, current.__cause__
        strands.append(tuple(strand))
        current = None if last.__suppress_context__ or len(seen) >= CHAIN_LIMIT else last.__context__
    return Evidence(tuple(strands))


def _cause(error: BaseException, seen: set[int]) -> Cause:
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    message = text_of(error)
    facts = {**told(message), **dict(_facts(error))}
    return Cause(
        classes=tuple(_class_name(t) for t in type(error).__mro__[:-1]),
        message=message,
        facts=facts,
        output=_output(error),
        frames=_frames(error),
        members=tuple(_captured(member, seen) for member in members if id(member) not in seen),
    )


def text_of(error: BaseException) -> str:
    """What it says, as text that can be stored: a file name that is no UTF-8 brings half characters."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - somebody's own __str__
        text = f"(its text cannot be had: '{type(broken).__name__}')"
    return text[:TEXT_LIMIT].encode(errors="backslashreplace").decode()


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _frames(error: BaseException) -> tuple[str, ...]:
    # Without the lines of source: to read files is not for this room, and they say nothing about what happened.
    last = deque((frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)), FRAMES)
    return tuple(f"{code.co_filename}:{code.co_name}" for code in last)


def _facts(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Each only when it has the type that it should have: an attribute of that name may be anything."""
    for name, ask, kind in _QUESTIONS:
        try:
            answer = ask(error)
        except Exception:  # noqa: BLE001, S112 - a property of somebody else's
            continue
        if isinstance(answer, kind) and not isinstance(answer, bool):
            yield name, answer


def _output(error: BaseException) -> str:
    """The end of what a command printed: stderr, else stdout."""
    for name in ("stderr", "stdout"):
        try:
            text = getattr(error, name, None)
        except Exception:  # noqa: BLE001, S112 - likewise
            continue
        if isinstance(text, bytes):
            text = text.decode(errors="backslashreplace")
        if isinstance(text, str) and text.strip():
            return text[-TEXT_LIMIT:].strip().encode(errors="backslashreplace").decode()
    return ""


def _status(error: Any) -> object:  # noqa: ANN401 - any exception
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        return response["ResponseMetadata"]["HTTPStatusCode"]
    owners = (response, error) if response is not None else (error,)
    for owner in owners:
        for name in ("status_code", "status", "code", "http_status", "resp_status", "errcode"):
            status = getattr(owner, name, None)
            if isinstance(status, int) and 100 <= status < 600:  # noqa: PLR2004 - what HTTP has
                return int(status)
    return None


def _retry_after(error: Any) -> object:  # noqa: ANN401 - any exception
    """Seconds; a date counts from the answer's own date, for whose clock is right?"""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        headers = response["ResponseMetadata"]["HTTPHeaders"]
    else:
        headers = getattr(response if response is not None else error, "headers", {})
    asked, now = (headers.get(name) or headers.get(name.lower()) for name in ("Retry-After", "Date"))
    if not asked or re.fullmatch(r"\d+(\.\d+)?", str(asked)):
        own = getattr(error, "retry_after", None)
        seconds = float(own) if isinstance(own, int) and not isinstance(own, bool) else own
        return float(asked) if asked else seconds
    return max((parsedate_to_datetime(asked) - parsedate_to_datetime(now)).total_seconds(), 0.0)


def _code(error: Any) -> object:  # noqa: ANN401 - any exception
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return response["Error"]["Code"]
    for name in ("error_code", "error_name", "code", "reason"):
        value = getattr(error, name, None)
        value = getattr(value, "value", value)  # azure-core and others wrap it in an enum
        if isinstance(value, str) and value.replace(".", "").replace("_", "").isalnum():
            return value
    first = error.args[0] if error.args else None
    named = getattr(first, "name", None)
    return named() if callable(named) else None  # confluent-kafka


def _grpc(error: Any) -> Any:  # noqa: ANN401 - any exception
    return (getattr(error, "grpc_status_code", None) or error.code()).name


def _sqlstate(error: Any) -> object:  # noqa: ANN401 - any exception
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def _number(error: Any) -> object:  # noqa: ANN401 - any exception
    """MySQL's drivers give theirs first, or as `errno` without being an OSError."""
    is_sql = any(name in {"DatabaseError", "MySQLError"} for name in (t.__name__ for t in type(error).__mro__))
    return (getattr(error, "errno", None) or error.args[0]) if is_sql else None


def _errno(error: BaseException) -> object:
    return error.errno if isinstance(error, OSError) else None


_QUESTIONS: tuple[tuple[str, Callable[[BaseException], object], type], ...] = (
    ("errno", _errno, int),
    ("exit_code", lambda error: getattr(error, "returncode", None), int),
    ("exit_code", lambda error: getattr(error, "exit_code", None), int),
    ("http_status", _status, int),
    ("retry_after_seconds", _retry_after, float),
    ("sqlstate", _sqlstate, str),
    ("number", _number, int),
    ("code", _code, str),
    ("grpc", _grpc, str),
    ("key", lambda error: getattr(error, "fingerprint", None), str),
)
