"""What the import contracts (.importlinter) cannot say."""

import ast
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src" / "recoup"
ALLOWED = sys.stdlib_module_names | {"recoup"}


def imported_roots(file: Path) -> set[str]:
    """Top-level packages that a file names in any import, however deep inside a function."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = {node.module or "recoup" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | froms}


@pytest.mark.parametrize("room", ["model", "plan", "recovery"])
def test_a_pure_room_imports_the_standard_library_only(room):
    found = {str(file): imported_roots(file) - ALLOWED for file in (SRC / room).rglob("*.py")}
    assert {file: names for file, names in found.items() if names} == {}
