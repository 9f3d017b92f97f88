"""What to do about a failure, step by step: of each kind its category, the branch of the flowchart, and commands; pure.

A command is a value, not a text: whoever shows it knows how names are quoted in a shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from recoup.model.failure import FailureKind as Kind


class Category(StrEnum):
    """Where to look first."""

    INFRASTRUCTURE = "infrastructure"
    DATA_AVAILABILITY = "data availability"
    PROCESSING = "processing"
    RESOURCES = "resources"
    DEFENSIVE_CHECK = "defensive check"
    NONE = "none"
    """Nothing tells, or nothing is wrong."""


class Of(Enum):
    """What a command is about."""

    NOTHING = 1
    PIPELINE = 2
    PARTITIONS = 3
    STEP = 4
    """These partitions of this step."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ours: `verb` as in `lake verify`, what it is about, and flags."""

    verb: str
    of: Of
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Todo:
    """One thing to do; not every one is a command."""

    text: str
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class Triage:
    """`branch` is the question that was answered with yes; the last of `todo` is what ends the failure."""

    category: Category
    branch: str
    todo: tuple[Todo, ...]


RETRY: Final = Command("retry", Of.STEP)
RUN: Final = Command("run", Of.PARTITIONS)
FORCE: Final = Command("retry", Of.STEP, ("--force", "--reason", "TEXT"))
_DOCTOR: Final = Command("doctor", Of.PIPELINE)
_HISTORY: Final = Command("runs", Of.PIPELINE, ("--failed",))
_FILL: Final = Command("run", Of.PARTITIONS, ("--include-upstream",))
_ORDER: Final = Command("recover", Of.PARTITIONS, ("--dry-run",))
_AGAIN: Final = Todo("Then try it again, in the same run", RETRY)
_MENDED: Final = Todo("Then run it", RUN)


def triage(kind: Kind) -> Triage:
    """What its kind asks for; what the rule that decided knows beyond that is in the failure's own advice."""
    return _TRIAGE[kind]


