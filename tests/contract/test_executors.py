"""The executors that recoup ships keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recoup.executors.inline import Inline
from recoup.executors.processes import Processes
from recoup.executors.threads import Threads
from recoup.ports import Executor
from recoup.testing.executors import ExecutorContract
from recoup.testing.performers import make


class TestInline(ExecutorContract):
    can_kill = False
    holds_memory = False
    apart = False

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        inline = Inline(make({}))
        inline.open()
        yield inline
        inline.close()


class TestThreads(ExecutorContract):
    holds_memory = False
    apart = False

    @pytest.fixture(params=[1, 3, 100], ids=["one", "three", "hundred"])
    def executor(self, request: pytest.FixtureRequest) -> Iterator[Executor]:
        threads = Threads(request.param, make({}))
        threads.open()
        yield threads
        threads.close()


class TestProcesses(ExecutorContract):
    @pytest.fixture(params=[1, 3], ids=["one", "three"])
    def executor(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
        processes = Processes(request.param, "recoup.testing.performers:make", {}, tmp_path / "logs")
        processes.open()
        yield processes
        processes.close()
        assert not list((tmp_path / "logs").glob("*.json"))
