"""Pipelines that are found in files, and commands that cover all of them."""

import pytest

from tests.acceptance.test_cli import DONE, INCOMPLETE, PENDING, USAGE, said

ONE = """
import recoup as rc

{name} = rc.Pipeline("{name}", partitions=rc.Daily("2024-01-01", "2024-01-0{days}", key="dt"))

@{name}.step
def {name}_orders(ctx):
    assert ctx.partition != "{bad}", "it broke"

@{name}.step
def {name}_totals(ctx, {name}_orders): ...
"""


@pytest.fixture
def three(project):
    (project.folder / "pipelines").mkdir()
    for name, days, bad in (("air", 3, ""), ("sea", 4, "2024-01-02"), ("rail", 5, "")):
        project.write(f"pipelines/{name}.py", ONE.format(name=name, days=days, bad=bad))
    project.write("pipelines/common.py", "LIMIT = 5\n")
    project.write("recoup.toml", 'executor = "inline"\ndiscover = ["pipelines/*.py"]\n')
    return project


def cells(text):
    return {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line}


def test_all_of_them_are_planned_run_and_told_about(three):
    planned = three.recoup("plan")
    assert planned.returncode == DONE
    assert cells(planned.stdout) == {
        "air": "6 to run 0 done missing",
        "rail": "10 to run 0 done missing",
        "sea": "8 to run 0 done missing",
    }
    assert planned.stderr.splitlines() == ["next: recoup plan air"]
    assert three.recoup("run", "air").returncode == DONE
    assert three.recoup("run", "sea").returncode == INCOMPLETE

    told = three.recoup("status", "--check")
    assert told.returncode == PENDING
    assert cells(told.stdout) == {
        "air": "complete 3 of 3 100 %",
        "rail": "incomplete 0 of 5 0 %",
        "sea": "incomplete 3 of 4 75 % · 1 failed · 1 blocked",
    }
    assert three.answer("status")["pipelines"][2] == {
        "pipeline": "sea",
        "complete": False,
        "total_dates": 4,
        "completed_dates": 3,
        "remaining": 1,
        "pct_complete": 75.0,
        "partial_dates": 0,
        "interrupted": [],
        "failed": 1,
        "blocked": 1,
    }
    assert three.answer("plan")["pipelines"][0] == {"pipeline": "air", "actions": 0, "blocked": 0, "done": 6}
    assert {attempt["layer"] for attempt in three.answer("runs")["runs"]} == {"air", "sea"}
    checked = three.recoup("plan", "--only", "failed", "--check")
    assert checked.returncode == PENDING
    assert checked.stderr.splitlines() == ["next: recoup plan sea --only failed"]


def test_one_that_cannot_be_loaded_hides_no_other(three):
    three.write("pipelines/rail.py", "import recoup as rc\nrail = rc.Pipeline('rail', partitions=1 / 0)\n")
    three.write("pipelines/broken.py", "x = Pipeline(\n")
    told = cells(three.recoup("plan").stdout)
    assert told["air"] == "6 to run 0 done missing"
    assert told["rail"].startswith("unknown the pipeline pipelines/rail.py:rail cannot be imported (rail.py, line 2)")
    assert "SyntaxError" in told["broken"]
    assert "SyntaxError" in cells(three.recoup("status").stdout)["broken"]
    assert "error" in three.answer("plan")["pipelines"][1]
    assert three.recoup("doctor").returncode == INCOMPLETE


def test_where_each_was_found(three):
    shown = cells(three.recoup("config", "show").stdout)
    assert shown["pipelines.air"] == "pipelines/air.py:air pipelines/air.py:4"
    assert shown["discover"] == "pipelines/*.py recoup.toml:2"


def test_what_is_for_one_pipeline_says_so(three):
    for words in (["--start", "2024-01-01"], ["--step", "x"], ["-o", "plan.json"]):
        error, remedy = said(three.recoup("plan", *words), USAGE)
        assert "are for one pipeline" in error
        assert remedy == "name one of air, rail, sea"
    error, remedy = said(three.recoup("run"), USAGE)
    assert error == "no pipeline was named"
    assert remedy.startswith("recoup.toml has air, rail, sea")
    error, remedy = said(three.recoup("run", "rial"), USAGE)
    assert remedy.startswith("did you mean rail? ")


def test_a_pattern_that_finds_nothing_is_told_by_doctor(three):
    three.write("recoup.toml", 'discover = ["pipeline/*.py"]\n')
    error, remedy = said(three.recoup("plan"), USAGE)
    assert error == "no pipelines are named here"
    assert "discover" in remedy
    assert "no file matches pipeline/*.py" in three.recoup("doctor").stdout


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ('["/etc/*.py"]', "'/etc/*.py' is no pattern of Python files below this folder"),
        ('["../*.py"]', "'../*.py' is no pattern of Python files below this folder"),
        ('["pipelines"]', "'pipelines' is no pattern of Python files below this folder"),
        ("[5]", "5 is no pattern of Python files below this folder"),
        ("[{}]", "{} is no pattern of Python files below this folder"),
        ('"pipelines/*.py"', "discover must be a list, not 'pipelines/*.py'"),
    ],
)
def test_a_pattern_that_cannot_be(project, pattern, told):
    project.write("recoup.toml", f"discover = {pattern}\n")
    error, remedy = said(project.recoup("status"), USAGE)
    assert told in error
    assert remedy == 'write discover = ["pipelines/*.py"]'
