"""What one task took: seconds, CPU and memory."""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import TypedDict


class Resources(TypedDict):
    """Goes into every result as `resources`.

    `cpu_seconds` counts all threads of the process, not its children. `peak_memory_bytes` is the resident memory of the
    whole process at its highest during the task on Linux; elsewhere since the process began.
    """

    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int


class Meter:
    """Measures one task after the other; about 5 µs each."""

    def __init__(self) -> None:
        self._status = self._reset = -1
        self._started = self._cpu = 0.0
        try:
            self._status = os.open("/proc/self/status", os.O_RDONLY)
            self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY)
            self._peak_memory_bytes()
        except (OSError, ValueError):  # no such file, or no such line in it
            self.close()

    def start(self) -> None:
        """The task begins now."""
        if self._reset >= 0:
            os.pwrite(self._reset, b"5", 0)  # begins a new high-water mark; see proc_pid_clear_refs(5)
        self._cpu = time.process_time()
        self._started = time.perf_counter()

    def stop(self) -> Resources:
        """What it took until now."""
        seconds = time.perf_counter() - self._started
        return Resources(
            seconds=round(seconds, 6),
            cpu_seconds=round(time.process_time() - self._cpu, 6),
            peak_memory_bytes=self._peak_memory_bytes(),
        )

    def close(self) -> None:
        """Let go of the two descriptors; what follows is measured since the process began."""
        for fileno in (self._status, self._reset):
            if fileno >= 0:
                os.close(fileno)
        self._status = self._reset = -1

    def _peak_memory_bytes(self) -> int:
        if self._reset < 0:
            unit = 1 if sys.platform == "darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        # Not ru_maxrss: a process started by vfork begins with its parent's.
        status = os.pread(self._status, 4096, 0)
        at = status.index(b"VmHWM:") + 6
        return int(status[at : status.index(b"kB", at)]) * 1024
