"""The folder that a lake lies in: made once, durably, and never again behind anybody's back."""

from __future__ import annotations

import os
from pathlib import Path

from recoup.lake.disk import FULL, refusal, sync_folder
from recoup.model.errors import ConfigError


def opened_root(root: Path, *, read_only: bool) -> str:
    """The root's real path; made, durably, unless it is there. ConfigError when it cannot serve."""
    place = root.expanduser()
    try:
        if not read_only:
            missing = [p for p in (place, *place.parents) if not p.exists()]
            place.mkdir(parents=True, exist_ok=True)
            for made in missing:
                sync_folder(str(made.parent))
        place = place.resolve(strict=True)
        rights = os.R_OK | os.X_OK | (0 if read_only else os.W_OK)
        if not place.is_dir() or not os.access(place, rights):
            verb = "read" if read_only else "written"
            raise PermissionError(0, f"it is no folder that can be {verb}")
    except OSError as error:
        if error.errno in FULL:
            raise refusal(error, str(place)) from error
        message = f"the lake {root} cannot be used: {(error.strerror or str(error)).lower()}"
        raise ConfigError(message, "set `lake` to a folder that you may write") from error
    if str(place) == "/":
        message = "a lake cannot be the root of the file system"
        raise ConfigError(message, "give it a folder of its own")
    return str(place)
