"""Every command that recoup tells somebody to type exists, with every option that is named beside it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import recoup
from recoup.cli.commands import COMMANDS
from recoup.cli.dispatch import build
from recoup.model.failure import ADVICE, TOO_MANY_FILES, FailureKind
from recoup.recovery.rules.advice import ADVICE_OF_RULE
from recoup.recovery.triage import Of, triage

SOURCE = Path(recoup.__file__).parent
GAP = "GAP"
"""Stands for what a text leaves open."""


@cache
def parser(*names):
    app = build()
    for name in names:
        app = app[name]
    return app


@cache
def options(*names):
    return frozenset(name for one in parser(*names).assemble_argument_collection() for name in one.names)


def complaint(words):
    """What is wrong with a command; None when nothing is."""
    known = {command.name: command for command in COMMANDS}
    if not words or words[0].startswith(("-", GAP, "…", "COMMAND")):
        return None
    if words[0] not in known:
        return f"there is no {words[0]}"
    names = words[:1]
    if known[words[0]].is_group:
        if len(words) == 1:
            return None
        names = words[:2]
        if not words[1].startswith(GAP) and words[1] not in parser(words[0]):
            return f"there is no {' '.join(names)}"
    if GAP in names[-1]:
        return None
    flags = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
    return next((f"{' '.join(names)} has no {flag}" for flag in flags - options(*names) - {"--help"}), None)


def texts(file):
    """The literals of a file; what is filled in stands as a gap."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else GAP for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def named(text):
    for command in re.findall(r"`recoup ([^`]+)`", text):
        yield re.sub(r"[\[\]()|,…]", " ", command).split()


def test_every_command_in_a_text_of_ours_exists():
    found = [(file.name, words) for file in SOURCE.rglob("*.py") for text in texts(file) for words in named(text)]
    assert len(found) > 80
    assert [(file, " ".join(words), wrong) for file, words in found if (wrong := complaint(words))] == []


def test_the_check_can_fail():
    assert complaint(["lake", "sweep"])
    assert complaint(["run", "x", "--faster"])
    assert complaint(["ran"])


@pytest.mark.parametrize("kind", FailureKind)
def test_each_kind_has_its_steps_and_ends_with_a_command_that_exists(kind):
    told = triage(kind)
    assert told.branch.endswith("?")
    assert told.todo[-1].command is not None
    for one in told.todo:
        if command := one.command:
            operands = [] if command.of is Of.NOTHING else ["pipeline"]
            assert complaint([*command.verb.split(), *operands, *command.flags]) is None
            if command.of is Of.STEP:
                assert "--step" in options(*command.verb.split())
    flags = set(re.findall(r"--[a-z-]+", ADVICE[kind]))
    assert flags <= options("run")


def test_what_the_rules_advise():
    for text in (*ADVICE_OF_RULE.values(), TOO_MANY_FILES):
        assert [complaint(words) for words in named(text) if complaint(words)] == []
        assert set(re.findall(r"--[a-z-]+", text)) <= options("run")
