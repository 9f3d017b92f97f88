"""Sizes of memory, as people write and read them: `2GiB`, `512MiB`."""

from __future__ import annotations

import re
from typing import Final

from recoup.model.errors import PipelineError

LEAST_BYTES: Final = 64 * 1024 * 1024
"""A worker that has loaded its steps and libraries takes about as much before it begins."""

_UNITS: Final = {
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_WRITTEN: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*((?:[kmgt]i?)?b)\s*", re.IGNORECASE)
_REMEDY: Final = 'write it like "512MiB" or "2GiB"'


def memory_bytes(memory: str | int, what: str = "memory") -> int:
    """`"2GiB"`, `"1.5GB"` or a number of bytes, as bytes; PipelineError for what no attempt could live with."""
    if isinstance(memory, str) and (written := _WRITTEN.fullmatch(memory)):
        value = int(float(written[1]) * _UNITS[written[2].lower()])
    elif isinstance(memory, int) and not isinstance(memory, bool):
        value = memory
    else:
        raise PipelineError(f"{what}: {memory!r} is no size", _REMEDY)
    if value < LEAST_BYTES:
        message = f"{what}: {memory!r} is less than a worker takes before it begins ({memory_text(LEAST_BYTES)})"
        raise PipelineError(message, _REMEDY)
    return value


def memory_words(size_bytes: int) -> str:
    """`2GiB`, or the bytes where no unit gives exactly as many: what `memory_bytes` reads as the same."""
    for unit in ("tib", "gib", "mib", "kib"):
        if size_bytes % _UNITS[unit] == 0:
            return f"{size_bytes // _UNITS[unit]}{unit[0].upper()}iB"
    return f"{size_bytes}B"


def memory_text(size_bytes: int) -> str:
    """`512 MiB`, `2 GiB`, `2.1 GiB`: what somebody wrote as a limit is read again as it was written."""
    value, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1000:  # noqa: PLR2004 - from there on the next unit is shorter
            break
        value, unit = value / 1024, larger
    return f"{round(value, 1 if value < 100 else None):g} {unit}"  # noqa: PLR2004 - three digits say enough
