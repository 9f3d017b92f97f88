"""What is to be typed next means the same to a shell, whatever the names hold."""

import shlex

import pytest

from recoup.app.settings import Settings
from recoup.cli.options import Common
from recoup.cli.typed import status_of, typed


@pytest.mark.parametrize("name", ["2024-01-01", "New York", "*", "$HOME", "it's", "a;b", ""])
def test_a_shell_reads_back_the_words(name):
    assert shlex.split(typed("publish show", "ys", name)) == ["recoup", "publish", "show", "ys", name]


def test_an_operand_that_looks_like_a_flag_stands_behind_dashes_and_flags_before_them():
    assert typed("status", "y", "--json", flags=["--only", "failed"]) == "recoup status --only failed -- y --json"


def test_the_flags_of_the_project_stand_where_they_are_flags(tmp_path):
    common = Common(config=tmp_path / "my project.toml", env="prod")
    flags = f"--config {shlex.quote(str(common.config))} --env prod"
    assert common.again("recoup status y") == f"recoup status y {flags}"
    assert common.again(typed("status", "y", "--json")) == f"recoup status {flags} -- y --json"
    assert common.again("recoup lake view y | duckdb") == f"recoup lake view y {flags} | duckdb"
    assert common.again("") == ""


def test_a_pipeline_is_only_named_to_a_command_that_can_load_it(tmp_path):
    settings = Settings(tmp_path, "lake", tmp_path / "ledger.db", pipelines={"shop": "shop.py:shop"})
    assert status_of(settings, "shop") == "recoup status shop"
    assert status_of(settings, "my shop.py:shop") == "recoup status 'my shop.py:shop'"
    assert status_of(settings, "elsewhere") == "recoup publish ls elsewhere"
