"""The command line: reads what was typed, calls a verb, renders what it answers."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import Final, NoReturn

from recoup.cli.commands import page

__all__ = ["command", "main"]

_HELP: Final[tuple[list[str], ...]] = (["--help"], ["-h"], ["help"], [])
_VERSION: Final[tuple[list[str], ...]] = (["--version"], ["-V"])


def command() -> NoReturn:
    """The program: `main`, and the process's end.

    A step that hangs in a thread was left behind; it must not meet the interpreter's end in the middle of native code.
    """
    code = main()
    if any(thread.name.startswith("recoup-") for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; the answer is the exit code. Nothing heavy is loaded for help and version."""
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter still gets the rest
    if words in _HELP or words in _VERSION:
        return _tell(words)
    from recoup.cli.dispatch import dispatch

    return int(dispatch(words))


def version() -> str:
    """Of the package; taken from the loaded face, which nobody inside imports."""
    return str(sys.modules["recoup"].__version__)


def _tell(words: Sequence[str]) -> int:
    from recoup.cli.output import Output

    Output().data(f"recoup {version()}" if words in _VERSION else page(version()))
    return 0
