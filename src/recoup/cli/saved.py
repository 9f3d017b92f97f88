"""What a command writes into a file that a person named."""

from __future__ import annotations

from pathlib import Path

from recoup.model.errors import UsageError


def save(path: Path, text: str, what: str) -> None:
    """The text with a line's end; UsageError where it cannot be written."""
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        message = f"{what} cannot be written to {path}: {error.strerror}"
        raise UsageError(message, "name another file with -o") from error
