"""From a name or a place to the Pipeline; what goes wrong is told with file and line."""

import os
import sys
import textwrap

import pytest

from recoup.app.loading import load_pipeline, resolve
from recoup.app.settings import Settings
from recoup.model.errors import ExitCode, PipelineError

GOOD = """
import recoup as rc

flights = rc.Pipeline("flights", partitions=rc.Daily("2013-01-01", "2013-12-31"))

@flights.step
def raw(ctx): ...
"""


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Modules and paths that a test loads are gone after it."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    return write


@pytest.fixture
def load(tmp_path):
    return lambda place: load_pipeline(place, tmp_path)


@pytest.fixture
def refused(load):
    def refused(place):
        with pytest.raises(PipelineError) as raised:
            load(place)
        assert raised.value.exit_code is ExitCode.USAGE
        assert raised.value.remedy
        return raised.value.message

    return refused


def settings(tmp_path, **pipelines):
    return Settings(tmp_path, "lake", tmp_path / "ledger.db", pipelines)


# ------------------------------------------------------------------------------------------------ names


def test_a_name_is_looked_up(tmp_path):
    assert resolve(settings(tmp_path, flights="jobs/flights.py:main"), "flights") == "jobs/flights.py:main"


@pytest.mark.parametrize("place", ["flights.py", "jobs/flights.py:main", "jobs.flights:main"])
def test_a_place_is_itself(tmp_path, place):
    assert resolve(settings(tmp_path), place) == place


@pytest.mark.parametrize("name", ["fligths", "", "../x", "x" * 10_000])
def test_an_unknown_name(tmp_path, name):
    with pytest.raises(PipelineError, match="there is no pipeline") as raised:
        resolve(settings(tmp_path, flights="flights.py", games="games.py"), name)
    assert len(raised.value.message) < 150
    assert "recoup.toml names: flights, games" in raised.value.remedy
    with pytest.raises(PipelineError) as raised:
        resolve(settings(tmp_path), name)
    assert "recoup.toml names: none" in raised.value.remedy


# ------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize("place", ["flights.py", "flights.py:flights", "{root}/flights.py:flights"])
def test_a_file(write, load, tmp_path, place):
    write("flights.py", GOOD)
    assert load(place.format(root=tmp_path)).name == "flights"


def test_a_module(write, load):
    write("jobs_of_ours/__init__.py", "")
    write("jobs_of_ours/flights.py", GOOD)
    assert load("jobs_of_ours.flights:flights").name == "flights"


def test_a_file_beside_it_can_be_imported(write, load):
    write("jobs/limits_of_ours.py", "START = '2013-01-01'")
    write("jobs/flights.py", "from limits_of_ours import START\n" + GOOD)
    assert load("jobs/flights.py").name == "flights"


def test_a_file_is_imported_once(write, load):
    write("flights.py", GOOD)
    assert load("flights.py") is load("flights.py:flights")


def test_files_of_one_name_in_two_folders(write, load):
    write("a/flights.py", GOOD)
    write("b/flights.py", GOOD.replace('Pipeline("flights"', 'Pipeline("others"'))

    assert [load(place).name for place in ("a/flights.py", "b/flights.py", "a/flights.py")] == [
        "flights",
        "others",
        "flights",
    ]


def test_two_names_of_one_pipeline_are_one(write, load):
    write("flights.py", f"{GOOD}\nalso = flights\n")
    assert load("flights.py") is load("flights.py:also")


# ------------------------------------------------------------------------------------------------ mistakes


def test_a_file_that_is_not_there(refused, tmp_path):
    assert refused("flights.py:flights") == f"there is no pipeline file {tmp_path / 'flights.py'}"


def test_a_variable_that_is_not_there_or_no_pipeline(write, refused, load):
    write("flights.py", f"{GOOD}\nother = 5\n")

    for variable in ("flihgts", "other"):
        assert refused(f"flights.py:{variable}") == f"flights.py has no pipeline '{variable}'"
    with pytest.raises(PipelineError) as raised:
        load("flights.py:other")
    assert raised.value.remedy == "it has: flights"


