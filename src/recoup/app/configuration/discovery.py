"""`discover = ["pipelines/*.py"]`: the pipelines that files make at their top level, found without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recoup.model.errors import ConfigError
from recoup.model.keys import quoted

_CLASS = "Pipeline"


@dataclass(frozen=True, slots=True)
class Found:
    """A pipeline by its own name, the place that it is imported from, and the line that makes it."""

    name: str
    place: str
    line: int

    @property
    def where(self) -> str:
        """`pipelines/flights.py:12`."""
        return f"{self.place.partition(':')[0]}:{self.line}"


def discover(root: Path, patterns: Sequence[str], named: Mapping[str, str]) -> list[Found]:
    """Those that `[pipelines]` does not name already; ConfigError when two have the same name."""
    found: dict[str, Found] = {}
    for path in _files(root, patterns):
        for one in _made_by(path, path.relative_to(root).as_posix()):
            file = one.place.partition(":")[0]
            if one.name in named or {one.place, file} & set(named.values()):
                continue
            other = found.setdefault(one.name, one)
            if other != one:
                message = f"{one.where} and {other.where} both make a pipeline {quoted(one.name)}"
                raise ConfigError(message, "name one of them differently: the ledger knows a pipeline by its name")
    return list(found.values())


def _files(root: Path, patterns: Sequence[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()})


def _made_by(path: Path, file: str) -> Iterator[Found]:
    """A file that cannot be read is a pipeline too, by the file's name: whoever loads it is told what is wrong."""
    try:
        source = path.read_bytes()
        tree = ast.parse(source) if _CLASS.encode() in source else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        yield Found(path.stem, file, 1)
        return
    for statement in tree.body:
        variable, name = _assigned(statement)
        if variable and name:
            yield Found(name, f"{file}:{variable}", statement.lineno)


def _assigned(statement: ast.stmt) -> tuple[str, str]:
    """`flights = rc.Pipeline("flights", …)`: the variable and the pipeline's name; empty for anything else."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=variable)], value=ast.Call() as call):
            return variable, _name_given(call)
        case ast.AnnAssign(target=ast.Name(id=variable), value=ast.Call() as call):
            return variable, _name_given(call)
        case _:
            return "", ""


def _name_given(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name == _CLASS:
            given = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "name")]
            return str(given[0].value) if given and isinstance(given[0], ast.Constant) else ""
    return ""
