"""Planes as the writer keeps them, and as a reader is given them."""

import sqlite3
from pathlib import Path

import pytest

from recoup.ledger.facts import NodeId
from recoup.ledger.planes import CODE, PUBLISHED, PlaneCache
from recoup.ledger.reader import LedgerReader
from recoup.ledger.schema import TABLES, VIEWS
from recoup.model.partition import CHUNK_BITS, PartitionSet

OLD, NEW = f"{CODE}1", f"{CODE}2"


@pytest.fixture
def db():
    db = sqlite3.connect(":memory:")
    db.executescript(TABLES + VIEWS)
    yield db
    db.close()


def made(cache, version, ordinals):
    for ordinal in ordinals:
        cache.clear_family(1, CODE, ordinal, but=version)
        cache.mark(1, version, ordinal)
    cache.flush()


def kept(db):
    return db.execute("SELECT plane, chunk FROM planes ORDER BY plane, chunk").fetchall()


def test_what_all_was_made_again_by_newer_code_leaves_nothing_of_the_older(db):
    cache = PlaneCache(db)
    both = [1, CHUNK_BITS]
    made(cache, OLD, both)
    made(cache, NEW, both[:1])
    assert kept(db) == [(OLD, 1), (NEW, 0)]
    assert cache.names(1) == {OLD, NEW}

    made(cache, NEW, both[1:])
    assert kept(db) == [(NEW, 0), (NEW, 1)]
    assert cache.names(1) == PlaneCache(db).names(1) == {NEW}

    made(cache, OLD, both[:1])  # somebody took the edit back
    assert kept(db) == [(OLD, 0), (NEW, 1)]
    assert cache.has(1, OLD, 1)
    assert not cache.has(1, NEW, 1)


def test_an_empty_chunk_of_another_plane_stays(db):
    cache = PlaneCache(db)
    cache.mark(1, PUBLISHED, 1)
    cache.clear(1, PUBLISHED, 1)
    cache.flush()
    assert kept(db) == [(PUBLISHED, 0)]


def test_a_reader_reads_the_planes_of_whom_it_was_asked_for(db):
    cache = PlaneCache(db)
    for node in (1, 2, 3):
        cache.mark(node, PUBLISHED, node)
    cache.flush()
    reader = LedgerReader(Path("unused"), db)
    read: list[str] = []
    db.set_trace_callback(read.append)
    assert reader.planes(map(NodeId, (1, 3, 9))) == {
        1: {PUBLISHED: PartitionSet.of([1])},
        3: {PUBLISHED: PartitionSet.of([3])},
        9: {},
    }
    (plan,) = [row for row in db.execute(f"EXPLAIN QUERY PLAN {read[0]}").fetchall() if " p " in f"{row[3]} "]
    assert "SEARCH p USING PRIMARY KEY (node=?)" in plan[3]
