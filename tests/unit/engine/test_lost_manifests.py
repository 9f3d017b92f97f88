"""The mark says up to which attempt all manifests are there; it never passes one that may still be owed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import recoup as rc
from recoup.engine.lost_manifests import mark_manifests, rewrite_lost_manifests
from recoup.engine.runs import grain_of
from recoup.lake import layout
from recoup.lake.memory import MemoryStore
from recoup.ledger.facts import Claim, Measured, Publication, Succeeded
from recoup.ledger.leases import ControllerLease, void_dead
from recoup.ledger.registry import register_node
from recoup.ledger.writer import Ledger
from recoup.model.graph import Graph
from recoup.testing.clock import FakeClock


def graph() -> Graph:
    pipeline = rc.Pipeline("p", partitions=rc.Daily("2013-01-01", "2013-12-31", key="dt"))

    @pipeline.step
    def fetch(ctx): ...

    return Graph.of(pipeline)


class World:
    """Controllers that publish days of one step without a table, and have not written a manifest yet."""

    def __init__(self, folder: Path) -> None:
        self.graph = graph()
        self.node = self.graph.nodes[0]
        self.ledger = Ledger(folder / "ledger.db", FakeClock())
        self.store = MemoryStore()
        with self.ledger.transaction() as tx:
            identity = self.node.partitions.identity()
            self.id = register_node(
                tx, self.ledger, name="fetch", pipeline="p", kind="step", label="", partitioning=identity
            )

    def lease(self) -> ControllerLease:
        return ControllerLease(self.ledger, "ann")

    def make(self, lease: ControllerLease, day: str) -> None:
        ordinal = self.node.partitions.ordinal(day)
        with self.ledger.transaction() as tx:
            run = tx.open_run(f"r-{day}", "p", grain_of(self.node.partitions), ordinal, day, tx.now)
            [ours] = tx.claim([Claim(self.id, ordinal, run, "missing", "c1")], lease.controller, None)
        with self.ledger.transaction() as tx:
            publication = Publication(ours.token, self.id, ordinal, run.run, "d", "c1", "", tx.now)
            tx.succeed([Succeeded(publication, Measured(tx.now, tx.now))])

    def begin(self, lease: ControllerLease) -> int:
        with self.ledger.transaction() as tx:
            void_dead(tx, self.ledger.path, lease.controller)
        return self.rewrite(lease, None)

    def rewrite(self, lease: ControllerLease, since: int | None) -> int:
        return rewrite_lost_manifests(self.ledger, lease.controller, self.store, self.graph, [self.id], since)

    def end(self, lease: ControllerLease, there: int) -> None:
        there = self.rewrite(lease, there)
        with self.ledger.transaction() as tx:
            mark_manifests(tx, "p", there)
            lease.end(tx)
        lease.close()

    def manifests(self) -> list[str]:
        places = (layout.place_of(found.key) for found in self.store.list(layout.MANIFESTS))
        return [place.partition for place in places if place and place.kind is layout.PlaceKind.MANIFEST]


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.ledger.close()


def test_what_the_dead_left_is_written_again_once(world):
    dead = world.lease()
    world.make(dead, "2013-01-01")
    dead.close()

    me = world.lease()
    world.end(me, world.begin(me))
    assert world.manifests() == ["2013-01-01"]

    world.store.delete(["manifests/fetch/dt=2013-01-01/run=r-2013-01-01/manifest.json"])
    me = world.lease()
    world.begin(me)
    assert world.manifests() == [], "the mark says that it was there"
    me.close()


@pytest.mark.parametrize("before", [True, False], ids=["before us", "beside us"])
def test_what_a_live_one_may_not_have_written_yet_is_looked_for_when_it_has_died(world, before):
    other = world.lease()
    if before:
        world.make(other, "2013-01-01")
    me = world.lease()
    there = world.begin(me)
    assert world.manifests() == [], "it writes its own"
    if not before:
        world.make(other, "2013-01-01")
    world.make(me, "2013-01-02")
    world.end(me, there)
    other.close()  # killed: it did not write it

    me = world.lease()
    world.begin(me)
    assert "2013-01-01" in world.manifests()
    me.close()


def test_what_one_left_that_died_beside_us_is_written_again_when_we_end(world):
    other = world.lease()
    me = world.lease()
    there = world.begin(me)
    world.make(other, "2013-01-01")
    other.close()
    with world.ledger.transaction() as tx:
        void_dead(tx, world.ledger.path, me.controller)
    world.make(me, "2013-01-02")
    world.end(me, there)
    assert world.manifests() == ["2013-01-01"], "ours is for us to write"
