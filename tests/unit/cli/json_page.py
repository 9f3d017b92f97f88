"""The tables of docs/json.md as a schema: what commands print is held against what the page says, and the other way."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[3] / "docs" / "json.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
EVERYWHERE = "Every short command"


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(key, str) for key in value)


KINDS = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "array of strings": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    "array of ranges": lambda value: isinstance(value, list) and all(map(_is_range, value)),
    "time": lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None,
    "null": lambda value: value is None,
}


def sections() -> dict[str, dict[str, str]]:
    """Heading → field → type, as the page has them."""
    found: dict[str, dict[str, str]] = {}
    title = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        elif match := re.match(r"\| `([^`]+)` \| ([^|]+) \|", line):
            found.setdefault(title, {})[match[1]] = match[2].strip()
    return found


def complaints(body: Mapping[str, Any], *titles: str) -> list[str]:
    """What differs between a printed object and these sections together; an empty list when nothing does."""
    page = sections()
    fields = {name: kind for title in titles for name, kind in page[title].items()}
    printed = dict(_leaves(body, "", fields))
    wrong = [f"{name} is printed, but not on the page" for name in printed if name not in fields]
    for name, kind in fields.items():
        types, _, optional = kind.partition(", ")
        if name not in printed:
            if not optional and not _is_absent(name, body):
                wrong.append(f"{name} is on the page, but not printed")
            continue
        unfit = [v for v in printed[name] if not any(KINDS[one](v) for one in types.split(" or "))]
        wrong += [f"{name} is {value!r}, which is no {types}" for value in unfit]
    return wrong


def _leaves(value: Mapping[str, Any], prefix: str, fields: Mapping[str, str]) -> Iterator[tuple[str, list[Any]]]:
    """Field → all values it has; inner objects by their dotted names, where the page goes into them."""
    gathered: dict[str, list[Any]] = {}
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if name in fields:
            gathered.setdefault(name, []).append(inner)
        elif isinstance(inner, list):
            for item in inner:
                for leaf, values in _leaves(item, f"{name}[].", fields):
                    gathered.setdefault(leaf, []).extend(values)
        elif isinstance(inner, dict):
            for leaf, values in _leaves(inner, f"{name}.", fields):
                gathered.setdefault(leaf, []).extend(values)
        else:
            gathered.setdefault(name, []).append(inner)
    yield from gathered.items()


def _is_absent(name: str, body: Mapping[str, Any]) -> bool:
    """Fields of the members of an empty array cannot be printed."""
    top, bracket, _ = name.partition("[]")
    return bool(bracket) and body.get(top) == []
