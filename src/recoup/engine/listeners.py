"""Which process listens on a port of this machine, as far as the system tells us (Linux does)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LISTENS: Final = "0A"
_TABLES: Final = ("tcp", "tcp6")
_LONGEST_COMMAND: Final = 120


@dataclass(frozen=True, slots=True)
class Listener:
    """A process with what it was started by."""

    pid: int
    command: str

    def __str__(self) -> str:
        """As evidence has it."""
        return f"process {self.pid}, {self.command}"


def listeners(port: int, proc: Path = Path("/proc")) -> tuple[Listener, ...]:
    """Those that listen on a TCP port; none may also mean that they are another user's."""
    sockets = {f"socket:[{inode}]" for table in _TABLES for inode in _inodes(proc / "net" / table, port)}
    found = (int(folder.name) for folder in proc.glob("[0-9]*") if sockets and _holds(folder, sockets))
    return tuple(Listener(pid, _command(proc / str(pid))) for pid in sorted(found))


def _inodes(table: Path, port: int) -> Iterator[str]:
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _holds(folder: Path, sockets: set[str]) -> bool:
    with suppress(OSError):  # it has gone, or is another user's
        return any(str(file.readlink()) in sockets for file in (folder / "fd").iterdir())
    return False


def _command(folder: Path) -> str:
    with suppress(OSError):
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return " ".join(filter(None, words))[:_LONGEST_COMMAND] or "without a command line"
    return "gone by now"
