"""The commands by name and where each one lives: nothing of a command is imported before it is asked for."""

from __future__ import annotations

from typing import Final, NamedTuple


class Command(NamedTuple):
    """One command: its name, its place in the code, what it is for, and its arguments."""

    name: str
    place: str
    what: str
    arguments: str = ""
    verbs: tuple[str, ...] = ()
    """The words that are commands of its own, where it stands alone too, and takes names."""

    @property
    def is_group(self) -> bool:
        """Whether it has commands of its own, which tell their arguments themselves."""
        return self.place.endswith(":app")


GROUPS: Final[tuple[tuple[str, tuple[Command, ...]], ...]] = (
    (
        "Begin",
        (
            Command("init", "recoup.cli.init:init", "write a small project that runs", "[FOLDER]"),
            Command("demo", "recoup.cli.demo:demo", "a year of flights: backfill, failure, recovery", "[FOLDER]"),
            Command(
                "completion",
                "recoup.cli.completion:completion",
                "complete words in bash, zsh or fish",
                "SHELL [OPTIONS]",
            ),
        ),
    ),
    (
        "Fill, and put right",
        (
            Command(
                "plan",
                "recoup.cli.plan:plan",
                "what would run, and why; changes nothing",
                "[PIPELINE [PARTITION…]] [OPTIONS]",
            ),
            Command(
                "preflight",
                "recoup.cli.preflight:preflight",
                "the gate before a backfill: sources, tables, room, one date",
                "PIPELINE [PARTITION…] [OPTIONS]",
            ),
            Command(
                "run",
                "recoup.cli.run:run",
                "run what is missing or failed",
                "PIPELINE [PARTITION…] [OPTIONS], or run --plan PATH",
            ),
            Command(
                "recover",
                "recoup.cli.recover:recover",
                "fill gaps, retry, rerun: all that can be put right, in order",
                "[PIPELINE [PARTITION…]] [GROUP…] [OPTIONS]",
            ),
            Command(
                "retry",
                "recoup.cli.retry:retry",
                "try failed steps of some partitions again, in the same run",
                "PIPELINE PARTITION… [OPTIONS]",
            ),
            Command(
                "waive",
                "recoup.cli.waive:waive",
                "accept a gap for good, or take that back",
                "PIPELINE [PARTITION…] --reason TEXT [OPTIONS]",
            ),
            Command(
                "watermark",
                "recoup.cli.watermark:app",
                "up to when jobs have read; set: read again from a time",
                "[NAME], or watermark set NAME TIME",
                verbs=("set",),
            ),
            Command("members", "recoup.cli.members:app", "ls, add: the members that partitions name"),
            Command("backfill", "recoup.cli.backfill:app", "ls, show, log, note, pause, resume, cancel, set"),
        ),
    ),
    (
        "Look",
        (
            Command(
                "status",
                "recoup.cli.status:status",
                "is it complete? what failed, what is blocked, and why?",
                "[PIPELINE [PARTITION…]] [OPTIONS]",
            ),
            Command(
                "why",
                "recoup.cli.why:why",
                "what is wrong now, by cause, and what to do about it",
                "[PIPELINE] [PARTITION | RUN | GROUP]",
            ),
            Command(
                "verify",
                "recoup.cli.verify:verify",
                "after a recovery: is everything really there?",
                "PIPELINE [PARTITION…] [OPTIONS], or verify --backfill ID",
            ),
            Command(
                "escalate",
                "recoup.cli.escalate:escalate",
                "hand a failure over: one file with all that is known",
                "[PIPELINE] [PARTITION | RUN | GROUP] [-o PATH]",
            ),
            Command("runs", "recoup.cli.runs:runs", "every attempt, newest first", "[PIPELINE [PARTITION]] [OPTIONS]"),
            Command(
                "classify",
                "recoup.cli.classify:classify",
                "what kind of failure is it, and may it be tried again?",
                "[--explain TEXT] < failures.jsonl",
            ),
            Command("config", "recoup.cli.config:app", "show: every setting, and where it comes from"),
            Command(
                "doctor", "recoup.cli.doctor:doctor", "check settings, ledger, lake, pipelines and sinks", "[PIPELINE…]"
            ),
        ),
    ),
    (
        "Care",
        (
            Command("publish", "recoup.cli.publish:app", "ls, show, diff, rollback, accept: what readers see"),
            Command("lake", "recoup.cli.lake:app", "gc, view, verify, adopt: the data at rest"),
            Command("ledger", "recoup.cli.ledger:app", "path, verify, rebuild, backup, export, migrate, adopt"),
        ),
    ),
)
COMMANDS: Final = tuple(command for _, group in GROUPS for command in group)

EXIT_CODES: Final = (
    "exit codes: 0 done and complete; 1 finished, but something failed, is blocked",
    "or quarantined; 2 usage or configuration; 3 work is pending (--check);",
    "4 refused by a gate or a lock; 5 ledger or source out of reach;",
    "70 a bug of ours; 130 and 143 interrupted, and resumable",
)


def page(version: str) -> str:
    """What `recoup --help` prints."""
    lines = [f"recoup {version}: backfill data pipelines, and recover them when they fail", ""]
    lines += ["usage: recoup COMMAND [ARGUMENTS]      recoup COMMAND --help tells more", ""]
    for title, commands in GROUPS:
        lines += [title, *(f"  {c.name:<11} {c.what}" for c in commands), ""]
    return "\n".join([*lines, *EXIT_CODES, "", "start here: recoup init sample"])
