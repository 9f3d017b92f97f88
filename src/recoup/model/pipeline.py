"""What a user declares: a Pipeline of Steps, its Sources, and which partitions each step reads."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from recoup.model.errors import PipelineError
from recoup.model.keys import quoted
from recoup.model.partitioning import Partitioning
from recoup.model.policy import USUAL_LIMIT_SECONDS, Retry, seconds
from recoup.model.pool import Pool
from recoup.model.relation import Relation, Same
from recoup.model.rule import Rule, checked
from recoup.model.size import memory_bytes
from recoup.model.sql import Sql
from recoup.model.watermark import watermark_name

P = ParamSpec("P")
R = TypeVar("R")

RESERVED = frozenset({"manifests"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_OWN_MODES = ("now", "partition-end")


class SinkSpec(Protocol):
    """A declared place that a dataset is delivered to; plain data that can travel to a worker."""

    @property
    def kind(self) -> str:
        """The plug-in's name, such as `duckdb`."""

    @property
    def name(self) -> str:
        """What people call it in commands and messages."""

    @property
    def lane(self) -> str | None:
        """Deliveries with the same lane are made one after the other (an embedded database); None: side by side."""

    @property
    def pool(self) -> str | None:
        """Whose slots deliveries take where they are made side by side: a server's connections are not endless."""

    def check(self, key_names: str) -> None:
        """Refuse what cannot work for partitions of that key: a sink's own key contains it."""

    def to_json(self) -> dict[str, Any]:
        """What a worker needs to open it."""


@dataclass(frozen=True, slots=True)
class Input:
    """One argument of a step: which dataset, which of its partitions, and the share that must be there."""

    dataset: str
    relation: Relation
    complete: float = 1.0


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset that somebody else makes: recoup can only ask whether a partition is there.

    Give `files`, a pattern such as `"raw/dt={partition}/*.csv"`; or `probe`, a callable from partition key to bool or
    version (a str that changes when the content does); or `sql`. `load` turns the keys that are there into the step's
    argument; without it a step gets the list of files, or of keys.
    """

    name: str
    partitions: Partitioning
    files: str | None = None
    probe: Callable[[str], bool | str | None] | None = None
    load: Callable[[list[str]], Any] | None = None
    sql: Sql | None = None

    def __post_init__(self) -> None:
        check_name("source", self.name)
        if sum(way is not None for way in (self.files, self.probe, self.sql)) != 1:
            message = f"source {self.name!r} needs either files= or probe= or sql="
            raise PipelineError(message, "give it one of the three, so that recoup can ask what is there")
        if self.files is not None and "{partition}" not in self.files:
            message = f"source {self.name!r}: the pattern {self.files!r} does not say where the partition stands"
            raise PipelineError(message, "write {partition} where its key stands in the path")
        if self.sql is not None:
            self.sql.check(self.name, self.partitions)
            if self.sql.load is not None and self.load is not None:
                message = f"source {self.name!r} has two ways to load"
                raise PipelineError(message, "leave out load=, or the load of its Sql")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset that another pipeline of the same ledger makes; a Step of that pipeline says the same in its place."""

    name: str
    partitions: Partitioning

    def __post_init__(self) -> None:
        check_name("dataset", self.name)


