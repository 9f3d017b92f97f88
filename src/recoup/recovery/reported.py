"""From a failure that somebody wrote down (one JSON object, or a mere text) to evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from recoup.model.errors import UsageError
from recoup.model.evidence import Cause, Evidence
from recoup.recovery.capture import TEXT_LIMIT
from recoup.recovery.told import told
from recoup.recovery.tracebacks import chain_in, members_in

_TEXTS: Final = ("exc_type", "message", "traceback")
_NUMBERS: Final = ("exit_code", "http_status")


def from_json(body: object) -> Evidence:
    """`exc_type`, `mro`, `message`, `traceback`, `exit_code`, `http_status`; all may be absent."""
    if not isinstance(body, Mapping):
        raise UsageError("a failure must be a JSON object", 'write {"exc_type": "builtins.OSError", "message": "…"}')
    for name in _TEXTS:
        _check(body, name, str, "a text")
    for name in _NUMBERS:
        _check(body, name, int, "a whole number")
    mro = body.get("mro") or []
    if not isinstance(mro, list) or not all(isinstance(name, str) for name in mro):
        raise UsageError("`mro` must be a list of texts", "name the base classes, nearest first")
    return _evidence(body, tuple(mro))


def from_text(text: str) -> Evidence:
    """A message, a log's end, a traceback."""
    text = text[-TEXT_LIMIT:]
    chain = chain_in(text) if "Traceback (most" in text else None
    return chain or Evidence(((Cause(message=text, facts=told(text)),),))


def _check(body: Mapping[str, Any], name: str, kind: type, noun: str) -> None:
    value = body.get(name)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise UsageError(f"`{name}` must be {noun} or null", "see docs/json.md")


def _evidence(body: Mapping[str, Any], mro: tuple[str, ...]) -> Evidence:
    message, trace = str(body.get("message") or "")[:TEXT_LIMIT], str(body.get("traceback") or "")[-TEXT_LIMIT:]
    name = body.get("exc_type")
    classes = (name, *mro) if name else ()
    is_command = not classes or any(one.startswith("subprocess.") for one in classes)
    output = trace if is_command else ""
    numbers = {key: body[key] for key in _NUMBERS if body.get(key) is not None}
    inner = _inner(message, output, trace, is_command=is_command)
    own = Cause(
        classes=classes,
        message=message,
        facts={**told(message), **(told(output) if output else {}), **numbers},
        output=output,
        frames=_frames(inner),
        members=members_in(trace) if any("ExceptionGroup" in one for one in classes) else (),
    )
    return _with(own, inner, is_command=is_command)


def _inner(message: str, output: str, trace: str, *, is_command: bool) -> Evidence | None:
    if is_command:
        text = output or message
        return chain_in(text) if "Traceback (most" in text or 'File "' in text else None
    return chain_in(trace)


def _frames(chain: Evidence | None) -> tuple[str, ...]:
    return chain.strands[0][0].frames if chain else ()


def _with(own: Cause, chain: Evidence | None, *, is_command: bool) -> Evidence:
    """The last exception of the traceback is the one that was reported; a command's are its cause."""
    if chain is None:
        return Evidence(((own,),))
    first, *others = chain.strands
    rest = first if is_command or first[0].name != own.name else first[1:]
    return Evidence(((own, *rest), *others))
