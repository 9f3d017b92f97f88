"""What is handed over of a step's code is the step's."""

from __future__ import annotations

import linecache
import runpy
import subprocess

import pytest

from recoup.app.step_source import step_source

MODULE = """
import recoup as rc
p = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-03"))


def private():
    return "a"


# 1
# 2
# 3
# 4
@p.step
def made(ctx):
    return "b"
"""
GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main")


@pytest.fixture
def step(tmp_path):
    def load(text):
        (tmp_path / "p.py").write_text(text)
        linecache.clearcache()
        return runpy.run_path(str(tmp_path / "p.py"))["made"]

    load(MODULE)
    for words in (["init", "-q"], ["add", "p.py"], ["commit", "-qm", "First"]):
        subprocess.run([*GIT, *words], cwd=tmp_path, check=True)
    return load


def test_of_an_edited_file_only_what_changed_in_the_step(step):
    found = step_source(step(MODULE.replace('"a"', '"hidden away"').replace('"b"', '"c"')))
    assert found is not None
    assert found.is_edited
    assert '+    return "c"' in found.last_change
    assert "hidden away" not in found.last_change


def test_an_edit_elsewhere_is_no_change_of_the_step(step):
    found = step_source(step(MODULE.replace('"a"', '"hidden away"')))
    assert found is not None
    assert found.last_change == ""
