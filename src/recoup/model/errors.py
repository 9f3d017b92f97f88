"""Every error that recoup raises, on one page; each carries what a person needs: what, where, and the remedy."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller; the command line's whole vocabulary."""

    DONE = 0
    INCOMPLETE = 1
    USAGE = 2
    PENDING = 3
    REFUSED = 4
    UNREACHABLE = 5
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class RecoupError(Exception):
    """A sentence for a person, the remedy, and the exit code it ends a command with."""

    exit_code = ExitCode.INCOMPLETE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(RecoupError):
    """What was asked cannot be: nothing was run and nothing was changed."""

    exit_code = ExitCode.USAGE


class PartitionError(UsageError):
    """A key, range or partitioning that does not make sense."""


class NotAKeyError(PartitionError):
    """A word that no partition is called by; `written` says how one is."""

    word = ""
    written = ""

    @classmethod
    def of(cls, word: str, written: str, message: str = "") -> NotAKeyError:
        """With the usual sentence, or one that fits better."""
        error = cls(message or f"{word} is not a key: {written}", written if message else "")
        error.word, error.written = word, written
        return error


class PipelineError(UsageError):
    """A pipeline that cannot be: a cycle, a name twice, an input that nobody makes."""


class ConfigError(UsageError):
    """A setting that is missing or wrong; the message names file, line or variable."""


class QueryError(RecoupError):
    """A database says why a query cannot be answered; its own words, the cause, tell what kind of failure that is."""

    exit_code = ExitCode.USAGE


class RefusedError(RecoupError):
    """It would be unsafe now: a lock, an owner, a gate; nothing was changed."""

    exit_code = ExitCode.REFUSED


class LedgerLockedError(RefusedError):
    """Somebody else holds the ledger."""


class LedgerSchemaError(RefusedError):
    """The ledger was written by another version of recoup."""


class LakeOwnedError(RefusedError):
    """The lake belongs to another ledger."""


class PlanMovedError(RefusedError):
    """A saved plan no longer matches the ledger it was made from."""


class FiredElsewhereError(RefusedError):
    """What follows a backfill was due, and somebody else has begun it."""


class FencedError(RefusedError):
    """A write named a token that is no longer the newest: somebody else has taken over."""


class ConflictError(RefusedError):
    """A conditional write found another value than it expected; the write did not happen."""


class UnreachableError(RecoupError):
    """The ledger, the lake or a source did not answer."""

    exit_code = ExitCode.UNREACHABLE


class IdentityRefusedError(UnreachableError):
    """It answered, but it does not know us, or no longer: a password, a key, a certificate."""


class CommitUnknownError(UnreachableError):
    """A write may or may not have happened: read back before doing anything else."""


class ServerBusyError(UnreachableError):
    """It answers, and takes nobody more for now."""


class GrantMissingError(RecoupError):
    """The user is known, and may not do this; the remedy names the grant."""


class CorruptError(RecoupError):
    """Bytes that are not what their digest says."""

    exit_code = ExitCode.UNREACHABLE


class DiskFullError(RecoupError):
    """No room to write; nothing was published and nothing was lost."""


class StepReturnError(RecoupError):
    """A step returned something that is no table."""