def test_no_pipeline_and_two(write, refused):
    write("none.py", "x = 1")
    assert refused("none.py") == "none.py holds 0 pipelines"
    write("two.py", GOOD + GOOD.replace("flights", "games"))
    assert refused("two.py") == "two.py holds 2 pipelines"


def test_a_line_that_cannot_be_read(write, refused):
    write("flights.py", "import recoup as rc\nflights = rc.Pipeline(\n")
    assert refused("flights.py") == (
        "the pipeline flights.py cannot be imported (flights.py, line 2): SyntaxError: '(' was never closed"
    )


def test_a_line_that_fails(write, refused):
    write("flights.py", "import recoup as rc\n\nLIMIT = 1 / 0\n")
    assert refused("flights.py") == (
        "the pipeline flights.py cannot be imported (flights.py, line 3): ZeroDivisionError: division by zero"
    )


def test_the_innermost_own_line_is_named(write, refused):
    write("inner_of_ours.py", "import json\n\n\njson.loads('{')\n")
    write("flights.py", "import inner_of_ours\n")
    message = refused("flights.py")

    assert "(inner_of_ours.py, line 4)" in message


def test_installed_packages_below_the_project_are_not_its_own(write, refused, tmp_path):
    write(".venv/lib/python3/site-packages/installed_of_ours.py", "x = 1\nx.y")
    sys.path.append(str(tmp_path / ".venv/lib/python3/site-packages"))
    write("flights.py", "\n\nimport installed_of_ours\n")

    assert "(flights.py, line 3): AttributeError" in refused("flights.py")


@pytest.mark.parametrize("place", ["flights.py", "jobs_not_there.flights:flights"])
def test_a_source_that_cannot_be_imported(write, refused, place):
    write("flights.py", "import a_package_not_there\n")
    message = refused(place)

    assert message.startswith(f"the pipeline {place} cannot be imported")
    assert "ModuleNotFoundError: No module named" in message


def test_a_declaration_that_cannot_be_keeps_its_own_remedy(write, refused, load):
    write("flights.py", GOOD + "\n@flights.step(name='raw')\ndef again(ctx): ...\n")

    assert refused("flights.py") == (
        "the pipeline flights.py cannot be imported (flights.py, line 9): pipeline 'flights' has two steps named 'raw'"
    )
    with pytest.raises(PipelineError) as raised:
        load("flights.py")
    assert raised.value.remedy == "rename one of them, or give it name="


def test_a_range_that_cannot_be(write, refused):
    write("flights.py", GOOD.replace("2013-12-31", "2012-12-31"))
    assert refused("flights.py") == (
        "the pipeline flights.py cannot be imported (flights.py, line 4): "
        "the range from '2013-01-01' to '2012-12-31' ends before it starts"
    )


def test_a_script_that_ends_the_process(write, refused):
    write("flights.py", f"{GOOD}\nimport sys\nsys.exit(0)\n")
    assert refused("flights.py") == (
        "the pipeline flights.py cannot be imported (flights.py, line 10): it ends the process, with sys.exit(0)"
    )


def test_what_failed_once_is_tried_again(write, refused, load):
    write("flights.py", "1 / 0")
    refused("flights.py")
    write("flights.py", GOOD)

    assert load("flights.py").name == "flights"


@pytest.mark.parametrize("place", [":flights", "..:x", "a b:c", "\0:x"])
def test_a_place_that_makes_no_sense(refused, place):
    assert "cannot be imported" in refused(place)


def test_a_file_that_was_changed_within_a_second_is_what_it_is_now(write, load, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for year in ("2013", "2014"):
        write("flights.py", GOOD.replace("2013", year))
        os.utime(tmp_path / "flights.py", (1_700_000_000, 1_700_000_000))
        sys.modules.pop("recoup_pipeline_flights", None)
        assert f"{year}-01-01" in repr(load("flights.py").partitions)
