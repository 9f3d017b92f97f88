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
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any, TypeGuard

from recoup.ledger.planes import CODE
from recoup.model.errors import PipelineError
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Source

PYTHON = f"py{sys.version_info.major}.{sys.version_info.minor}"
PLAIN = (str, bytes, int, float, bool, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def code_version(node: Node) -> str:
    """What today's code of this node is; "" for a source."""
    if node.kind is NodeKind.DELIVERY and node.sink is not None:
        return _digest(json.dumps(node.sink.to_json(), sort_keys=True))
    if node.step is None:
        return ""
    if node.step.version is not None:
        return f"v{node.step.version}"
    parts = [_function(inspect.unwrap(node.step.fn)), *(_used(node.name, thing) for thing in node.step.uses)]
    sources = (given for _, given in sorted(node.step.given.items()) if isinstance(given, Source))
    parts += [source.sql.load for source in sources if source.sql and source.sql.load]
    return f"{PYTHON}:{_digest(chr(10).join(parts))}"


def same_code(version: str, planes: Mapping[str, PartitionSet]) -> PartitionSet:
    """What this version made; what another Python minor version made counts too: there a difference is only a hint."""
    same = planes.get(CODE + version, EMPTY)
    if version.startswith(f"{PYTHON}:"):
        for plane, ordinals in planes.items():
            if plane.startswith(f"{CODE}py") and not plane.startswith(f"{CODE}{PYTHON}:"):
                same |= ordinals
    return same


def _used(step: str, thing: Any) -> str:  # noqa: ANN401 - whatever a step names
    thing = inspect.unwrap(thing) if callable(thing) and not inspect.isclass(thing) else thing
    if inspect.ismethod(thing):
        thing = thing.__func__
    if inspect.isfunction(thing):
        return _function(thing)
    if inspect.isclass(thing) or inspect.ismodule(thing):
        return _source(step, thing)
    text = plain_text(thing)
    if _ADDRESS.search(text):
        message = f"step {step!r}: uses= names {text[:80]}, which reads differently in every process"
        raise PipelineError(message, "name a function, a class, a module or a plain value")
    return text


def _source(step: str, thing: type | ModuleType) -> str:
    """The tree of a class or of a module."""
    try:
        source = inspect.getsource(thing)
    except (OSError, TypeError) as error:
        message = f"step {step!r}: uses= names {thing.__name__!r}, whose source cannot be had"
        raise PipelineError(message, "name its version instead, as a text") from error
    tree = ast.parse(textwrap.dedent(source))
    return ast.dump(_pruned(tree.body[0] if inspect.isclass(thing) else tree))


def _function(fn: Callable[..., Any]) -> str:
    closure = getattr(fn, "__closure__", None) or ()
    names = fn.__code__.co_freevars if hasattr(fn, "__code__") else ()
    plain = {n: plain_text(c.cell_contents) for n, c in zip(names, closure, strict=True) if _is_plain_cell(c)}
    return f"{_tree(fn)}|{sorted(plain.items())}"


def _is_plain_cell(cell: Any) -> bool:  # noqa: ANN401 - a closure's cell
    try:
        return _is_plain(cell.cell_contents)
    except ValueError:
        return False  # a cell that is filled later


def _is_plain(value: object) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, tuple | frozenset) else isinstance(value, PLAIN)


def plain_text(value: object) -> str:
    """Its repr; that of a set in an order that does not change with the process."""
    match value:
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(plain_text, value)))}}}"
        case tuple() | list() if type(value) in (tuple, list):
            return f"{type(value).__name__}({', '.join(map(plain_text, value))})"
        case dict():
            return f"{{{', '.join(f'{plain_text(k)}: {plain_text(v)}' for k, v in value.items())}}}"
        case _:
            return repr(value)


def _tree(fn: Callable[..., Any]) -> str:
    """The function's own tree; its bytecode where the source is not to be had."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return repr(fn)
    node = _functions(code.co_filename).get((code.co_name, code.co_firstlineno))
    return ast.dump(_pruned(node)) if node is not None else _bytecode(code)


def _bytecode(code: CodeType) -> str:
    """What it does, without where it stands: the repr of a code object within it would hold an address."""
    parts = (_bytecode(c) if isinstance(c, CodeType) else plain_text(c) for c in code.co_consts)
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} ({', '.join(parts)})"


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
    """Without what does not change what it does; the annotations of a class's own fields may well do."""
    import copy

    node = copy.deepcopy(node)
    for inner in ast.walk(node):
        if _has_docstring(inner):
            inner.body = inner.body[1:] or [ast.Pass()]
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner.decorator_list = []
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            inner.returns = None
            _Unannotated().generic_visit(inner)
        if isinstance(inner, ast.arg):
            inner.annotation = None
    return node


def _has_docstring(node: ast.AST) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) or not node.body:
        return False
    first = node.body[0]
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)


class _Unannotated(ast.NodeTransformer):
    """`x: int = 1` in a function's body becomes `x = 1`."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value, lineno=node.lineno)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
