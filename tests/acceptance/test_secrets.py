"""A secret of the environment stays there, whatever a step or a library does with it."""

import pytest

SECRET = "Winter-is-c0ming"
PIPELINE = """
import logging, sys
p = rc.Pipeline("p", partitions=rc.Daily("2023-01-01", "2023-01-02"))


@p.step
def loads(ctx):
    secret = os.environ["WAREHOUSE_PASSWORD"]
    print("connecting as bob with", secret)
    print("half a line: " + secret[:5], end="")
    print(secret[5:])
    logging.getLogger("driver").warning("login of bob/%s", secret)
    raise ValueError(f"driver said: no such user bob/{secret} at postgresql://bob:{secret}@db/x")
"""


@pytest.mark.parametrize("executor", ["processes", "inline"])
def test_neither_log_nor_ledger_nor_lake_nor_answer_holds_it(project, executor):
    project.declare("p", PIPELINE, f'executor = "{executor}"')
    project.environ["WAREHOUSE_PASSWORD"] = SECRET

    run = project.recoup("run", "p", "--json")
    assert run.returncode == 1
    assert "no such user bob/***" in run.stdout
    answers = [run.stdout] + [project.recoup(*words).stdout for words in (("status", "p"), ("runs", "p", "--json"))]

    assert not [answer for answer in answers if SECRET in answer]
    assert not [name for name, data in project.tree().items() if SECRET.encode() in data and name != "calls.log"]
    if executor == "processes":
        said = "".join(data.decode() for name, data in project.tree(".recoup", "logs").items())
        assert "connecting as bob with ***" in said
        assert "ValueError: driver said: no such user bob/***" in said


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_a_password_of_a_connection_is_one_whatever_its_variable_is_called(project, executor):
    connections = '[connections]\nwh = "postgresql://${WHO}:${MYVAR}@db.example/x"\n'
    project.declare("p", PIPELINE.replace("WAREHOUSE_PASSWORD", "MYVAR"), f'executor = "{executor}"\n{connections}')
    project.environ |= {"MYVAR": SECRET, "WHO": "such user"}

    run = project.recoup("run", "p", "--json")

    assert "no such user bob/***" in run.stdout
    assert SECRET not in run.stdout + project.recoup("runs", "p", "--json").stdout
    assert not [name for name, data in project.tree().items() if SECRET.encode() in data and name != "calls.log"]


def test_a_bug_report_and_a_refusal_do_not_hold_it(project):
    project.environ["WAREHOUSE_PASSWORD"] = SECRET
    result = project.recoup("status", SECRET)

    assert result.returncode == 2
    assert SECRET not in result.stdout + result.stderr
