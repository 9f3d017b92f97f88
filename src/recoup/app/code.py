"""The version of a step's code: what it says, not how it is laid out.

A hash of the pruned syntax tree (without decorators, docstring, annotations and positions), of plain closure values
and of what `uses=` names; `version=` replaces all of it. Under another Python minor version trees may differ, so the
minor version stands in front and a difference in it alone is no difference in code.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from recoup.ledger.planes import CODE
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import PartitionSet

PYTHON = f"py{sys.version_info.major}.{sys.version_info.minor}"
PLAIN = (str, bytes, int, float, bool, type(None), tuple, frozenset)


def code_version(node: Node) -> str:
    """What today's code of this node is; "" for a source."""
    if node.kind is NodeKind.DELIVERY and node.sink is not None:
        return _digest(json.dumps(node.sink.to_json(), sort_keys=True))
    if node.step is None:
        return ""
    if node.step.version is not None:
        return f"v{node.step.version}"
    parts = [_function(node.step.fn), *(_used(thing) for thing in node.step.uses)]
    return f"{PYTHON}:{_digest(chr(10).join(parts))}"


def same_code(version: str, planes: Mapping[str, PartitionSet]) -> PartitionSet:
    """What this version made; what another Python minor version made counts too: there a difference is only a hint."""
    same = planes.get(CODE + version, PartitionSet(0))
    if version.startswith(f"{PYTHON}:"):
        for plane, ordinals in planes.items():
            if plane.startswith(f"{CODE}py") and not plane.startswith(f"{CODE}{PYTHON}:"):
                same |= ordinals
    return same


def _used(thing: Any) -> str:  # noqa: ANN401 - whatever a step names
    if inspect.isfunction(thing):
        return _function(thing)
    if inspect.isclass(thing):
        return ast.dump(_pruned(ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]))
    return repr(thing)


def _function(fn: Callable[..., Any]) -> str:
    closure = getattr(fn, "__closure__", None) or ()
    names = fn.__code__.co_freevars if hasattr(fn, "__code__") else ()
    plain = {n: repr(c.cell_contents) for n, c in zip(names, closure, strict=True) if _is_plain(c)}
    return f"{_tree(fn)}|{sorted(plain.items())}"


def _is_plain(cell: Any) -> bool:  # noqa: ANN401 - a closure's cell
    try:
        return isinstance(cell.cell_contents, PLAIN)
    except ValueError:
        return False  # a cell that is filled later


def _tree(fn: Callable[..., Any]) -> str:
    """The function's own tree; its bytecode where the source is not to be had."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return repr(fn)
    node = _functions(code.co_filename).get((code.co_name, code.co_firstlineno))
    return ast.dump(_pruned(node)) if node is not None else f"{code.co_code.hex()}{code.co_consts!r}"


@lru_cache(maxsize=256)
def _functions(filename: str) -> dict[tuple[str, int], ast.AST]:
    """Every function of a file by name and first line, decorators included; one parse for all of its steps."""
    import linecache

    source = "".join(linecache.getlines(filename))
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    found: dict[tuple[str, int], ast.AST] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name, first] = node
    return found


def _pruned(node: ast.AST) -> ast.AST:
    """Without what does not change what it does."""
    import copy

    node = copy.deepcopy(node)
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner.decorator_list = []
            if inner.body and isinstance(inner.body[0], ast.Expr) and isinstance(inner.body[0].value, ast.Constant):
                inner.body = inner.body[1:] or [ast.Pass()]
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            inner.returns = None
        if isinstance(inner, ast.arg):
            inner.annotation = None
    return node


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
