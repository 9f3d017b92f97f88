"""Tab in a shell: the script is sourced by a real one, which asks the real command for the names of a project."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = """
shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-03", key="dt"))


@shop.step
def orders(ctx): ...


@shop.step
def totals(ctx, orders): ...
"""


@pytest.fixture
def shop(project):
    project.declare("shop", SHOP, 'executor = "inline"')
    bin_ = project.folder / "bin"
    bin_.mkdir()
    command = bin_ / "recoup"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m recoup "$@"\n')
    command.chmod(0o755)
    return project


def completed(shop, *words):
    """What bash offers for the last of these words."""
    script = shop.write("recoup.bash", shop.recoup("completion", "bash").stdout)
    listed = " ".join(f"'{word}'" for word in words)
    program = (
        f"PATH={shop.folder / 'bin'}:$PATH; source {script}\n"
        f"COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}\n"
        "$(complete -p recoup | sed 's/.*-F \\([^ ]*\\).*/\\1/') recoup\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    program = program.replace("$(complete", "f=$(complete").replace(") recoup\n", "); $f recoup\n")
    bash = shutil.which("bash") or pytest.skip("there is no bash here")
    result = subprocess.run(
        [bash, "--norc", "-c", program], cwd=shop.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_commands_and_options(shop):
    assert completed(shop, "recoup", "sta") == ["status"]
    assert {"ls", "show", "pause"} <= set(completed(shop, "recoup", "backfill", ""))
    assert completed(shop, "recoup", "run", "shop", "--max") == ["--max-parallel"]
    assert completed(shop, "recoup", "run", "shop", "--executor", "t") == ["threads"]


def test_names_of_the_project(shop):
    assert completed(shop, "recoup", "status", "s") == ["shop"]
    assert shop.recoup("run", "shop").returncode == 0
    assert completed(shop, "recoup", "status", "shop", "--step", "") == ["orders", "totals"]
    (backfill,) = shop.answer("backfill", "ls")["backfills"]
    assert completed(shop, "recoup", "backfill", "show", "") == [backfill["backfill_id"]]
    shop.recoup("watermark", "set", "Orders", "2025-10-01")
    assert completed(shop, "recoup", "watermark", "set", "") == ["Orders"]
    assert {"shop", "orders", "totals"} <= set(completed(shop, "recoup", "publish", "show", ""))


def test_a_broken_project_completes_nothing_and_says_nothing(shop):
    shop.write("recoup.toml", "this is no toml")
    result = shop.recoup("__complete", "status", "")
    assert (result.returncode, result.stdout.strip("\x1fbegin\n"), result.stderr) == (0, "", "")
    assert completed(shop, "recoup", "status", "") == []


def test_without_named_pipelines_files_are_offered(shop):
    shop.write("recoup.toml", "")
    assert "shop.py" in completed(shop, "recoup", "run", "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_for_other_shells_can_be_read_by_them(shop, shell):
    result = shop.recoup("completion", shell)
    assert result.returncode == 0
    assert "backfill" in result.stdout
    assert result.stderr == ""  # a start-up file may source it
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    script = shop.write("script", result.stdout)
    assert subprocess.run([program, "-n", str(script)], timeout=60, check=False).returncode == 0


def test_the_answer_for_programs(shop):
    answer = shop.answer("completion", "bash")
    assert answer["shell"] == "bash"
    assert answer["script"].startswith("# Bash completion for recoup")
    assert Path(shop.folder / ".recoup").exists() is False
