"""The code of a step, for whoever looks into its failure: its text, and what git knows of its last change."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recoup.model.pipeline import Step

GIT_SECONDS: Final = 10.0
_COMMITS: Final = 5
_HUNK: Final = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_FORMAT: Final = "--format=%h  %ad  %an  %s"


@dataclass(frozen=True, slots=True)
class StepSource:
    """`changes` are the newest commits of its file; `last_change` is the newest of the step's own lines, as a patch.

    When the file `is_edited`, it is how that differs from what was committed. All are empty where there is no git.
    """

    path: Path
    first_line: int
    text: str
    changes: tuple[str, ...] = ()
    last_change: str = ""
    is_edited: bool = False


def step_source(step: Step[..., object]) -> StepSource | None:
    """None where Python cannot tell, as for what was made by hand."""
    function = inspect.unwrap(step.fn)
    try:
        lines, first = inspect.getsourcelines(function)
        path = Path(inspect.getsourcefile(function) or "").resolve()
    except (OSError, TypeError):
        return None
    last = first + len(lines) - 1
    changes = _git(path, "log", f"-{_COMMITS}", "--date=iso", _FORMAT, "--", path.name).splitlines()
    edited = bool(changes) and bool(_git(path, "status", "--porcelain", "--", path.name))
    if edited:  # its lines are others than the committed ones, and what nobody has committed is its last change
        patch = _within(_git(path, "diff", "HEAD", "--", path.name), first, last)
    else:
        patch = _git(path, "log", "-1", "--date=iso", _FORMAT, f"-L{first},{last}:{path.name}") if changes else ""
    return StepSource(path, first, "".join(lines), tuple(changes), patch, edited)


def _within(patch: str, first: int, last: int) -> str:
    """The hunks that touch these lines of the file as it is now: what else was edited is nobody's business."""
    head, *hunks = re.split(r"^(?=@@ )", patch, flags=re.MULTILINE)
    kept = [hunk for hunk in hunks if (at := _HUNK.match(hunk)) and _meets(at, first, last)]
    return (head + "".join(kept)).rstrip() if kept else ""


def _meets(at: re.Match[str], first: int, last: int) -> bool:
    begins, count = int(at[1]), int(at[2] or 1)
    return begins <= last and begins + count > first


def _git(path: Path, *words: str) -> str:
    """What git says; nothing where there is none, no repository, or no answer in time."""
    plain = () if words[0] == "status" else ("--no-ext-diff", "--no-textconv")
    command = ["git", "-C", str(path.parent), "--no-pager", words[0], *plain, *words[1:]]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
