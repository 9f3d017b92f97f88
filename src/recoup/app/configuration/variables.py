"""`${NAME}` in a text of the settings: the variable's value; `$${NAME}` stands for the text itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from recoup.model.errors import ConfigError

_REFERENCE: Final = re.compile(r"(\$?)\$\{([^}]*)(\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def filled(text: str, value: Callable[[str], str], where: str) -> str:
    """The text with its variables filled in, once: a value that looks like a variable is not one.

    `value` gives a variable's value by its name, or raises.
    """

    def one(match: re.Match[str]) -> str:
        escaped, name, closed = match.groups()
        if escaped:
            return match[0][1:]
        if not closed or not _NAME.fullmatch(name):
            message = f"{where}: a ${{ in it names no variable"  # what stands there may be part of a password
            raise ConfigError(message, "write ${NAME}, or $${ for these two letters themselves")
        return value(name)

    return _REFERENCE.sub(one, text)


def expanded(value: Any, variables: Mapping[str, str], where: str) -> Any:  # noqa: ANN401 - a TOML value
    """The value with its variables filled in, in the texts of lists and tables too; ConfigError names a missing one."""

    def known(name: str) -> str:
        if not variables.get(name):
            raise ConfigError(f"{where} needs ${{{name}}}, and that variable is not set", f"set {name}")
        return variables[name]

    if isinstance(value, list):
        return [expanded(item, variables, where) for item in value]
    if isinstance(value, dict):
        return {key: expanded(item, variables, where) for key, item in value.items()}
    return filled(value, known, where) if isinstance(value, str) else value


def mentions(value: object, name: str) -> bool:
    """Whether a text is made with this variable."""
    return isinstance(value, str) and any(mentioned == name for mentioned, _ in mentioned_at(value))


def mentioned_at(text: str) -> Iterator[tuple[str, int]]:
    """The variables that a text is made with, and where each of them stands."""
    return ((match[2], match.start()) for match in _REFERENCE.finditer(text) if not match[1])
