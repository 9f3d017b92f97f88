"""Environments on the real command line: nothing of one is seen in another, and whoever works knows which it is."""

import json

import pytest

from tests.acceptance.test_cli import DONE, USAGE, said

PAIR = """
import polars as pl

where = os.environ.get("RECOUP_ENV", "")
pair = rc.Pipeline("pair", partitions=rc.Daily("2024-01-01", "2024-01-03", key="dt"))

@pair.step
def orders(ctx):
    note(ctx, f"{where}, {os.environ.get('RECOUP_ENV', '')}")
    return pl.DataFrame({"a": [1]})
"""
TABLES = """
[pipelines]
pair = "pair.py:pair"

[env.dev]
max_parallel = 1

[env.prod]
lake = "data/prod"
executor = "{executor}"
"""


@pytest.fixture
def pair(project):
    project.declare("pair", PAIR)
    project.write("recoup.toml", TABLES.format(executor="inline"))
    return project


def published(pair, *words):
    status = pair.answer("status", "pair", *words)
    return status["completed_dates"]


def test_nothing_of_one_environment_is_seen_in_another(pair):
    assert pair.recoup("run", "pair", "--env", "dev").returncode == DONE
    assert pair.recoup("run", "pair", "2024-01-02", "--env", "prod").returncode == DONE

    assert [published(pair, *words) for words in ([], ["--env", "dev"], ["--env", "prod"])] == [0, 3, 1]
    assert {path.name for path in pair.folder.iterdir() if path.is_dir()} >= {"lake-dev", ".recoup-dev", ".recoup-prod"}
    assert (pair.folder / "data" / "prod" / "_recoup" / "owner.json").exists()
    assert not (pair.folder / "lake").exists()
    assert pair.recoup("status", "pair", "--check", RECOUP_ENV="dev").returncode == DONE


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_pipelines_and_workers_see_which_it_is(pair, executor):
    pair.write("recoup.toml", TABLES.format(executor=executor))
    pair.recoup("run", "pair", "2024-01-01", "--env", "prod", RECOUP_ENV="dev")
    pair.recoup("run", "pair", "2024-01-02", RECOUP_ENV="prod")
    pair.python("rc.run('pair', partitions=['2024-01-03'], env='prod')\nimport os\nprint(json.dumps(dict(os.environ)))")

    assert [call.partition for call in pair.calls("prod, prod")] == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_python_reads_from_the_environment_that_is_named(pair):
    pair.recoup("run", "pair", "2024-01-01", "--env", "dev")
    found = pair.python(
        "import os\n"
        "rows = rc.read('orders', '2024-01-01', env='dev').collect().height\n"
        "states = [rc.status('pair', env=env).insight.complete for env in (None, 'dev', 'prod')]\n"
        "actions = [rc.plan('pair', env=env).plan.actions for env in (None, 'dev')]\n"
        "print(json.dumps([rows, states, actions, os.environ.get('RECOUP_ENV')]))"
    )
    assert found == [1, [False, False, False], [3, 2], None]


def test_the_next_command_names_it_when_it_was_named(pair):
    def hint(*words, **environ):
        return pair.recoup(*words, **environ).stderr.splitlines()[-1]

    assert hint("plan", "pair", "--env", "dev") == "next: recoup run pair --env dev"
    assert hint("plan", "pair", RECOUP_ENV="dev") == "next: recoup run pair"
    assert hint("status", "--env", "dev", "--config", "recoup.toml") == (
        "next: recoup run pair --config recoup.toml --env dev"
    )


def test_every_command_takes_it_and_an_unknown_one_is_told(pair):
    for words in (
        *(["plan", "pair"], ["run", "pair"], ["status"], ["runs"], ["doctor"], ["config", "show"], ["lake", "gc"]),
        *(["backfill", "ls"], ["backfill", "pause", "--all"], ["publish", "ls", "pair"], ["lake", "view", "orders"]),
        *(["ledger", "path"], ["ledger", "verify"], ["ledger", "backup", "x"], ["ledger", "rebuild"]),
    ):
        error, remedy = said(pair.recoup(*words, "--env", "prdo"), USAGE)
        assert error == "there is no environment 'prdo'"
        assert remedy == f"did you mean prod? {pair.folder}/recoup.toml has dev, prod"


def test_config_show_tells_each_origin(pair):
    pair.write(
        "recoup.toml", TABLES.format(executor="inline") + '[env.prod.connections]\nwh = "postgresql://u:hush@h"\n'
    )
    shown = pair.recoup("config", "show", "--env", "prod", RECOUP_MAX_PARALLEL="7")

    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.stdout.splitlines() if line}
    assert rows["environment"] == "prod --env"
    assert rows["lake"] == "data/prod recoup.toml:9 [env.prod]"
    assert rows["ledger"] == ".recoup-prod/ledger.db default of environment prod"
    assert rows["max_parallel"] == "7 $RECOUP_MAX_PARALLEL"
    assert rows["lease_seconds"] == "60 default"
    assert rows["pipelines.pair"] == "pair.py:pair recoup.toml:3"
    assert rows["connections.wh"] == "postgresql://u:***@h recoup.toml:12 [env.prod]"
    assert rows["environments:"] == "dev, prod; choose one with --env"
    text = (
        pair.recoup("config", "show", "--env", "prod", "--json").stdout + pair.recoup("doctor", "--env", "prod").stdout
    )
    assert "hush" not in text
    assert {row["source"] for row in json.loads(text.splitlines()[0])["settings"]} >= {"environment", "file", "flag"}
