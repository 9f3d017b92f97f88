"""On which line a key stands: found with the real parser, statement by statement."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.app.configuration.file import SettingsFile


def lines(text, *keys, name="recoup.toml"):
    file = SettingsFile(Path("/p", name), text, tomllib.loads(text))
    return file.line(keys)


TEXT = '''\
# a comment, then a blank line

lake = "lake"   # [pools]
discover = [
    "a.py",  # ledger = "x"
    "b.py",
]
ledger = """
executor = "inline"
"""
executor = "processes"

[pools]
api = 2
"with space" = 3
dotted.key = 1

[env.prod]
lake = 'prod'
pools = { api = 4 }

[ env . "dev" ]
[env.dev.pools]
api = 1
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("lake",), 3),
        (("discover",), 4),
        (("ledger",), 8),
        (("executor",), 11),
        (("pools",), 13),
        (("pools", "api"), 14),
        (("pools", "with space"), 15),
        (("pools", "dotted", "key"), 16),
        (("env",), 18),
        (("env", "prod"), 18),
        (("env", "prod", "lake"), 19),
        (("env", "prod", "pools", "api"), 20),
        (("env", "dev"), 22),
        (("env", "dev", "pools", "api"), 24),
    ],
)
def test_each_key_has_the_line_where_its_statement_begins(keys, line):
    assert lines(TEXT, *keys) == line
    assert lines(TEXT.replace("\n", "\r\n"), *keys) == line


def test_what_has_no_line_of_its_own_has_that_of_the_table_around_it():
    assert lines(TEXT, "pools", "api", "slots") == 14
    assert lines(TEXT, "pools", "nix") == 13
    assert lines(TEXT, "nix") is None
    assert lines("[[jobs]]\nname = 'a'\n[[jobs]]\nname = 'b'", "jobs") == 1


def test_in_pyproject_keys_stand_below_tool_recoup():
    text = '[project]\nname = "x"\n[tool.recoup]\nlake = "x"\n[tool.recoup.env.prod]\nlake = "y"\n'
    assert lines(text, "lake", name="pyproject.toml") == 4
    assert lines(text, "env", "prod", "lake", name="pyproject.toml") == 6
    assert lines(text, "name", name="pyproject.toml") is None  # not that of the project


VALUES = st.sampled_from(
    ['"text"', "1", "[\n 1,\n 2\n]", '"""\nlines\n"""', "{ a = 1 }", "'''\n[x]\n'''", "true # [y]"]
)


@given(st.lists(st.tuples(st.sampled_from(["", "# note\n", "\n\n"]), VALUES), min_size=1, max_size=12))
def test_every_statement_is_found_where_it_was_written(parts):
    text, wanted = "", {}
    for number, (before, value) in enumerate(parts):
        if number % 4 == 3:
            text += f"[t{number}]\n"
        text += before
        wanted[number] = text.count("\n") + 1
        text += f"k{number} = {value}\n"
    table: list[str] = []
    for number, line in wanted.items():
        table = [f"t{number}"] if number % 4 == 3 else table
        assert lines(text, *table, f"k{number}") == line
