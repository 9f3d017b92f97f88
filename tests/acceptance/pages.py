"""Pages that are played: what they show to type is typed, and what they show as its answer is what is printed.

Comments that nobody sees on the page say what a block is: `<!-- file: NAME -->` is written, `<!-- run -->` is typed,
line by line, and its output compared; `<!-- edit: NAME: OLD => NEW -->` changes a file in between. What only makes the
ground for a page stands within such a comment: `<!-- file: NAME` up to `-->`, `<!-- type: COMMAND -->`, and
`<!-- python: FILE -->`, which is run. Where a page shows only part of an answer, `…` stands on a line of its own.

Run as a program, it writes today's answers into the pages: `python -m tests.acceptance.pages docs/guides/backfill.md`.
"""

import functools
import os
import re
import shlex
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from recoup.cli.commands import COMMANDS
from tests import servers

ROOT = Path(__file__).resolve().parents[2]

BLOCK = re.compile(
    r"<!-- (?:file: (?P<file>\S+)|run) -->\n```\w+\n(?P<body>.*?)```\n"
    r"|<!-- file: (?P<ground>\S+)\n(?P<text>.*?)-->\n"
    r"|<!-- type: (?P<typed>[^\n]+?) -->\n"
    r"|<!-- python: (?P<program>\S+) -->\n"
    r"|<!-- edit: (?P<edited>\S+): (?P<old>[^\n]+?) => (?P<new>[^\n]+?) -->\n",
    re.DOTALL,
)
# What differs from one run to the next: durations, moments, ids and their random ends, the token of an
# attempt, the name of a cause.
CHANGING = re.compile(
    r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\d{4}-\d\d-\d\dT[\d:.]+Z|(?<=-)\d{8}-[0-9a-f]{4}\b"
    r"|[\d.]+ (?:m?s|min)\b(?: ago)?|(?<=\.)\d+(?=\.log\b)|\b[0-9a-f]{12}\b"
)
EXIT_CODES = (0, 1, 3)
GAP = "…"
NEEDS_POSTGRESQL = "<!-- needs: postgresql -->"
GROUPS = {command.name for command in COMMANDS if command.is_group}


def command_of(line):
    """`recoup run`, `recoup lake adopt`: a line without its arguments."""
    words = line.split()
    return " ".join(words[: 3 if words[1] in GROUPS else 2])


@functools.cache
def help_page(command):
    """What a command says of itself; asked once, however often pages name it."""
    with tempfile.TemporaryDirectory() as folder:
        return type_in(Path(folder), f"{command} --help")


def type_in(folder, line, environ=None):
    """What a command line prints on stdout, and what it says to type next."""
    words = shlex.split(line.removeprefix("$ "), comments=True)
    assert words[0] == "recoup"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECOUP_")}
    command = [sys.executable, "-m", "recoup", *words[1:]]
    result = subprocess.run(
        command,
        cwd=folder,
        env={**environment, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode in EXIT_CODES, f"{line}: {result.stderr}"
    hints = [hint for hint in result.stderr.splitlines() if hint.startswith("next: ")]
    return result.stdout + "".join(f"{hint}\n" for hint in hints[-1:])


def played(text, folder, environ=None):
    """The page with its blocks carried out in that folder: what it should say."""

    def play(match):
        whole = match[0]
        if name := match["file"] or match["ground"]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(match["body"] or match["text"])
        elif match["typed"]:
            type_in(folder, match["typed"], environ)
        elif match["program"]:
            subprocess.run([sys.executable, match["program"]], cwd=folder, timeout=60, check=True)
        elif match["edited"]:
            path = folder / match["edited"]
            before = path.read_text()
            assert match["old"] in before, match["old"]
            path.write_text(before.replace(match["old"], match["new"]))
        else:
            shown = re.split(r"(?m)^(?=\$ )", match["body"])
            answers = [_answer(one, folder, environ) for one in shown if one.startswith("$ ")]
            return whole.replace(match["body"], "\n".join(answers))
        return whole

    return BLOCK.sub(play, text)


def _answer(shown, folder, environ):
    """A command with today's answer; of one that the page shortens, what it shows of it is kept as it is."""
    command, *before = shown.rstrip("\n").split("\n")
    answer = type_in(folder, command, environ)
    if GAP not in before:
        return f"{command}\n{answer}"
    lines = [CHANGING.sub("#", line) for line in answer.split("\n")]
    for line in before:
        assert line == GAP or CHANGING.sub("#", line) in lines, f"{command} does not say {line!r}, but:\n{answer}"
    return "\n".join([command, *before, ""])


def differences(page, fresh):
    """Lines that differ, as (shown, printed)."""
    shown, printed = (CHANGING.sub("#", text).splitlines() for text in (page, fresh))
    pairs = [(a, b) for a, b in zip(shown, printed, strict=False) if a != b]
    return pairs if len(shown) == len(printed) else [*pairs, (f"{len(shown)} lines", f"{len(printed)} lines")]


@contextmanager
def ground(text):
    """The variables that a page needs: `<!-- needs: postgresql -->` gives it a database of its own."""
    if NEEDS_POSTGRESQL not in text:
        yield {}
        return
    with servers.postgresql() as url:
        yield {"RECOUP_CONNECTIONS_WAREHOUSE": url}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page_file = ROOT / name
        before = page_file.read_text()
        with tempfile.TemporaryDirectory() as fresh_folder, ground(before) as variables:
            page_file.write_text(played(before, Path(fresh_folder), variables))