_TRIAGE: Final[Mapping[Kind, Triage]] = {
    Kind.NETWORK: Triage(
        Category.INFRASTRUCTURE,
        "network, DNS or TLS error?",
        (
            Todo("See that the endpoint's name resolves and that it answers from this machine"),
            Todo("See that lake, ledger and tables answer", _DOCTOR),
            _AGAIN,
        ),
    ),
    Kind.SERVICE: Triage(
        Category.INFRASTRUCTURE,
        "the other side answers with an error?",
        (Todo("Look at its status page or log, or ask its owner, until it has recovered"), _AGAIN),
    ),
    Kind.THROTTLED: Triage(
        Category.RESOURCES,
        "too many requests?",
        (
            Todo("Lower the slots of the step's pool, if others use the same budget"),
            Todo("Then try it again, one at a time", Command("retry", Of.STEP, ("--max-parallel", "1"))),
        ),
    ),
    Kind.QUOTA: Triage(
        Category.RESOURCES,
        "a budget is used up?",
        (
            Todo("Find out when it resets: concurrent queries in minutes, bytes of a day on the next one"),
            Todo("Then go on, more slowly", Command("run", Of.PARTITIONS, ("--delay", "10s"))),
        ),
    ),
    Kind.TIMEOUT: Triage(
        Category.RESOURCES,
        "a time limit ran out?",
        (
            Todo("Compare its time and rows with the usual ones, and see whether other partitions fail too"),
            Todo("If it needs it, give the step more time (`timeout=`) or less to do at once"),
            Todo("Then try this step alone", RETRY),
        ),
    ),
    Kind.MEMORY: Triage(
        Category.RESOURCES,
        "out of memory?",
        (
            Todo("Compare its memory and rows with the usual ones"),
            Todo("Run fewer at once, or give the step more memory (`recoup run --memory`) or less to do at once"),
            Todo("Then try it again, alone; it gets a new run", Command("retry", Of.STEP, ("--max-parallel", "1"))),
        ),
    ),
    Kind.DISK: Triage(
        Category.RESOURCES,
        "no room on a disk?",
        (
            Todo("See which disk is full", _DOCTOR),
            Todo("Free what old generations take in the lake", Command("lake gc", Of.NOTHING)),
            _AGAIN,
        ),
    ),
    Kind.LOST: Triage(
        Category.INFRASTRUCTURE,
        "the worker vanished?",
        (
            Todo("Read the end of its log, and the system's: who killed it, a memory limit or a person?"),
            _AGAIN,
        ),
    ),
    Kind.MISSING: Triage(
        Category.DATA_AVAILABILITY,
        "an input is not there?",
        (
            Todo("See whether what it reads was made, and by the run that it asks for", Command("status", Of.PIPELINE)),
            Todo("Fill what others own at its source, and what is ours by its own step", _ORDER),
            _AGAIN,
        ),
    ),
    Kind.BLOCKED: Triage(
        Category.DEFENSIVE_CHECK,
        "a check refused to go on?",
        (
            Todo("See which partitions of which dataset it lacks", Command("status", Of.PIPELINE, ("--gaps",))),
            Todo("Fill what others own at its source, and see in which order the rest can be filled", _ORDER),
            Todo("Then fill the gap, and run what waits for it", _FILL),
        ),
    ),
    Kind.CONTRACT: Triage(
        Category.PROCESSING,
        "contract or schema violated?",
        (
            Todo("Compare the columns of its input with those of the generation before"),
            Todo("Have the source put right, or change the contract if the change is meant; nothing else helps"),
            _MENDED,
        ),
    ),
    Kind.QUALITY: Triage(
        Category.PROCESSING,
        "a check of the data failed?",
        (
            Todo("Look at what the check expected and what it saw"),
            Todo("Fix the data at its source, or the step that made it"),
            _MENDED,
        ),
    ),
    Kind.CORRUPT: Triage(
        Category.DATA_AVAILABILITY,
        "unreadable bytes?",
        (
            Todo("See which files of the lake cannot be read", Command("lake verify", Of.NOTHING)),
            Todo("Have the source export them again"),
            _MENDED,
        ),
    ),
    Kind.LOGIC: Triage(
        Category.PROCESSING,
        "an error in the step?",
        (Todo("Read its log and the line that raised it", _HISTORY), Todo("Fix the step's code"), _MENDED),
    ),
    Kind.AUTH: Triage(
        Category.INFRASTRUCTURE,
        "credentials refused?",
        (
            Todo("Renew them; everything that uses them has stopped"),
            Todo("See that they are taken", _DOCTOR),
            Todo("Then run what it stopped", Command("run", Of.PIPELINE)),
        ),
    ),
    Kind.PERMISSION: Triage(
        Category.INFRASTRUCTURE,
        "permission denied?",
        (
            Todo("Compare owner, group and mode of the path, or the grants, with who we run as"),
            Todo("Grant it where it is refused: the file system, the database"),
            _AGAIN,
        ),
    ),
    Kind.CONFIG: Triage(
        Category.INFRASTRUCTURE,
        "a setting or a program is missing?",
        (
            Todo("See what is set, and where", Command("config show", Of.NOTHING)),
            Todo("Set or install what is missing, and check it", _DOCTOR),
            _AGAIN,
        ),
    ),
    Kind.CONFLICT: Triage(
        Category.INFRASTRUCTURE,
        "a port, a lock or a row that somebody else holds?",
        (
            Todo("See who holds it: a port's process is named here", _DOCTOR),
            Todo("Stop one of two services that want the same"),
            _AGAIN,
        ),
    ),
    Kind.CANCELLED: Triage(
        Category.NONE,
        "stopped by a person?",
        (Todo("See which backfill it was", Command("backfill ls", Of.NOTHING)), Todo("Then do the rest", RUN)),
    ),
    Kind.UNKNOWN: Triage(
        Category.NONE,
        "nothing tells?",
        (
            Todo("Read its log", _HISTORY),
            Todo("Write a rule under [[rules]] in recoup.toml, so that it is known the next time"),
            Todo("If nobody can tell, put together what the next person needs", Command("escalate", Of.PIPELINE)),
            Todo("If it may pass now, insist", FORCE),
        ),
    ),
}
