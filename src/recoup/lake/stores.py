"""From what people write, a folder or a URL, to a store; and from a worker's description back to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recoup.lake.files import FileStore
from recoup.lake.local import LocalStore
from recoup.model.errors import ConfigError
from recoup.model.keys import quoted

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)")


def open_store(where: str | Path, *, read_only: bool = False) -> FileStore:
    """Open a lake: a folder, `s3://bucket/prefix` or `memory://name`.

    A folder is made when it is not there, unless `read_only`. ConfigError when it cannot be.
    """
    match = _SCHEME.fullmatch(str(where)) if isinstance(where, str) else None
    if match is None:
        return LocalStore(Path(where), read_only=read_only)
    match match[1]:
        case "file":
            return LocalStore(Path(match[2]), read_only=read_only)
        case "s3":
            from recoup.lake.s3 import S3Store  # a folder must not pay for the bucket's client

            return S3Store(str(where))
        case "memory":
            return _memory(match[2], new=True)
        case scheme:
            message = f"{quoted(where)} is no lake: {scheme}:// is not supported"
            raise ConfigError(message, "use a folder, or s3://bucket/prefix")


def from_description(description: Mapping[str, Any]) -> FileStore:
    """The store that `describe()` described, in this process or another one."""
    match description:
        case {"kind": "local", "root": str(root)}:
            return LocalStore(Path(root))
        case {"kind": "s3", "url": str(url)}:
            return open_store(url)
        case {"kind": "memory", "name": str(name)}:
            return _memory(name, new=False)
        case _:
            message = f"{quoted(str(description))} describes no lake"
            raise ConfigError(message, "this is a bug of ours: please report it")


def _memory(name: str, *, new: bool) -> FileStore:
    from recoup.lake.memory import MemoryStore  # for tests and benchmarks only

    return MemoryStore.opened(name) if new else MemoryStore.named(name)
