"""One attempt, on the worker's side: read the pinned inputs, call the step, stage what it returns.

Nothing here opens the ledger, and nothing is raised: a failure is part of the result.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from recoup.engine.context import Context
from recoup.engine.lines import show_lines
from recoup.engine.loader import SourceLoader
from recoup.engine.surroundings import surroundings
from recoup.lake.data_files import uri_of
from recoup.lake.disk import FsyncFailedError
from recoup.model.errors import CorruptError, StepReturnError
from recoup.model.failure import Failure, FailureKind
from recoup.model.graph import Graph, Node
from recoup.model.keys import sides_of
from recoup.model.pipeline import Step
from recoup.model.redact import Redact
from recoup.model.relation import Same
from recoup.model.rule import Rule
from recoup.model.watermark import microseconds, moment_at
from recoup.ports import Database, Delivery, ObjectStore, Sink
from recoup.recovery.classify import classify

_NOT_OURS = frozenset({"site-packages", "dist-packages", ".venv"})
SinkOpener = Callable[[Mapping[str, Any]], Sink]


class AttemptPerformer:
    """What a worker does with a task: a step's attempt, or a delivery."""

    def __init__(
        self,
        graph: Graph,
        *,
        open_store: Callable[[], ObjectStore],
        open_sink: SinkOpener,
        open_database: Callable[[str], Database],
        root: Path,
        redact: Redact,
        rules: Sequence[Rule] = (),
    ) -> None:
        show_lines()
        self._graph = graph
        self._open_store = open_store
        self._open_sink = open_sink
        self._held = _Held(lambda: SourceLoader(root, open_database))
        self._redact = redact
        self._root = root
        self._rules = rules
        self._eager = {node.index: _eager_arguments(node.step) for node in graph.nodes if node.step}

    @cached_property
    def _store(self) -> ObjectStore:
        """The lake, opened by the first attempt that reads or makes a table."""
        return self._open_store()

    def __call__(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry one task out; the result says when it ran, what it made or why it failed."""
        node = self._graph.nodes[body["node"]]
        started = time.time()  # noqa: TID251 - the worker measures; nobody injects a clock across a process
        try:
            result = self._deliver(node, body) if "delivery" in body else self._step(node, body)
        except BaseException as error:  # noqa: BLE001 - whatever a step raises is a failure of this attempt, never of the worker
            result = self._failed(error, node, body)
        return {**result, "started": started, "ended": time.time()}  # noqa: TID251 - as above

    def coroutine(self, body: Mapping[str, Any]) -> Coroutine[Any, Any, dict[str, Any]] | None:
        """The same, to be awaited, for an `async def` step; being cancelled from outside is nobody's failure."""
        node = self._graph.nodes[body["node"]]
        awaited = "delivery" not in body and node.step is not None and inspect.iscoroutinefunction(node.step.fn)
        return self._awaited(node, body) if awaited else None

    def idle(self) -> None:
        """Nothing waits: let go of embedded databases, so that people can query them, and of connections."""
        for sink in self._held.sinks.values():
            sink.close()
        self._held.loader.close()

    async def _awaited(self, node: Node, body: Mapping[str, Any]) -> dict[str, Any]:
        import asyncio  # late, as below: only async steps pay for it

        started = time.time()  # noqa: TID251 - as above
        try:
            result = await self._step_awaited(node, body)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            result = self._failed(error, node, body)
        except BaseException as error:  # noqa: BLE001 - as above
            result = self._failed(error, node, body)
        return {**result, "started": started, "ended": time.time()}  # noqa: TID251 - as above

    def _step(self, node: Node, body: Mapping[str, Any]) -> dict[str, Any]:
        assert node.step is not None
        context = _context(self._graph, node, body)
        returned = node.step.fn(context, **self._arguments(node, body))
        if inspect.iscoroutine(returned):
            returned.close()
            raise StepReturnError("the step returned a coroutine that nobody awaits", "declare it with `async def`")
        staged = self._stage(node, body, returned) if returned is not None else {}
        return _told(staged, context)

    async def _step_awaited(self, node: Node, body: Mapping[str, Any]) -> dict[str, Any]:
        """What blocks, reading and staging, happens in threads of the loop: others wait on it meanwhile."""
        from asyncio import to_thread

        assert node.step is not None
        context = _context(self._graph, node, body)
        arguments = await to_thread(self._arguments, node, body) if body.get("inputs") else {}
        returned = await node.step.fn(context, **arguments)
        staged = await to_thread(self._stage, node, body, returned) if returned is not None else {}
        return _told(staged, context)

    def _arguments(self, node: Node, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._argument(node, name, given) for name, given in body.get("inputs", {}).items()}

    def _stage(self, node: Node, body: Mapping[str, Any], returned: object) -> dict[str, Any]:
        from recoup.lake.staging import stage  # polars is heavy: a pipeline without tables never loads it

        staged = stage(
            self._store,
            returned,
            dataset=node.name,
            key=node.partitions.key,
            partition=body["partition"],
            run_id=body["run_id"],
            attempt=body["attempt"],
            nonce=body["nonce"],
            sync=True,
        )
        files = [[f.path, f.rows, f.size_bytes, f.digest] for f in staged.files]
        return {"files": files, "columns": dict(staged.columns), "rows": staged.rows}

    def _argument(self, node: Node, name: str, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the step reads
        """A lazy frame of the pinned files; a source's own way to load; None for what makes no table."""
        edge = next(edge for edge in node.edges if edge.argument == name)
        parent = self._graph.nodes[edge.parent]
        if parent.source is not None:
            loaded = self._held.loader.load(parent, given["partitions"])
            is_frame = parent.source.sql is not None and parent.source.sql.load is not None
            return loaded.lazy() if is_frame and name not in self._eager[node.index] else loaded
        if not given["files"] and not given.get("columns"):
            return None
        from recoup.lake.scan import scan

        key = None if isinstance(edge.relation, Same) else parent.partitions.key
        beside = given.get("partition_of")
        frame = scan(self._store, given["files"], key=key, columns=given.get("columns"), partition_of=beside)
        return frame.collect() if name in self._eager[node.index] else frame

    def _deliver(self, node: Node, body: Mapping[str, Any]) -> dict[str, Any]:
        assert node.sink is not None
        sinks = self._held.sinks
        if node.name not in sinks:
            sinks[node.name] = self._open_sink(node.sink.to_json())
        given = body["delivery"]
        held = sinks[node.name].deliver(
            Delivery(
                dataset=given["dataset"],
                key=node.partitions.key,
                partition=body["partition"],
                run_id=given["run_id"],
                token=given["token"],
                digest=given["digest"],
                files=tuple(uri_of(self._store, path) for path in given["files"]),
                storage_options=self._store.storage_options(),
                member_key=side.key if (side := node.partitions.member_side) else None,
                anew=given["anew"],
            )
        )
        return {"rows": held.rows}

    def _failed(self, error: BaseException, node: Node, body: Mapping[str, Any]) -> dict[str, Any]:
        """As a result; what was meant for a whole process or loop, or a panic of polars, fails this attempt alone."""
        sys.stderr.write(self._redact("".join(traceback.format_exception(error))))
        if isinstance(error, SystemExit):
            what = f"the step called sys.exit({error.code!r})"
            error = RuntimeError(what).with_traceback(error.__traceback__)
        unfit = {"unfit": [error.message, error.remedy]} if isinstance(error, FsyncFailedError) else {}
        failure = self._failure(error, node)
        if _may_be_an_input(error, failure) and (corrupt := self._corrupt_input(body)):
            failure = self._failure(corrupt.with_traceback(error.__traceback__), node)
        return {"failure": failure.to_json(), **unfit}

    def _corrupt_input(self, body: Mapping[str, Any]) -> CorruptError | None:
        """The first of the pinned files that is not what was published."""
        from recoup.lake.soundness import corrupt_file  # only when something has failed

        given = [*body.get("inputs", {}).values(), body.get("delivery", {})]
        found = (corrupt_file(self._store, path) for one in given for path in one.get("files", ()))
        return next((error for error in found if error is not None), None)

    def _failure(self, error: BaseException, node: Node) -> Failure:
        """Classified, with the innermost line of the project's own code as its place, and what stands around it."""
        failure = classify(error, self._place(error, node), self._redact, self._rules)
        found = surroundings(error, failure, self._root, self._redact)
        return replace(failure, evidence={**failure.evidence, **found}) if found else failure

    def _place(self, error: BaseException, node: Node) -> str:
        """`sales:17`; `prices.py:read:5` where that is in another module than the step."""
        own = inspect.getsourcefile(node.step.fn) if node.step else None
        frames = [
            f for f in traceback.extract_tb(error.__traceback__) if f.filename == own or self._is_ours(f.filename)
        ]
        if not frames:
            return ""
        last = frames[-1]
        line = f"{last.name}:{last.lineno}"
        return line if last.filename == own else f"{Path(last.filename).name}:{line}"

    def _is_ours(self, filename: str) -> bool:
        return filename.startswith(f"{self._root}{os.sep}") and not _NOT_OURS.intersection(Path(filename).parts)


def _may_be_an_input(error: BaseException, failure: Failure) -> bool:
    """Whether a torn file can look like that: to look is to read all inputs, so a step's own errors are believed."""
    strange = failure.kind is FailureKind.UNKNOWN and type(error).__module__ != "builtins"
    return strange or failure.kind in (FailureKind.MISSING, FailureKind.CORRUPT)


class _Held(threading.local):
    """What a thread keeps between two tasks: a connection belongs to the thread that opened it."""

    def __init__(self, loader: Callable[[], SourceLoader]) -> None:
        self.sinks: dict[str, Sink] = {}
        self.loader = loader()


def _told(staged: dict[str, Any], context: Context) -> dict[str, Any]:
    """What was staged, and what the step said beside it."""
    said: dict[str, Any] = {"counters": context.counters, "members": context.arrived}
    if context.advanced:
        said["watermark"] = microseconds(max(context.advanced))
    return {**staged, **{name: what for name, what in said.items() if what}}


def _watermark(body: Mapping[str, Any]) -> datetime | None:
    value = body.get("watermark")
    return None if value is None else moment_at(value)


def _context(graph: Graph, node: Node, body: Mapping[str, Any]) -> Context:
    partitions = node.partitions
    return Context(
        pipeline=graph.pipeline,
        step=node.name,
        partition=body["partition"],
        run_id=body["run_id"],
        run_as_of=datetime.fromtimestamp(body["run_as_of"], UTC),
        attempt=body["attempt"],
        span=partitions.span(body["ordinal"]) if partitions.is_time else None,
        backfill_id=body.get("backfill_id"),
        watermark=_watermark(body),
        has_watermark=node.step is not None and node.step.watermark is not None,
        keys=sides_of(partitions.key, body["partition"]),
        fit=graph.check_members,
        there={name: tuple(given["partitions"]) for name, given in body.get("inputs", {}).items()},
    )


def _eager_arguments(step: Step[..., Any]) -> frozenset[str]:
    """Arguments that are declared as `DataFrame`: they get one, not a lazy frame."""
    parameters = inspect.signature(step.fn).parameters.values()
    return frozenset(p.name for p in parameters if re.search(r"\bDataFrame\b", str(p.annotation)))
