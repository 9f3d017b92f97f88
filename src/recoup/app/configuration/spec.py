"""The settings that there are, and what each must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from recoup.model.pool import Pool
from recoup.model.rule import Rule, checked

EXECUTORS: Final = ("processes", "threads", "inline")
_NOUNS: Final[Mapping[type, str]] = {str: "text", int: "whole number", float: "number", list: "list", dict: "table"}


def _right(_value: Any) -> str:  # noqa: ANN401 - whatever the setting holds
    return ""


def _itself(value: Any) -> Any:  # noqa: ANN401 - likewise
    return value


@dataclass(frozen=True, slots=True)
class Setting:
    """`problem` says in a few words what is wrong with a value of the right type, in a table with one of its entries.

    `read` makes of it what the settings hold, or raises PipelineError. `is_secret`: its values may hold passwords. They
    are never shown, and their variables are filled in when they are used.
    """

    kinds: tuple[type, ...]
    problem: Callable[[Any], str] = _right
    remedy: str = "mend its value"
    read: Callable[[Any], Any] = _itself
    is_secret: bool = False

    @property
    def noun(self) -> str:
        """What it must be, in a message."""
        return _NOUNS[self.kinds[-1]]

    @property
    def is_table(self) -> bool:
        """Whether people give names of their own to what is in it."""
        return dict in self.kinds

    def fits(self, value: object) -> bool:
        """Whether it has the right type; a boolean is no number."""
        return isinstance(value, self.kinds) and not isinstance(value, bool)

    def shown(self, value: object) -> str:
        """A value that cannot be, as a message shows it."""
        return f"a {type(value).__name__}" if self.is_secret else f"{value!r:.80}"


def _place(value: str) -> str:
    return "it names no place" if not value or "\0" in value else ""


def _executor(value: str) -> str:
    return "" if value in EXECUTORS else f"choose from {', '.join(EXECUTORS)}"


def _parallel(value: int) -> str:
    return "it must be at least 1" if value < 1 else ""


def _lease(value: float) -> str:
    return "" if 0 < value < float("inf") else "it must be more than 0"


def _patterns(value: list[Any]) -> str:
    for pattern in value:
        path = PurePath(pattern) if isinstance(pattern, str) else None
        if path is None or path.suffix != ".py" or path.is_absolute() or ".." in path.parts:
            return f"{pattern!r:.40} is no pattern of Python files below this folder"
    return ""


def _pipeline(value: object) -> str:
    return "" if isinstance(value, str) else "is no place"


def _link(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() else "is no link"


def _connection(value: object) -> str:
    return "" if isinstance(value, str) else "is no URL"


def _follows(value: object) -> str:
    names = [value] if isinstance(value, str) else value
    is_right = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return "" if is_right else "names no pipeline"


def _upstreams(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(value))


def _rules(value: list[Any]) -> tuple[Rule, ...]:
    return checked([Rule.of(one) for one in value])


SETTINGS: Final[Mapping[str, Setting]] = {
    "lake": Setting((str,), _place),
    "ledger": Setting((str,), _place),
    "executor": Setting((str,), _executor),
    "max_parallel": Setting((int,), _parallel),
    "lease_seconds": Setting((int, float), _lease),
    "discover": Setting((list,), _patterns, 'write discover = ["pipelines/*.py"]'),
    "pipelines": Setting((dict,), _pipeline, 'write the entries of [pipelines] as name = "file.py:variable"'),
    "follows": Setting(
        (dict,), _follows, 'write the entries of [follows] as phase4 = "phase3", or as a list of names', read=_upstreams
    ),
    "pools": Setting((dict,), read=Pool.of),
    "rules": Setting((list,), remedy="write each rule below [[rules]]", read=_rules),
    "links": Setting((dict,), _link, 'write the entries of [links] as name = "https://…", or a path'),
    "connections": Setting(
        (dict,),
        _connection,
        'write the entries of [connections] as name = "postgresql://…", with the password as ${VARIABLE}',
        is_secret=True,
    ),
}
