"""From the text of a traceback to the chain that it shows: the exceptions, how they hang together, the frames."""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass, field
from typing import Final

from recoup.model.evidence import Cause, Evidence
from recoup.recovery.told import told

_FRAME = re.compile(r'^\s*File "([^"]+)", line \d+, in (\S+)')
_HEAD = re.compile(r"^(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z_a-z]\w*)(?:: (?P<text>.*)|:)?$")
_GROUP_EDGE = re.compile(r"^\s*\+[-+ ]*-{4,} (?:\d+|\.\.\.) -{4,}|^\s*\+-{20,}")
_GROUP_SIDE = re.compile(r"^\s*[|+] ?")
_DIRECT: Final = "The above exception was the direct cause of the following exception:"
_DURING: Final = "During handling of the above exception, another exception occurred:"


@dataclass
class _Block:
    """One exception: its frames and its last lines."""

    lines: list[str] = field(default_factory=list)
    is_direct: bool = True
    """Whether the one before was raised `from`, or merely being handled."""

    def cause(self) -> Cause | None:
        """What it says; None when no line names an exception."""
        frames = [f"{m.group(1)}:{m.group(2)}" for line in self.lines if (m := _FRAME.match(line))]
        last = max((n for n, line in enumerate(self.lines) if _FRAME.match(line)), default=-1)
        for n in range(last + 1, len(self.lines)):
            found = _HEAD.match(self.lines[n])
            if found and _is_exception(found.group("type"), frames):
                message = "\n".join([found.group("text") or "", *self.lines[n + 1 :]]).strip()
                return Cause(_classes(found.group("type")), message, told(message), frames=tuple(frames[-5:]))
        return None


def chain_in(text: str) -> Evidence | None:
    """The whole chain; None for a text that holds no traceback."""
    if not text or ('File "' not in text and _DIRECT not in text and _DURING not in text and "Error" not in text):
        return None
    blocks = [_Block()]
    for line in text.splitlines():
        if line.strip() in {_DIRECT, _DURING}:
            blocks.append(_Block(is_direct=line.strip() == _DIRECT))
        else:
            blocks[-1].lines.append(line.rstrip())
    return _chained(blocks)


def members_in(text: str) -> tuple[Evidence, ...]:
    """The exceptions of a group, from the lines that are drawn beside it."""
    if "-+" not in text and "----" not in text:
        return ()
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if _GROUP_EDGE.match(line):
            parts.append([])
        else:
            parts[-1].append(_bare(line))
    found = (chain_in("\n".join(part)) for part in parts[1:])
    return tuple(chain for chain in found if chain)


def _bare(line: str) -> str:
    while (shorter := _GROUP_SIDE.sub("", line, count=1)) != line and line.lstrip()[:1] in {"|", "+"}:
        line = shorter
    return line


def _chained(blocks: list[_Block]) -> Evidence | None:
    """Oldest first in the text; outermost first in the evidence."""
    strands: list[list[Cause]] = [[]]
    for block in reversed(blocks):
        cause = block.cause()
        if cause is not None:
            strands[-1].append(cause)
        if not block.is_direct:
            strands.append([])
    kept = tuple(tuple(strand) for strand in strands if strand)
    return Evidence(kept) if kept else None


def _is_exception(name: str, frames: list[str]) -> bool:
    short = name.rpartition(".")[2]
    known = isinstance(getattr(builtins, short, None), type) and issubclass(getattr(builtins, short), BaseException)
    looks = short.endswith(("Error", "Exception", "Timeout", "Interrupt", "Failure", "Warning", "Exit")) or "." in name
    return known or (looks and (short[:1].isupper() or bool(frames)))


def _classes(name: str) -> tuple[str, ...]:
    """With the bases of those of Python itself, which everybody knows."""
    kind = getattr(builtins, name.removeprefix("builtins."), None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return tuple(f"builtins.{base.__name__}" for base in kind.__mro__[:-1])
    return (name,)
