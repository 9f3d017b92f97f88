"""Every socket on one page: what recoup needs from a store, an executor, a sink, a source and a clock."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

# --- object stores -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes under a key and the version that a conditional write can name."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One entry of a listing; `key` is relative to the store's root."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStore(Protocol):
    """A folder or a bucket. Keys are relative, `/`-separated, and never leave the root.

    Errors are those of `model.errors`: UnreachableError, DiskFullError, ConflictError, CommitUnknownError.
    """

    @property
    def url(self) -> str:
        """Where it is, as people write it, without secrets."""

    @property
    def durable_puts(self) -> bool:
        """Whether every put is durable when it returns (an object store), or only those with `sync`."""

    def get(self, key: str) -> Stored | None:
        """The bytes under a key, None when there are none."""

    def put(self, key: str, data: bytes, *, sync: bool) -> None:
        """Write whole or not at all; with `sync` durable when it returns, its folder entry too."""

    def put_new(self, key: str, data: bytes, *, sync: bool) -> None:
        """Like `put`, but ConflictError when the key exists already."""

    def put_all_new(self, items: Sequence[tuple[str, bytes]]) -> list[str]:
        """Many at once, durable when it returns, none seen before its bytes are; the keys that exist already."""

    def swap(self, key: str, data: bytes, expected: str | None) -> None:
        """Compare and swap, durable: ConflictError unless the version is `expected` (None: no such key)."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All keys below a prefix (a folder, `a/b/`), in order."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys; those that are not there are no error."""

    def uri(self, key: str) -> str:
        """What polars opens: an absolute path or a URL."""

    def storage_options(self) -> dict[str, str]:
        """What polars needs beside the URI; holds secrets, never logged."""

    def describe(self) -> dict[str, Any]:
        """What a worker needs to open the same store; holds no secrets (those come from the environment)."""


# --- executors ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt on its way to a worker: ids and a token, as JSON.

    `memory_bytes` is held by executors whose workers are processes; others cannot tell whose memory it is.
    """

    token: int
    body: Mapping[str, Any]
    lane: str | None = None
    expected_seconds: float = 1.0
    timeout_seconds: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A worker carried the task out; `body` is what the performer returned, failures included.

    The executor adds `resources`: `seconds`, and what it can tell of one task: `cpu_seconds`, `peak_memory_bytes`, and
    `over_memory` where that was more than the task may take, for too short a time to be ended for it: the evidence.
    """

    token: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker of this task is gone; `timed_out` when it was killed for running longer than its limit.

    `evidence` has `pid`, `signal` or `exit_code`, and where known `output_tail`, `cpu_seconds` and `peak_memory_bytes`;
    why we killed it ourselves is `limit_seconds`, `memory_limit_bytes`, `stopped` or `killed`. With `out_of_memory` the
    system did, because it had no memory left. A task that was killed before it began has `begun` False;
    one that could only be given up has `left_running` True: what it does goes on, and nobody looks at it any more.
    """

    token: int
    evidence: Mapping[str, Any] = field(default_factory=dict)
    timed_out: bool = False


TaskEvent = Finished | Lost


class Executor(Protocol):
    """Carries tasks out beside the controller. All calls come from one thread."""

    def open(self) -> None:
        """Start the workers."""

    def room(self) -> int:
        """How many more tasks it takes now: idle workers, and a queue ahead of them where tasks are short."""

    def idle(self) -> int:
        """How many workers would begin a task at once; `submit` gives its first ones to them."""

    def busy(self) -> int:
        """How many workers have begun something, or are about to."""

    def resize(self, workers: int) -> None:
        """Let so many workers be busy at once from now on, also before `open`; one too many ends what it has begun."""

    def submit(self, tasks: Sequence[Task]) -> None:
        """Hand tasks over; those of one lane are carried out by one worker, in order."""

    def take_back(self) -> list[int]:
        """Tokens of tasks that no worker has begun; they never will be. For a pause, a cancel, a drain."""

    def kill(self, token: int) -> None:
        """End what runs this task, or drop it unbegun; `Lost` follows, unless it has finished already.

        Where nothing can be ended (a thread), the task is given up: `Lost` follows all the same, with `left_running`.
        """

    def watch(self, fileno: int) -> None:
        """Let `wait` return early when this descriptor becomes readable (its owner drains it)."""

    def wait(self, timeout_seconds: float | None) -> list[TaskEvent]:
        """Everything that has happened; nothing when the time is over, a watched one is ready, or a new worker idles.

        RecoupError when workers cannot start.
        """

    def close(self) -> None:
        """End all workers, kindly and then not."""


