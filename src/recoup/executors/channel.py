"""Messages between controller and workers: a fixed head and JSON, one socket message each, long bodies in files."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from recoup.model.errors import DiskFullError, UsageError

SETUP, READY, FAILED, TASK, RESULT = range(5)

INLINE_BYTES: Final = 64 * 1024
"""Longer bodies travel in a file: a message must fit a socket's buffer, and many short ones should."""

_BUFFER_BYTES: Final = 1024 * 1024
_SPILLED: Final = 0x80
_HEAD: Final = struct.Struct("<Bqqd")
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().decode


class Message(NamedTuple):
    """What arrived. `log_end` is the size of the worker's log after the task, `seconds` what the task took."""

    kind: int
    token: int
    log_end: int
    seconds: float
    body: dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends that keep message boundaries and order, and tell when the other end is gone."""
    kind = getattr(socket, "SOCK_SEQPACKET", None)
    if kind is None or sys.platform == "darwin":
        message = f"worker processes need AF_UNIX sockets with SOCK_SEQPACKET, which {sys.platform} does not have"
        raise UsageError(message, "use the inline executor here, or run on Linux")
    ends = socket.socketpair(socket.AF_UNIX, kind)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return ends


def encode(kind: int, token: int, body: object, spill: Path, *, log_end: int = 0, seconds: float = 0.0) -> bytes:
    """One message. A long body is written to a file in `spill`, which whoever decodes it deletes.

    DiskFullError when there is no room for that file.
    """
    data = _encode(body).encode("ascii")
    if len(data) > INLINE_BYTES:
        data = os.fsencode(_spill(spill_path(spill, kind, token), data))
        kind |= _SPILLED
    return _HEAD.pack(kind, token, log_end, seconds) + data


def take(end: socket.socket) -> int | None:
    """Receive a message and drop it: the token in its head, None when nothing waits."""
    try:
        head = end.recv(_HEAD.size, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    return int(_HEAD.unpack(head)[1]) if head else None


def discard(message: bytes) -> None:
    """Delete the file of a message that nobody will decode."""
    if message[0] & _SPILLED:
        Path(os.fsdecode(message[_HEAD.size :])).unlink(missing_ok=True)


def spill_path(spill: Path, kind: int, token: int) -> Path:
    """Where the long body of a message lies."""
    return spill / f"{'setup' if kind == SETUP else 'task' if kind == TASK else 'result'}-{token}.json"


class Receiver:
    """Reads messages from one end of a pair."""

    def __init__(self, end: socket.socket) -> None:
        self._receive = end.recv_into
        self._view = memoryview(bytearray(_HEAD.size + INLINE_BYTES))

    def receive(self) -> Message | None:
        """The next message, None when the other end is gone; BlockingIOError when the end does not block."""
        try:
            size = self._receive(self._view)
        except ConnectionResetError:  # it went before it had read everything
            return None
        if not size:
            return None
        kind, token, log_end, seconds = _HEAD.unpack_from(self._view)
        data = bytes(self._view[_HEAD.size : size])
        if kind & _SPILLED:
            kind &= ~_SPILLED
            path = Path(os.fsdecode(data))
            data = path.read_bytes()
            path.unlink()
        return Message(kind, token, log_end, seconds, _decode(data.decode("ascii")))


def _spill(path: Path, data: bytes) -> Path:
    try:
        path.write_bytes(data)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"no room for {path.name} ({len(data)} bytes) in {path.parent}"
        raise DiskFullError(message, "make room there") from error
    return path
