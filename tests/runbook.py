"""The `runbook` mark: which conformance rows a test shows, and how that test went the last time it ran.

Outcomes are kept in pytest's cache under the test's id; `tools/conformance.py` reads them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

# Section → (rows that are said, rows that are implied). Ids are fixed for good.
SECTIONS = {"A": (40, 4), "B": (69, 5), "C": (23, 3), "D": (51, 2), "E": (59, 4)}
OUTCOMES = "recoup/outcomes"
SEEN = pytest.StashKey[dict[str, str]]()


def rows_of(section: str) -> list[str]:
    """All ids of a section, in order: A-01 … A-40, A-i1 … A-i4."""
    said, implied = SECTIONS[section]
    return [f"{section}-{n:02}" for n in range(1, said + 1)] + [f"{section}-i{n}" for n in range(1, implied + 1)]


ROWS = frozenset(row for section in SECTIONS for row in rows_of(section))


@dataclass(frozen=True, slots=True)
class Shown:
    """One test's claim to show one row; `spelling` where our command is spelt otherwise than the row has it."""

    row: str
    test: str
    spelling: str | None


def shown_by(item: pytest.Item) -> Iterator[Shown]:
    """Each row that a test's marks name, and complain about a mark that cannot be read."""
    for mark in item.iter_markers("runbook"):
        unknown = [row for row in mark.args if row not in ROWS]
        if unknown or not mark.args or mark.kwargs.keys() - {"spelling"}:
            wrong = f"unknown rows {unknown}" if unknown else "write it as runbook('B-17', …, spelling='…')"
            raise pytest.UsageError(f"{item.nodeid}: runbook mark: {wrong}")
        for row in mark.args:
            yield Shown(row, item.nodeid, mark.kwargs.get("spelling"))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SEEN] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for _ in shown_by(item):
            pass


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Remember the worst phase of a marked test: setup, call or teardown."""
    report = yield
    if item.get_closest_marker("runbook"):
        seen = item.config.stash[SEEN]
        outcome = "xfailed" if report.skipped and hasattr(report, "wasxfail") else report.outcome
        if outcome != "passed" or item.nodeid not in seen:
            seen[item.nodeid] = outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Add this run's outcomes to those of earlier runs: a run of one file forgets nothing."""
    seen = session.config.stash[SEEN]
    if hasattr(session.config, "workeroutput"):  # one of several processes: the one that started them writes
        session.config.workeroutput["runbook"] = seen
        return
    cache = getattr(session.config, "cache", None)
    if seen and cache is not None:
        cache.set(OUTCOMES, {**cache.get(OUTCOMES, {}), **seen})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    """What a process that ran some of the tests has seen."""
    node.config.stash[SEEN].update(getattr(node, "workeroutput", {}).get("runbook", {}))