@dataclass(eq=False)
class Step(Generic[P, R]):
    """A plain function that makes one dataset; calling it calls the function."""

    fn: Callable[P, R]
    name: str
    partitions: Partitioning
    inputs: Mapping[str, Input]
    given: Mapping[str, Source | Dataset]
    """What it reads that no step of its pipeline makes, by name."""
    pipeline: str = ""
    retry: Retry = field(default_factory=Retry)
    pool: str | None = None
    timeout_seconds: float | None = USUAL_LIMIT_SECONDS
    memory_bytes: int | None = None
    """What an attempt may take, where it has a worker process of its own; None: what there is."""
    version: str | None = None
    uses: tuple[Any, ...] = ()
    sink: SinkSpec | None = None
    label: str = ""
    may_be_empty: bool = False
    """Whether a partition without a row is as good as any; else the gate names it."""
    watermark: str | None = None
    """The name of what says up to when it has read."""

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the step as the plain function that it is."""
        return self.fn(*args, **kwargs)


class Pipeline:
    """A DAG of steps over partitions.

    >>> flights = Pipeline("flights", partitions=Daily("2013-01-01", "2013-12-31"))
    >>> @flights.step
    ... def raw_flights(ctx): ...
    """

    def __init__(
        self,
        name: str,
        *,
        partitions: Partitioning,
        pools: Mapping[str, Pool | int] | None = None,
        retry: Retry | None = None,
        timeout: str | float | timedelta | None = None,
        memory: str | int | None = None,
        rules: Sequence[Rule] = (),
        fresh_within: str | float | timedelta | None = None,
    ) -> None:
        """`retry`, `timeout` and `memory` hold for all steps that say nothing else.

        Without them: `Retry()`, one hour, and as much memory as there is.

        `rules` say of which kind a failure is, before the settings' own and before ours. `fresh_within` promises how
        old the newest partition of every step may be, from its end on; `recoup verify` holds it against that.
        """
        check_name("pipeline", name)
        self.name = name
        self.partitions = partitions
        self.retry = retry or Retry()
        self.timeout_seconds = (
            USUAL_LIMIT_SECONDS if timeout is None else seconds(timeout, f"pipeline {name!r}: timeout")
        )
        self.memory_bytes = None if memory is None else memory_bytes(memory, f"pipeline {name!r}: memory")
        self.pools = {pool: _pool(name, pool, value) for pool, value in (pools or {}).items()}
        self.rules = checked(rules)
        promised = None if fresh_within is None else seconds(fresh_within, f"pipeline {name!r}: fresh_within")
        self.fresh_within_seconds = promised
        self._steps: dict[str, Step[..., Any]] = {}
        self._as_of: dict[str, Callable[[str], datetime]] = {}

    @property
    def steps(self) -> Mapping[str, Step[..., Any]]:
        """The steps by name, in the order of their declaration."""
        return self._steps

    @property
    def as_of_modes(self) -> Mapping[str, Callable[[str], datetime]]:
        """The pipeline's own as-of modes by name."""
        return self._as_of

    def as_of(self, name: str) -> Callable[[Callable[[str], datetime]], Callable[[str], datetime]]:
        """Define an as-of mode: from a partition's key to the moment up to which data may be used."""
        check_name("as-of mode", name)
        if name in _OWN_MODES or name in self._as_of:
            message = f"pipeline {self.name!r}: there is an as-of mode {name!r} already"
            raise PipelineError(message, "give this one another name")

        def define(fn: Callable[[str], datetime]) -> Callable[[str], datetime]:
            self._as_of[name] = fn
            return fn

        return define

    @overload
    def step(self, fn: Callable[P, R], /) -> Step[P, R]: ...

    @overload
    def step(
        self,
        /,
        *,
        name: str | None = None,
        partitions: Partitioning | None = None,
        retry: Retry | None = None,
        pool: str | None = None,
        timeout: str | float | timedelta | None = None,
        memory: str | int | None = None,
        version: str | None = None,
        uses: Iterable[Any] = (),
        sink: SinkSpec | None = None,
        label: str = "",
        may_be_empty: bool = False,
        watermark: str | None = None,
    ) -> Callable[[Callable[P, R]], Step[P, R]]: ...

    def step(
        self,
        fn: Callable[P, R] | None = None,
        /,
        *,
        name: str | None = None,
        partitions: Partitioning | None = None,
        retry: Retry | None = None,
        pool: str | None = None,
        timeout: str | float | timedelta | None = None,
        memory: str | int | None = None,
        version: str | None = None,
        uses: Iterable[Any] = (),
        sink: SinkSpec | None = None,
        label: str = "",
        may_be_empty: bool = False,
        watermark: str | None = None,
    ) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
        """Declare a step; its name is its dataset's name, its arguments are its inputs.

        An expected partition for which it returns no row is incomplete to the gate, unless it `may_be_empty`. Of the
        `watermark` it reads the value as `ctx.watermark`, and says how far it has come with `ctx.advance(to)`.
        """

        def declare(function: Callable[P, R]) -> Step[P, R]:
            step_name = name or str(getattr(function, "__name__", ""))  # a partial has none
            check_name("step", step_name)
            if step_name in self._steps:
                message = f"pipeline {self.name!r} has two steps named {step_name!r}"
                raise PipelineError(message, "rename one of them, or give it name=")
            inputs, given = _read_signature(self.name, step_name, function)
            limit = self.timeout_seconds if timeout is None else seconds(timeout, f"step {step_name!r}: timeout")
            most = self.memory_bytes if memory is None else memory_bytes(memory, f"step {step_name!r}: memory")
            step = Step(
                fn=function,
                name=step_name,
                partitions=partitions or self.partitions,
                inputs=inputs,
                given=given,
                pipeline=self.name,
                retry=retry or self.retry,
                pool=pool,
                timeout_seconds=limit,
                memory_bytes=most,
                version=version,
                uses=tuple(uses),
                sink=sink,
                label=label,
                may_be_empty=may_be_empty,
                watermark=None if watermark is None else watermark_name(watermark),
            )
            self._steps[step_name] = step
            return step

        return declare if fn is None else declare(fn)


