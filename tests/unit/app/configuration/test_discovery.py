"""Pipelines are found by how they are written; nothing is imported."""

import textwrap

import pytest

from recoup.app.configuration.discovery import discover
from recoup.app.loading import load_pipeline
from recoup.model.errors import ConfigError, PipelineError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    return write


@pytest.fixture
def found(tmp_path):
    return lambda *patterns, **named: {
        one.name: (one.place, one.line) for one in discover(tmp_path, patterns or ["pipelines/*.py"], named)
    }


def test_a_pipeline_is_found_by_its_own_name_and_variable(write, found):
    write(
        "pipelines/air.py",
        """\
        import recoup as rc
        from recoup import Pipeline

        raise SystemExit("it was imported")

        flights = rc.Pipeline("air-flights", partitions=rc.Daily("2024-01-01"))
        weather: rc.Pipeline = Pipeline(
            name="weather", partitions=rc.Daily("2024-01-01"))
        other = rc.Source("source", flights)
        computed = rc.Pipeline("a" + "b")
        rc.Pipeline("nobody's")

        def make():
            inner = rc.Pipeline("inner")
        """,
    )
    write("pipelines/common.py", "LIMIT = 5\n")
    write("pipelines/deeper/more.py", "import recoup as rc\nmore = rc.Pipeline('more')\n")
    write("elsewhere.py", "import recoup as rc\nx = rc.Pipeline('x')\n")

    assert found() == {
        "air-flights": ("pipelines/air.py:flights", 6),
        "weather": ("pipelines/air.py:weather", 7),
    }
    assert found("pipelines/**/*.py").keys() == {"air-flights", "weather", "more"}
    assert found("pipelines/*.py", "pipelines/air.py", "elsewhere.py").keys() == {"air-flights", "weather", "x"}
    assert found("nothing/*.py") == {}


def test_what_is_named_in_the_settings_is_not_found_again(write, found):
    write("pipelines/air.py", "import recoup as rc\nflights = rc.Pipeline('flights')\n")
    assert found(flights="other.py:flights") == {}
    assert found(air="pipelines/air.py:flights") == {}
    assert found(air="pipelines/air.py") == {}
    assert found(air="pipelines/air.py:weather").keys() == {"flights"}


def test_two_of_one_name(write, found):
    write("pipelines/a.py", "import recoup as rc\nflights = rc.Pipeline('flights')\n")
    write("pipelines/b.py", "import recoup as rc\n\nother = rc.Pipeline('flights')\n")
    with pytest.raises(ConfigError) as told:
        found()
    assert told.value.message == "pipelines/b.py:3 and pipelines/a.py:2 both make a pipeline 'flights'"
    assert told.value.remedy
    assert found(flights="pipelines/a.py:flights") == {}


@pytest.mark.parametrize("text", ["x = Pipeline(\n", "Pipeline \0", "Pipeline = '\\N{nix}'"])
def test_a_file_that_cannot_be_read_is_told_when_it_is_loaded(write, found, tmp_path, text):
    write("pipelines/broken.py", text)
    assert found() == {"broken": ("pipelines/broken.py", 1)}
    with pytest.raises(PipelineError):
        load_pipeline("pipelines/broken.py", tmp_path)
