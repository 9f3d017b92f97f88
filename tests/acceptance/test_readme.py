"""The README is true: its pipeline runs, its commands exist, and what it shows is what is printed.

`python -m tests.acceptance.pages README.md` writes today's answers into it.
"""

import re
import subprocess
import sys
import tomllib

import pytest

from tests.acceptance.pages import BLOCK, ROOT, command_of, differences, help_page, played, type_in

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The folder in which the README was played, and what came out."""
    folder = tmp_path_factory.mktemp("shop")
    return folder, played(README.read_text(), folder)


def test_what_it_shows_is_what_is_printed(shop):
    _, fresh = shop
    assert differences(README.read_text(), fresh) == []


def test_the_first_pipeline_has_fifteen_lines():
    (body,) = [match["body"] for match in BLOCK.finditer(README.read_text()) if match["file"]]
    assert sum(1 for line in body.splitlines() if line.strip()) <= 15


COMMANDS = sorted(set(re.findall(r"`(recoup [a-z][^`]*)`", README.read_text())))
# Those with a blank to fill in, the demo (test_flights.py runs it), and what needs a disaster, a failure, old files, a
# gap or an earlier generation first.
ONLY_NAMED = [
    line
    for line in COMMANDS
    if re.search(r"\b[A-Z]{2,}\b|^recoup (demo$|ledger rebuild$|lake adopt |publish diff |waive |retry )", line)
]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line not in ONLY_NAMED])
def test_a_command_that_can_be_typed_works(shop, line):
    folder, _ = shop
    type_in(folder, line)


@pytest.mark.parametrize("line", ONLY_NAMED)
def test_a_command_with_blanks_to_fill_exists(line):
    page = help_page(command_of(line))
    for flag in re.findall(r"--[a-z-]+", line):
        assert flag in page


def test_python_reads_what_is_current(shop):
    folder, _ = shop
    (expression,) = re.findall(r"`(recoup\.read\([^`]*)`", README.read_text())
    program = f"import recoup; print({expression}.columns)"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert "per_visitor" in result.stdout, result.stderr


def test_the_two_commands_and_the_extras_exist():
    text, project = README.read_text(), tomllib.loads((ROOT / "pyproject.toml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    for goal in re.findall(r"\$ make (\w+)", text):
        assert f"\n{goal}:" in makefile
    for extra in re.findall(r'pip install "\.\[(\w+)\]"', text):
        assert extra in project["project"]["optional-dependencies"]


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_exit_codes_are_those_of_the_code():
    from recoup.model.errors import ExitCode

    table = README.read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    shown = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(",")}
    assert shown == {int(code) for code in ExitCode}
