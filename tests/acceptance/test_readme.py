"""The README is true: its pipeline runs, its commands exist, and what it shows is what is printed.

Run as a program, it writes today's output into the README: `python tests/acceptance/test_readme.py`.

Comments that nobody sees on the page say what a block is: `<!-- file: NAME -->` is written, `<!-- run -->` is typed,
line by line, and its output compared; `<!-- edit: NAME: OLD => NEW -->` changes a file in between.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"

BLOCK = re.compile(
    r"<!-- (?:file: (?P<file>\S+)|run) -->\n```\w+\n(?P<body>.*?)```\n"
    r"|<!-- edit: (?P<edited>\S+): (?P<old>[^\n]+?) => (?P<new>[^\n]+?) -->\n",
    re.DOTALL,
)
# What differs from one run to the next: durations, moments, the random end of an id, the token of an attempt.
CHANGING = re.compile(r"[\d.]+ m?s\b|\d{4}-\d\d-\d\dT[\d:.]+Z|(?<=-)\d{8}-[0-9a-f]{4}\b|(?<=\.)\d+(?=\.log\b)")
EXIT_CODES = (0, 1, 3)


def type_in(folder, line):
    """What a command line prints on stdout, and what it says to type next."""
    words = line.removeprefix("$ ").split("#")[0].split()
    assert words[0] == "recoup"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECOUP_")}
    command = [sys.executable, "-m", "recoup", *words[1:]]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode in EXIT_CODES, f"{line}: {result.stderr}"
    hints = [hint for hint in result.stderr.splitlines() if hint.startswith("next: ")]
    return result.stdout + "".join(f"{hint}\n" for hint in hints[-1:])


def played(text, folder):
    """The README with its blocks carried out in that folder: what it should say."""

    def play(match):
        whole = match[0]
        if match["file"]:
            (folder / match["file"]).write_text(match["body"])
        elif match["edited"]:
            path = folder / match["edited"]
            before = path.read_text()
            assert match["old"] in before
            path.write_text(before.replace(match["old"], match["new"]))
        else:
            lines = [line for line in match["body"].splitlines() if line.startswith("$ ")]
            answers = [f"{line}\n{type_in(folder, line)}" for line in lines]
            return whole.replace(match["body"], "\n".join(answers))
        return whole

    return BLOCK.sub(play, text)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The folder in which the README was played, and what came out."""
    folder = tmp_path_factory.mktemp("shop")
    return folder, played(README.read_text(), folder)


def test_what_it_shows_is_what_is_printed(shop):
    _, fresh = shop
    assert CHANGING.sub("#", README.read_text()).splitlines() == CHANGING.sub("#", fresh).splitlines()


def test_the_first_pipeline_has_fifteen_lines():
    (body,) = [match["body"] for match in BLOCK.finditer(README.read_text()) if match["file"]]
    assert sum(1 for line in body.splitlines() if line.strip()) <= 15


COMMANDS = sorted(set(re.findall(r"`(recoup [a-z][^`]*)`", README.read_text())))
# Those with a blank to fill in, the demo (test_flights.py runs it), and what needs a disaster first.
ONLY_NAMED = [line for line in COMMANDS if re.search(r"\b[A-Z]{2,}\b|^recoup (demo|ledger rebuild)$", line)]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line not in ONLY_NAMED])
def test_a_command_that_can_be_typed_works(shop, line):
    folder, _ = shop
    type_in(folder, line)


@pytest.mark.parametrize("line", ONLY_NAMED)
def test_a_command_with_blanks_to_fill_exists(tmp_path, line):
    words = [word for word in line.split() if word.islower() and not word.startswith("-")]
    page = type_in(tmp_path, " ".join([*words, "--help"]))
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as fresh_folder:
        README.write_text(played(README.read_text(), Path(fresh_folder)))
