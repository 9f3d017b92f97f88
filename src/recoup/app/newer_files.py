"""Whether a source's files were written again after a moment: then what failed with the old ones may pass now."""

from __future__ import annotations

import glob
from contextlib import suppress
from pathlib import Path, PurePath

from recoup.app.path_patterns import PathPattern
from recoup.model.graph import Node


def has_newer_file(root: Path, node: Node, span: range, moment: float) -> bool:
    """Of a source that is files: whether one of these partitions has been exported again since."""
    if node.source is None or node.source.files is None:
        return False
    pattern = PathPattern(str(PurePath(glob.escape(str(root))) / node.source.files), node.partitions)
    return any(
        ordinal in span and _modified_at(path) > moment
        for path, ordinal in pattern.matched(pattern.globbed())
        if ordinal is not None
    )


def _modified_at(path: str) -> float:
    with suppress(OSError):
        return Path(path).stat().st_mtime
    return 0.0
