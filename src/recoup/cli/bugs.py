"""An exception that nobody expected: what a person needs to report it, in a file beside the ledger."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from recoup.model.errors import ExitCode, RecoupError
from recoup.model.redact import redactor


class BugError(RecoupError):
    """Our own mistake."""

    exit_code = ExitCode.BUG


def report(error: Exception, words: Sequence[str]) -> BugError:
    """Write the traceback down, without secrets; the sentence names the file."""
    from recoup.cli import version

    redact = redactor(os.environ)
    what = f"{type(error).__name__}: {error}"
    text = "".join(traceback.format_exception(error))
    body = f"recoup {version()}, Python {platform.python_version()}, {platform.platform()}\n{' '.join(words)}\n\n{text}"
    message = f"this is a bug in recoup: {redact(what)[:300]}"
    try:
        path = _folder() / f"bug-{os.getpid()}.txt"
        path.write_text(redact(body), encoding="utf-8")
    except OSError:
        sys.stderr.write(redact(body))
        return BugError(message, "please report it with the lines above")
    return BugError(message, f"please report it with the file {path}")


def _folder() -> Path:
    """The state folder, where there is one."""
    from recoup.app.settings import load_settings

    try:
        state = load_settings().state
    except RecoupError:
        return Path(tempfile.gettempdir())
    return state if state.is_dir() else Path(tempfile.gettempdir())
