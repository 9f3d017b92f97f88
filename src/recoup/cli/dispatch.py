"""From words to a command and its answer; every way in which that can end is told in one place."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from recoup.cli.commands import COMMANDS
from recoup.cli.output import Answer, Output
from recoup.model.errors import ExitCode, RecoupError, UsageError

USUAL_VALUES: Final = {"--watch": "2"}
"""Options that may stand without their value, and what they have then."""

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

    from recoup.cli.help import PlainHelp


def dispatch(words: Sequence[str]) -> ExitCode:
    """Carry out one command and say how it ended."""
    output = Output(json="--json" in _before_dashes(words))
    try:
        return _ended(output, _call(words))
    except RecoupError as error:
        if isinstance(error, UsageError) and not error.remedy:
            error.remedy = f"see `{help_of(words)}`"
        return output.error(name_of(words), _without_secrets(error))
    except KeyboardInterrupt:
        output.note("interrupted; the same command goes on where it stopped")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort of the whole program: a bug is told as one
        from recoup.cli.bugs import report

        return output.error(name_of(words), report(error, words))
    finally:
        _close_quietly()


def _without_secrets(error: RecoupError) -> RecoupError:
    """A message may quote what a server or a library said."""
    from recoup.model.redact import redactor

    redact = redactor(os.environ)
    error.message, error.remedy = redact(error.message), redact(error.remedy)
    return error


def name_of(words: Sequence[str]) -> str:
    """`run`, `backfill pause`; empty when there is no such command."""
    for command in COMMANDS:
        if words and command.name == words[0]:
            deeper = command.is_group and len(words) > 1 and words[1].isidentifier()
            deeper = deeper and (not command.verbs or words[1] in command.verbs)
            return f"{words[0]} {words[1]}" if deeper else words[0]
    return ""


def help_of(words: Sequence[str]) -> str:
    """Where to read more."""
    return " ".join(filter(None, ["recoup", name_of(words), "--help"]))


def build(*, help_wanted: bool = False) -> App:
    """The parser, with every command named and none loaded."""
    from cyclopts import App, Parameter

    app = App(
        name="recoup",
        help="Backfill data pipelines, and recover them when they fail.",
        default_parameter=Parameter(negative=(), show_env_var=False),
        help_format="plaintext",
        help_formatter=_help() if help_wanted else None,
        help_flags=["--help", "-h"],
        version_flags=[],
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        usage = {} if command.is_group else {"usage": f"recoup {command.name} {command.arguments}"}
        app.command(command.place, name=command.name, **usage)
    return app


def _help() -> PlainHelp:
    from recoup.cli.help import PlainHelp

    return PlainHelp()


def _call(words: Sequence[str]) -> object:
    from cyclopts import CycloptsError, UnknownCommandError

    if len(words) == 1 and any(c.name == words[0] and c.is_group and not c.arguments for c in COMMANDS):
        words = [*words, "--help"]
    words = with_values(words)
    app = build(help_wanted=not {"--help", "-h"}.isdisjoint(_before_dashes(words)))
    try:
        return app(list(words))
    except UnknownCommandError as error:
        raise _usage(error, words[:1]) from error
    except CycloptsError as error:
        raise _usage(error, words) from error


def with_values(words: Sequence[str]) -> list[str]:
    """`--watch` without a number has its usual one: the parser knows flags and values, and nothing that may be both."""
    filled = [*words, ""]
    for place, word in enumerate(_before_dashes(words)):
        if word in USUAL_VALUES and not _is_number(filled[place + 1]):
            filled[place] = f"{word}={USUAL_VALUES[word]}"
    return filled[:-1]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _usage(error: CycloptsError, words: Sequence[str]) -> UsageError:
    """The parser's own words, split into what is wrong and what to do."""
    error.verbose = False
    missing = getattr(error, "argument", None)
    if type(error).__name__ == "MissingArgumentError" and missing is not None:
        given = next((word for word in words if word in missing.names), None)
        what = (
            f"{given} needs a value" if given else f"`recoup {name_of(words)}` needs {missing.name.strip('-').upper()}"
        )
        return UsageError(what, f"see `{help_of(words)}`")
    problem, choose, choices = str(error).partition(" Choose from: ")
    problem, meant, name = problem.partition(" Did you mean ")
    problem = problem.partition(" Available commands")[0].strip().rstrip(".")
    hint = f"did you mean {name.partition('?')[0]}? " if meant else ""
    hint += f"choose from {choices.rstrip('.')}; " if choose else ""
    return UsageError(problem[:1].lower() + problem[1:], f"{hint}see `{help_of(words)}`")


def _ended(output: Output, result: object) -> ExitCode:
    code = output.answer(result) if isinstance(result, Answer) else ExitCode(int(result or 0))  # type: ignore[call-overload] # commands answer or count
    if output.problem is not None and code is ExitCode.DONE:
        output.note(f"error: the output could not be written: {output.problem.strerror}", "bad")
        return ExitCode.INCOMPLETE
    return code


def _before_dashes(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _close_quietly() -> None:
    """Python flushes at its end and would complain about a reader who has gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