class Performer(Protocol):
    """What a worker does with a task; made once per process from the setup that the controller gives.

    It may be called from several threads at once, and keeps for each what it holds between two calls.
    """

    def __call__(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry one task out; never raises for a failing step: the failure is in the result.

        With `unfit` in the result the process must not go on, because nobody knows what its disk holds: a worker ends,
        and another takes its place; a controller that works itself stops once the result is recorded.
        """

    def coroutine(self, body: Mapping[str, Any]) -> Coroutine[Any, Any, Mapping[str, Any]] | None:
        """The task as something to await, where its step is an `async def`; None: call it, it needs a thread.

        It raises as little, unless it is cancelled from outside.
        """

    def idle(self) -> None:
        """Nothing waits for this thread: let go of what others may want, such as a database file."""


# --- sinks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """A partition's current run on its way to a table; `run_id` None takes the partition's rows away."""

    dataset: str
    key: str
    partition: str
    run_id: str | None
    token: int
    digest: str
    files: tuple[str, ...]
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    member_key: str | None = None
    """Which of the key's names is one of members: they are text, whatever one of them looks like."""
    anew: bool = False
    """Rows may be gone behind the record's back: they are written, whatever it says."""


@dataclass(frozen=True, slots=True)
class Held:
    """Which run a table holds for a partition, by its own record."""

    run_id: str | None
    token: int
    digest: str
    rows: int


class Sink(Protocol):
    """A table that shows what is published: a projection, never the truth."""

    def deliver(self, delivery: Delivery) -> Held:
        """Make the table hold this run, in one transaction with the record of it; twice does nothing, but `anew`.

        FencedError when the table already holds a newer token.
        """

    def held(self, dataset: str, partition: str) -> Held | None:
        """What the table's own record says."""

    def counts(
        self, key: str, partitions: Sequence[str], *, only_whether: bool = False, wait: bool = True
    ) -> Mapping[str, int]:
        """How many rows the table has of each of these, in one query, whatever its record says; no entry where none.

        With `only_whether`, 1 stands for any number: what an index tells of a billion rows at once.
        What may not be read raises GrantMissingError, what does not answer UnreachableError; a database that lets in
        one at a time is waited for, or raises ConflictError.
        """

    def check(self) -> list[str]:
        """What is wrong with it, in sentences; an empty list when all is well."""

    def rehearse(self, delivery: Delivery) -> list[str]:
        """Why the table would not take these rows, in sentences; nothing is changed, whatever they are."""

    def close(self) -> None:
        """Let go of the database, so that people can query."""


# --- sources -----------------------------------------------------------------------------------------------------


class Database(Protocol):
    """A database that sources and calendars ask; nothing is written. Values are bound, lists as in `IN :partitions`.

    Errors: UnreachableError when it does not answer, QueryError or ConfigError when it cannot; they hold no secret.
    """

    def rows(self, text: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """What a query answers; parameters that its text does not name are left out."""

    def frame(self, text: str, parameters: Sequence[Mapping[str, object]]) -> Any:  # noqa: ANN401 - a polars.DataFrame
        """What a query answers for each of these, one below the other, with the types that its columns have."""

    def close(self) -> None:
        """Let go of the connection; the next question opens it again."""


class Table(Protocol):
    """A table of somebody's database, read by the values of one column; nothing is written. Errors: as `Database`."""

    def counts(self) -> list[tuple[Any, int]]:
        """Each value of the column and how many rows have it, in order."""

    def between(self, first: Any, last: Any) -> Any:  # noqa: ANN401 - the column's values; a polars.DataFrame
        """The rows from one value to another one, both included, with the types that the table's columns have."""

    def close(self) -> None:
        """Let go of the connection."""


class Days(Protocol):
    """A calendar of days that somebody else keeps: an exchange's, a country's."""

    def expected(self, first: date, last: date) -> Iterable[date]:
        """Those from first to last, both included, that it expects; ConfigError when it does not know."""


# --- clocks ------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time and chance, injected."""

    def now(self) -> datetime:
        """Aware, UTC."""

    def boottime(self) -> float:
        """Seconds that go on while the machine sleeps; for leases."""

    def monotonic(self) -> float:
        """Seconds for durations and timers."""

    def random(self) -> float:
        """From [0, 1)."""

    def token_bytes(self, count: int) -> bytes:
        """Unpredictable bytes, for nonces and ids."""
