"""Nurseries for all crash tests, and time for those that take long."""

import faulthandler
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from tests.crash.nursery import Nurseries, Nursery

LANES = 2
"""How many projects are killed at once."""


@pytest.fixture(scope="session")
def nurseries() -> Iterator[Nurseries]:
    """Those that have nothing to do."""
    idle: Nurseries = SimpleQueue()
    made = [Nursery() for _ in range(LANES)]
    for nursery in made:
        idle.put(nursery)
    yield idle
    for nursery in made:
        nursery.close()


@pytest.fixture
def nursery(nurseries: Nurseries) -> Iterator[Nursery]:
    """One of them."""
    mine = nurseries.get()
    yield mine
    nurseries.put(mine)


@pytest.fixture(autouse=True)
def _unhurried(request: pytest.FixtureRequest) -> None:
    """A soak run may take longer than any other test is given."""
    if request.node.get_closest_marker("soak"):
        faulthandler.cancel_dump_traceback_later()
