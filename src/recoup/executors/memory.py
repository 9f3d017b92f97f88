"""What tasks take of memory, seen from outside their process, and whether the system has killed for lack of it.

Not by a limit of the kernel's: RLIMIT_AS and RLIMIT_DATA count what allocators and Arrow's readers only reserve, and a
control group of one's own needs rights that a worker seldom has.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 0.05
"""How often a task with a limit is weighed; in that time it can touch some 100 MB more."""
LEFT_BYTES: Final = 256 * 1024 * 1024
"""So much, or its last task's limit, a worker may hold for nobody: libraries that a step loads late, freed memory."""

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_GROUPS: Final = Path("/sys/fs/cgroup")


def resident_bytes(pid: int) -> int:
    """The resident memory of a process, without that of its children; 0 when it is gone."""
    try:
        fileno = os.open(f"/proc/{pid}/statm", os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(os.read(fileno, 256).split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0
    finally:
        os.close(fileno)


class Scale:
    """Weighs a worker's tasks. What earlier ones left in its allocators is not held against the next one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._loaded = self._left = 0
        self.peak_bytes = 0

    def rest(self) -> None:
        """It has loaded what it needs, and done nothing yet."""
        self._loaded = resident_bytes(self._pid)

    def begin(self) -> None:
        """A task begins about now."""
        self._left = self.left_bytes()
        self.peak_bytes = 0

    def look(self) -> int:
        """What the task has taken until now: a fresh process's memory would be as much."""
        self.peak_bytes = max(self.peak_bytes, self.taken(resident_bytes(self._pid)))
        return self.peak_bytes

    def taken(self, resident: int) -> int:
        """What of the process's memory counts as the task's."""
        return resident - self._left

    def left_bytes(self) -> int:
        """What a fresh process would not hold."""
        return max(0, resident_bytes(self._pid) - self._loaded)


class Shortage:
    """Tells of a worker that was killed by nobody whether the system did it, for lack of memory."""

    def __init__(self, counter: Path | None = None) -> None:
        self._counter = counter or _counter()
        self._before = self._kills()

    def look(self) -> None:
        """What has happened until now concerned others."""
        self._before = self._kills()

    def has_killed(self) -> bool:
        """Whether it has killed anything since the last look; the count is raised before the process is gone."""
        return self._kills() > self._before

    def _kills(self) -> int:
        with suppress(OSError, ValueError, StopIteration):
            lines = map(str.split, self._counter.read_text("ascii").splitlines())
            return next(int(line[1]) for line in lines if line[:1] == ["oom_kill"])
        return 0


def _counter() -> Path:
    """Where the kernel counts its victims: those of our control group, else those of the machine."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text("ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in {"", "memory"}:
                base, name = (
                    (_GROUPS, "memory.events") if not controllers else (_GROUPS / "memory", "memory.oom_control")
                )
                for folder in (base / path.lstrip("/"), base):  # a container sees its own group as the root
                    if (folder / name).exists():
                        return folder / name
    return Path("/proc/vmstat")
