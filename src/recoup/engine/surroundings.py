"""What can be looked up where something has just failed: owner and mode of a path, a port's process, an answer.

Evidence only: the failure was judged before, its kind stays as it is, and what cannot be had is left out.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from recoup.engine.endpoints import endpoint_of, probe
from recoup.engine.listeners import listeners
from recoup.model.failure import Failure, FailureKind
from recoup.model.redact import Redact

ANSWER_LIMIT: Final = 300
RUNS_SHOWN: Final = 20
PATIENCE_SECONDS: Final = 2.0
_LONGEST_CHAIN: Final = 20
_IN_USE: Final = "address already in use"
_PORT: Final = re.compile(r"(?::|\bport |['\"], )(\d{2,5})\b")
_DENIED: Final = re.compile(
    r"permission denied:? ['\"]?(/[^'\"\s:]+)|['\" ](/[^'\"\s:]+)['\"]?: permission denied", re.IGNORECASE
)
_RUN: Final = re.compile(r"requested run[= ]+(\S+) missing under (\S+)", re.IGNORECASE)


def surroundings(error: BaseException, failure: Failure, root: Path, redact: Redact) -> dict[str, Any]:
    """More evidence, by the failure's kind; relative paths are below `root`."""
    found: dict[str, Any] = {}
    match failure.kind:
        case FailureKind.PERMISSION:
            refused = (path for one in _chain(error) if (path := _path(one)))
            path = next(refused, None) or _path_in(f"{failure.message}\n{failure.evidence.get('output', '')}")
            found = ownership(path) if path else {}
        case FailureKind.CONFLICT:
            found = port_in_use(failure.message)
        case FailureKind.MISSING:
            found = _runs_present(failure.message, root)
        case _:
            pass
    found |= next((answer for one in _chain(error) if (answer := _answer(one))), {})
    if failure.kind is FailureKind.NETWORK:
        found |= _endpoint(found.get("address", ""), failure)
    return {name: redact(value) if isinstance(value, str) else value for name, value in found.items()}


def ownership(path: str) -> dict[str, str]:
    """Whose it is, and who we run as; of what is not there, or cannot be seen, the nearest folder that can."""
    place = next((place for place in (Path(path), *Path(path).parents) if _can_be_seen(place)), None)
    if place is None:
        return {}
    seen = {"path": path, **_whose(place), "running_as": _user(os.geteuid())}
    return seen if str(place) == path else {**seen, "seen_at": str(place)}


def port_in_use(message: str) -> dict[str, Any]:
    """The port that the message names, and who listens there."""
    named = _PORT.search(message) if _IN_USE in message.lower() else None
    if named is None:
        return {}
    port = int(named.group(1))
    held = listeners(port)
    return {"port": port, **({"held_by": "; ".join(map(str, held))} if held else {})}


def _whose(place: Path) -> dict[str, str]:
    told = place.stat()
    return {"owner": _user(told.st_uid), "group": _group(told.st_gid), "mode": stat.filemode(told.st_mode)}


def _can_be_seen(place: Path) -> bool:
    with suppress(OSError):
        place.stat()
        return True
    return False


def _user(uid: int) -> str:
    import pwd  # not on every system

    with suppress(KeyError):
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    return str(uid)


def _group(gid: int) -> str:
    import grp

    with suppress(KeyError):
        return f"{grp.getgrgid(gid).gr_name} ({gid})"
    return str(gid)


def _path(error: BaseException) -> str | None:
    """The path that the system refused."""
    named = error.filename if isinstance(error, PermissionError) else None
    return str(Path(os.fsdecode(named)).absolute()) if isinstance(named, str | bytes | os.PathLike) else None


def _path_in(text: str) -> str | None:
    """What a command says that it was refused: `mkdir: cannot create directory '/lake/x': Permission denied`."""
    named = _DENIED.search(text)
    return (named.group(1) or named.group(2)) if named else None


def _runs_present(message: str, root: Path) -> dict[str, Any]:
    """The run that was asked for, and those that are there."""
    named = _RUN.search(message)
    if named is None:
        return {}
    place = root / named.group(2).rstrip(".,;:)'\"")
    there = sorted(found.name.removeprefix("run=") for form in ("run=*", "*/run=*") for found in place.glob(form))
    return {"run_asked_for": named.group(1), "runs_present": there[:RUNS_SHOWN]}


def _endpoint(address: str, failure: Failure) -> dict[str, str]:
    """Whether the other side takes a connection now, where it is known which one it is."""
    said = [failure.message, *failure.evidence.get("causes", ())]
    endpoint = endpoint_of(address, "\n".join(said))
    return {} if endpoint is None else {"endpoint": f"{endpoint} {probe(endpoint)}"}


def _answer(error: Any) -> dict[str, Any]:  # noqa: ANN401 - any exception
    """Where an answer came from, and how it begins."""
    response = getattr(error, "response", None)
    address = next(filter(None, (_text(error, *names) for names in _ADDRESSES)), "")
    found = {"address": _without_query(address)} if "://" in address else {}
    with suppress(Exception):  # a property of somebody else's: reading it may mean anything
        text = _peeked(error) if response is None else response.text if _is_read(response) else ""
        if answer := " ".join(text.split()):
            found["answer"] = answer[:ANSWER_LIMIT]
    return found


_ADDRESSES: Final = (("response", "url"), ("request", "url"), ("request_info", "real_url"), ("url",))


def _is_read(response: Any) -> bool:  # noqa: ANN401 - requests' or httpx'
    return bool(getattr(response, "_content", None)) or getattr(response, "is_closed", False) is True


def _peeked(error: Any) -> str:  # noqa: ANN401 - urllib's HTTPError, which is an answer nobody has read yet
    """What has come by now; nobody waits long for the rest, and it can still be read."""
    stream = getattr(getattr(error, "fp", None), "fp", None)
    sock = getattr(getattr(stream, "raw", None), "_sock", None)
    if sock is None:
        return ""
    sock.settimeout(PATIENCE_SECONDS)
    return bytes(error.fp.peek(ANSWER_LIMIT)).decode(errors="replace")


def _text(error: Any, *names: str) -> str:  # noqa: ANN401 - any exception
    with suppress(Exception):  # likewise
        for name in names:
            error = getattr(error, name)
        return "" if error is None else str(error)
    return ""


def _without_query(address: str) -> str:
    """Keys and tokens stand there."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """What it was raised from, the innermost first: that is where the system's own error is."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and len(chain) < _LONGEST_CHAIN and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    return reversed(chain)