@dataclass(frozen=True, slots=True)
class Reading:
    """What `lookback`, `within` and the like give as the default of a step's argument."""

    of: Step[..., Any] | Source | Dataset
    relation: Relation
    complete: float


def check_name(what: str, name: str) -> None:
    """Names become folders, columns and arguments: letters, digits, `_` and `-`, at most 100."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = f"{what} name {quoted(name)} cannot be used"
        raise PipelineError(message, "begin with a letter and use letters, digits, _ and - only, at most 100")
    if name in RESERVED:
        message = f"{what} name {name!r} is taken: the lake has a folder of that name"
        raise PipelineError(message, "choose another name")


def _pool(pipeline: str, name: str, value: Pool | int) -> Pool:
    try:
        return Pool.of(value)
    except PipelineError as error:
        message = f"pipeline {pipeline!r}, pool {name!r}: {error}"
        raise PipelineError(message, error.remedy) from error


def _read_signature(
    pipeline: str, step: str, fn: Callable[..., Any]
) -> tuple[dict[str, Input], dict[str, Source | Dataset]]:
    """Inputs by argument, and those of them that somebody else makes; the first argument is the context."""
    inputs: dict[str, Input] = {}
    given: dict[str, Source | Dataset] = {}
    arguments = list(inspect.signature(fn).parameters.values())
    if not arguments or arguments[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        message = f"step {step!r} has no first argument for its context"
        raise PipelineError(message, f"write def {step}(ctx, …)")
    for argument in arguments[1:]:
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD, argument.POSITIONAL_ONLY):
            message = f"step {step!r}: {argument} cannot name an input"
            raise PipelineError(message, "name each input as an argument of its own")
        default = argument.default
        if isinstance(default, Reading):
            of, relation, complete = default.of, default.relation, default.complete
        elif isinstance(default, Step | Source | Dataset):
            of, relation, complete = default, Same(), 1.0
        elif default is argument.empty:
            inputs[argument.name] = Input(argument.name, Same())
            continue
        else:
            continue  # an ordinary default value: not an input
        inputs[argument.name] = Input(of.name, relation, complete)
        if not isinstance(of, Step):
            given[of.name] = of
        elif of.pipeline != pipeline:
            given[of.name] = Dataset(of.name, of.partitions)
    return inputs, given
