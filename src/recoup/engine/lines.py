"""Where the lines of `ctx.log` go: to whatever the attempt prints, unless a project has set up logging of its own."""

from __future__ import annotations

import logging
import sys
from typing import Final

NAME: Final = "recoup.step"


def show_lines() -> None:
    """Once in each process; lines from INFO on, as they were asked for by hand."""
    logger = logging.getLogger(NAME)
    if not logger.handlers:
        logger.addHandler(_ToStderr())
        logger.setLevel(logging.INFO)


class _ToStderr(logging.Handler):
    """Asks for `sys.stderr` at each line: it is another one in each attempt where they share a process."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, unless the project's own logging does."""
        if not logging.getLogger().handlers:
            sys.stderr.write(f"{self.format(record)}\n")
