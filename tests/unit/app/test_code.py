"""A step's code version changes with what it does, and with nothing else."""

import importlib.util
import itertools
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

import recoup as rc
from recoup.app.code import PYTHON, code_version, same_code
from recoup.model.errors import PipelineError
from recoup.model.graph import Graph
from recoup.model.partition import PartitionSet

HEAD = """\
import recoup as rc
p = rc.Pipeline("p", partitions=rc.Daily("2013-01-01", "2013-12-31"))
"""
CLEAN = '''
LIMIT = 5

@p.step
def clean(ctx, raw):
    """Keep what is short."""
    # those below the limit
    kept = [row for row in raw if row < 100]
    return kept
'''
RAW = """
@p.step
def raw(ctx): ...
"""
numbers = itertools.count()


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """A module of the given text, from a file that nobody has read before."""

    def load(text):
        path = tmp_path / f"written_{next(numbers)}.py"
        path.write_text(HEAD + RAW + textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def version(loaded):
    return lambda text, name="clean": code_version(Graph.of(loaded(text).p).node(name))


def test_a_version_names_the_python_that_it_was_made_with(version):
    assert version(CLEAN).startswith(f"py{sys.version_info.major}.{sys.version_info.minor}:")


def test_the_same_text_has_the_same_version(version):
    assert version(CLEAN) == version(CLEAN)


@pytest.mark.skipif(PYTHON != "py3.11", reason="each Python writes its trees in its own way")
def test_a_version_is_the_same_on_every_machine(version):
    """Should this fail, then every partition that was ever made would be stale(code) with the next release."""
    assert version(CLEAN) == "py3.11:b980c0e13a0d9ebe"


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("a comment", "# those below the limit", "# something else"),
        ("no comment", "    # those below the limit\n", ""),
        ("a docstring", "Keep what is short.", "Keep it."),
        ("no docstring", '    """Keep what is short."""\n', ""),
        ("annotations", "def clean(ctx, raw):", "def clean(ctx: rc.Context, raw: list[int]) -> list[int]:"),
        ("the annotation of a variable", "    kept = [", "    kept: list[int] = ["),
        ("a bare annotation", "    return kept", "    other: int\n    return kept"),
        ("options", "@p.step", '@p.step(retry=rc.Retry(2), pool="x", timeout="5m", label="Clean")'),
        ("a decorator", "@p.step\n", "@p.step\n@rc_keeps\n"),
        (
            "formatting",
            "[row for row in raw if row < 100]",
            "[\n row\n for row in raw if (row < 100)\n    ]",
        ),
        ("a place further down", "LIMIT = 5", "LIMIT = 5\nOTHER = 6\n\n\n"),
        ("what it does not name", "LIMIT = 5", "LIMIT = 6"),
        ("another number's spelling", "100", "0x64"),
    ],
)
def test_what_does_not_change_it(version, what, old, new):
    keeps = "import functools\ndef rc_keeps(fn):\n    return functools.wraps(fn)(lambda *a, **k: fn(*a, **k))\n"
    assert CLEAN.count(old) == 1

    assert version(keeps + CLEAN.replace(old, new)) == version(CLEAN), what


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("a constant", "100", "101"),
        ("an operator", "<", "<="),
        ("a name", "return kept", "return raw"),
        ("a default", "def clean(ctx, raw):", "def clean(ctx, raw, factor=2):"),
        ("a statement", "return kept", "print(kept)\n    return kept"),
        ("its name", "def clean(", "@p.step(name='clean')\ndef cleaned("),
        ("a text", "row < 100", "row < len('x')"),
    ],
)
def test_what_changes_it(version, what, old, new):
    text = CLEAN.replace(old, new).replace("@p.step\n@p.step(", "@p.step(")

    assert version(text) != version(CLEAN), what


def test_a_change_below_a_decorator(version):
    keeps = """
    import functools

    def timed(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            return fn(*args, **kwargs)
        return wrapper

    @p.step
    @timed
    def clean(ctx):
        return 1
    """
    assert version(keeps) != version(keeps.replace("return 1", "return 2"))
    assert version(keeps) == version(keeps.replace("return fn(", "return  fn("))


