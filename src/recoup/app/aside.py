"""What a pipeline's own code prints while it is imported or asked: no data, so it goes where notes go."""

from __future__ import annotations

import contextlib
import sys
from contextlib import AbstractContextManager


def aside() -> AbstractContextManager[object]:
    """Within this block `print` writes to stderr: stdout is the command's answer, which programs read."""
    return contextlib.redirect_stdout(sys.stderr)
