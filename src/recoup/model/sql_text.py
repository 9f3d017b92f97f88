"""What a text of SQL names as its parameters; their values are bound by the driver, never written into the text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from recoup.model.errors import PipelineError
from recoup.model.keys import quoted

# Not the `::` of a cast, and not `\:`.
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(\w+)")


def parameters(text: str) -> frozenset[str]:
    """The names that a text of SQL binds."""
    return frozenset(_PARAMETER.findall(text))


def check_text(what: str, text: Any, known: frozenset[str]) -> None:  # noqa: ANN401 - whatever was given
    """Refuse what is no text, and what names a parameter that nobody binds."""
    if not isinstance(text, str) or not text.strip():
        raise PipelineError(f"{what} is {quoted(text)}", "write it in SQL")
    if unknown := parameters(text) - known:
        raise PipelineError(f"{what} names {listed(unknown)}, which nobody binds", f"it may name {listed(known)}")


def check_connection(what: str, name: Any) -> None:  # noqa: ANN401 - whatever was given
    """Refuse what cannot be the name of a connection, such as its URL: that would end up in messages."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,99}", name):
        raise PipelineError(f"{what} does not name a connection", 'write the name that [connections] has: "warehouse"')


def listed(names: Iterable[str]) -> str:
    """`:end, :start`, as they stand in the text."""
    return ", ".join(f":{name}" for name in sorted(names))