def test_inner_functions_and_classes_count_without_their_docstrings(version):
    text = """
    @p.step
    def clean(ctx):
        def inner(x: int) -> int:
            "Inner."
            return x + 1
        class Row:
            size: int = 3
        return inner
    """
    assert version(text) == version(text.replace('            "Inner."\n', "").replace(": int) -> int", ")"))
    assert version(text) != version(text.replace("x + 1", "x + 2"))
    assert version(text) != version(text.replace("size: int", "size: str")), "a dataclass reads its annotations"


# ------------------------------------------------------------------------------------------------ closures


FACTORY = """
def make(limit, other=None):
    @p.step(name="clean")
    def inner(ctx):
        return limit, other
    return inner

make(VALUE)
"""


def test_plain_values_of_a_closure_count(version):
    values = ["5", "6", "'5'", "5.0", "b'5'", "True", "None", "(5, 'a')", "(5, 'b')", "frozenset({5})", "((1,), 2)"]

    versions = [version(FACTORY.replace("VALUE", value)) for value in values]
    assert len(set(versions)) == len(values)
    assert versions == [version(FACTORY.replace("VALUE", value)) for value in values]


@pytest.mark.parametrize("value", ["object()", "[]", "(object(), 5)", "len", "p"])
def test_other_values_of_a_closure_do_not(version, value):
    assert version(FACTORY.replace("VALUE", value)) == version(FACTORY.replace("VALUE", "object()"))


def test_a_closure_that_is_filled_later(version):
    text = """
    def make():
        @p.step(name="clean")
        def inner(ctx):
            return later
        p_version = code(inner)
        later = 5
        return inner

    def code(step):
        from recoup.app.code import code_version
        from recoup.model.graph import Graph
        return code_version(Graph.of(p).node("clean"))

    make()
    """
    assert version(text)


# ------------------------------------------------------------------------------------------------ uses=


USES = """
LIMIT = 5

def limit(row):
    "Whether it is short."
    return row < 5

class Row:
    size = 5

@p.step(uses=[THING])
def clean(ctx): ...
"""


@pytest.mark.parametrize(
    ("thing", "old", "new"),
    [
        ("LIMIT", "LIMIT = 5", "LIMIT = 6"),
        ("limit", "row < 5", "row < 6"),
        ("Row", "size = 5", "size = 6"),
        ("(LIMIT, 'a')", "LIMIT = 5", "LIMIT = 6"),
        ("{'a': LIMIT}", "LIMIT = 5", "LIMIT = 6"),
        ("[LIMIT]", "LIMIT = 5", "LIMIT = 6"),
        ("rc.Daily(f'201{LIMIT}-01-01')", "LIMIT = 5", "LIMIT = 6"),
    ],
)
def test_what_a_step_uses_counts(version, thing, old, new):
    text = USES.replace("THING", thing)

    assert version(text) == version(text.replace('    "Whether it is short."\n', ""))
    assert version(text) != version(text.replace(old, new))
    assert version(text) != version(USES.replace("[THING]", "[]"))


def test_another_step_and_a_cached_function_can_be_used(version):
    text = """
    import functools

    @p.step
    def other(ctx):
        return 1

    @functools.lru_cache
    def cached(x):
        return 1

    @p.step(uses=[THING])
    def clean(ctx): ...
    """
    for thing, old, new in (
        ("other", "def other(ctx):\n        return 1", "def other(ctx):\n        return 2"),
        ("cached", "def cached(x):\n        return 1", "def cached(x):\n        return 2"),
    ):
        used = text.replace("THING", thing)
        assert old in used
        assert version(used) == version(used)
        assert version(used) != version(used.replace(old, new))


def test_a_module_can_be_used(version, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    for size in (5, 6):
        (tmp_path / f"helper_of_{size}.py").write_text(f'"""Help, {size}."""\nSIZE = {min(size, 6)}\n')
        text = f"import helper_of_{size} as helper\n@p.step(uses=[helper])\ndef clean(ctx): ...\n"
        seen += [version(text), version(text)]
    assert seen[0] == seen[1] != seen[2] == seen[3]


@pytest.mark.parametrize("thing", ["object()", "[object()]", "{'a': lambda: 1}", "type('Made', (), {})", "iter([])"])
def test_what_has_no_lasting_text_cannot_be_used(version, thing):
    with pytest.raises(PipelineError, match="step 'clean': uses= names") as raised:
        version(USES.replace("THING", thing))
    assert raised.value.remedy


def test_a_version_does_not_depend_on_the_process(tmp_path):
    """Sets are written in another order in each process, and addresses differ."""
    text = """
    def make(kinds):
        def inner(ctx):
            kept = [kind for kind in kinds if (lambda x: x)(kind)]
            return kept
        return inner

    closure = make(frozenset({"a", "b", "c", "d", ("x", frozenset({"y", "z"}))}))
    p.step(name="closure")(closure)
    p.step(name="used", uses=[{"a", "b", "c", "d"}])(lambda ctx: None)
    namespace = {}
    exec("def nowhere(ctx):\\n    return [(lambda y: y + 1)(x) for x in ctx if x in {'a', 'b', 'c'}]", namespace)
    p.step(name="nowhere")(namespace["nowhere"])

    from recoup.app.code import code_version
    from recoup.model.graph import Graph
    print([code_version(node) for node in Graph.of(p).nodes])
    """
    script = tmp_path / "script.py"
    script.write_text(HEAD + textwrap.dedent(text))
    seen = set()
    for seed in ("1", "2"):
        environ = os.environ | {"PYTHONHASHSEED": seed}
        seen.add(
            subprocess.run([sys.executable, script], env=environ, check=True, capture_output=True, text=True).stdout
        )
    assert len(seen) == 1
    assert seen.pop().count(PYTHON) == 3


def test_without_a_source_the_bytecode_counts():
    def made(body):
        namespace: dict[str, Any] = {}
        exec(f"def clean(ctx):\n    {body}", namespace)
        flights = rc.Pipeline("p", partitions=rc.Daily("2013-01-01"))
        flights.step(namespace["clean"])
        return code_version(Graph.of(flights).nodes[0])

    versions = [made(body) for body in ("return 1", "return 2", "return ctx.a", "return ctx.b", "return lambda: 1")]
    assert len(set(versions)) == 5
    assert made("return 1") == versions[0]
    assert made("return lambda: 2") != versions[4]


# ------------------------------------------------------------------------------------------------ version=, deliveries


def test_a_declared_version_replaces_all_of_it(version):
    text = '@p.step(version="7", uses=[object()])\ndef clean(ctx): ...\n'

    assert version(text) == version(text.replace("...", "return 5")) == "v7"
    assert version(text) != version(text.replace('"7"', '"8"'))


def test_a_source_has_none_and_a_delivery_that_of_its_table(loaded):
    def versions(table, body="..."):
        module = loaded(
            f"""
            feed = rc.Source("feed", p.partitions, probe=bool)

            @p.step(sink=rc.DuckDB("d.duckdb", table="{table}"))
            def clean(ctx, feed=feed):
                {body}
            """
        )
        return {node.name: code_version(node) for node in Graph.of(module.p).nodes}

    one, other, table = versions("a"), versions("a", "return 5"), versions("b")
    assert one["feed"] == ""
    assert one["clean@d.a"] == other["clean@d.a"] != table["clean@d.b"]
    assert one["clean"] != other["clean"]


# ------------------------------------------------------------------------------------------------ what is the same


def planes(**versions):
    return {f"code:{version.replace('_', ':')}": PartitionSet.of(ordinals) for version, ordinals in versions.items()}


def test_only_the_same_code_is_the_same():
    known = {f"code:{PYTHON}:aa": PartitionSet.of([1, 2]), f"code:{PYTHON}:bb": PartitionSet.of([3])}

    assert list(same_code(f"{PYTHON}:aa", known)) == [1, 2]
    assert list(same_code(f"{PYTHON}:cc", known)) == []


def test_under_another_python_a_difference_is_only_a_hint():
    known = {f"code:{PYTHON}:aa": PartitionSet.of([1]), "code:py3.7:bb": PartitionSet.of([2, 3])}

    assert list(same_code(f"{PYTHON}:aa", known)) == [1, 2, 3]


def test_a_declared_version_is_compared_exactly():
    known = {
        "code:v1": PartitionSet.of([1]),
        "code:v2": PartitionSet.of([2]),
        "code:py3.7:aa": PartitionSet.of([3]),
        "published": PartitionSet.of([1, 2, 3]),
    }
    assert list(same_code("v1", known)) == [1]
    assert list(same_code(f"{PYTHON}:aa", known)) == [3]
