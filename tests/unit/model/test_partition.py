"""PartitionSet behaves like a Python set of ints, only faster."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.model.partition import CHUNK_BITS, EMPTY, ROW_BITS, PartitionSet

ordinals = st.integers(0, 3 * CHUNK_BITS)
cells = st.builds(lambda row, column: row << ROW_BITS | column, st.integers(0, 3), ordinals)
sparse = st.sets(st.one_of(ordinals, cells), max_size=60)
runs = st.builds(
    lambda starts, length: {o for start in starts for o in range(start, start + length)},
    st.sets(ordinals, max_size=8),
    st.integers(1, 200),
)
sets = st.one_of(sparse, runs)
bounds = st.integers(-10, 4 * CHUNK_BITS)


@given(sets, sets)
def test_the_operators_are_those_of_sets(a, b):
    one, other = PartitionSet.of(a), PartitionSet.of(b)

    assert set(one | other) == a | b
    assert set(one & other) == a & b
    assert set(one - other) == a - b
    assert set(one ^ other) == a ^ b
    assert (one == other) == (a == b)
    assert hash(one) == hash(PartitionSet.of(sorted(a, reverse=True)))


@given(sets, ordinals)
def test_it_has_the_members_that_it_was_made_of(a, ordinal):
    made = PartitionSet.of(a)

    assert list(made) == sorted(a)
    assert len(made) == len(a)
    assert bool(made) == bool(a)
    assert (ordinal in made) == (ordinal in a)
    assert made.first == min(a, default=None)
    assert made.last == max(a, default=None)


@given(sets)
def test_ranges_are_the_maximal_runs(a):
    found = list(PartitionSet.of(a).ranges())

    assert [o for run in found for o in run] == sorted(a)
    assert all(left.stop < right.start for left, right in pairwise(found))


@given(sets, bounds, bounds)
def test_parts_of_a_range(a, lo, hi):
    inside = {o for o in a if lo <= o < hi}

    assert set(PartitionSet.of(a).within(range(lo, hi))) == inside
    assert PartitionSet.of(a).count(range(lo, hi)) == len(inside)


@given(sets, ordinals, st.integers(0, 4))
def test_parts_of_a_column(a, column, rows):
    span = range(column, rows << ROW_BITS, 1 << ROW_BITS)
    made = PartitionSet.of(a)

    assert set(made.within(span)) == a & set(span)
    assert made.count(span) == made.counts().count(span) == len(a & set(span))


@given(sets)
def test_rows_take_a_set_apart_and_put_it_together(a):
    made = PartitionSet.of(a)

    assert {row << ROW_BITS | column for row, columns in made.rows().items() for column in columns} == a
    columns = {o for o in a if o < 1 << ROW_BITS}
    assert set(PartitionSet.of(columns).in_rows([2, 5])) == {o | row << ROW_BITS for o in columns for row in (2, 5)}


@given(sets, st.lists(st.tuples(bounds, bounds), max_size=20))
def test_counts_of_many_ranges(a, questions):
    made = PartitionSet.of(a)
    counts = made.counts()

    for start, stop in questions:
        assert counts.count(range(start, stop)) == made.count(range(start, stop))


@given(sets, st.integers(-2 * CHUNK_BITS, 2 * CHUNK_BITS))
def test_shift_moves_every_ordinal_and_drops_what_falls_below_zero(a, distance):
    assert set(PartitionSet.of(a).shift(distance)) == {o + distance for o in a if o + distance >= 0}


@given(sets)
def test_chunks_take_a_set_apart_and_put_it_together(a):
    chunks = list(PartitionSet.of(a).chunks())

    assert [index for index, _ in chunks] == sorted({o // CHUNK_BITS for o in a})
    assert all(len(chunk) == 512 and any(chunk) for _, chunk in chunks)
    assert set(PartitionSet.from_chunks(reversed(chunks))) == a


def test_a_chunk_is_little_endian():
    assert list(PartitionSet.of([CHUNK_BITS + 9]).chunks()) == [(1, b"\x00\x02" + bytes(510))]


@pytest.mark.parametrize("chunk", [(0, b"\x01"), (0, bytes(513)), (-1, bytes(512))])
def test_a_chunk_of_another_shape_is_refused(chunk):
    with pytest.raises(ValueError, match="chunk"):
        PartitionSet.from_chunks([chunk])


@given(bounds, bounds, st.integers(1, 5))
def test_of_range(lo, hi, step):
    asked = range(max(lo, 0), hi, step)

    assert list(PartitionSet.of_range(asked)) == list(asked)


def test_the_empty_set():
    assert PartitionSet() == EMPTY == PartitionSet.of([]) == PartitionSet.from_chunks([])
    assert not EMPTY
    assert [*EMPTY, *EMPTY.ranges(), *EMPTY.chunks()] == []
    assert repr(EMPTY) == "PartitionSet(empty)"


def test_ordinals_are_never_negative():
    assert -1 not in PartitionSet.of([0])
    with pytest.raises(ValueError, match="-1"):
        PartitionSet.of([3, -1])
    with pytest.raises(ValueError, match="-1"):
        PartitionSet.of_range(range(-1, 3))


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        EMPTY.bits = 1  # type: ignore[attr-defined]


def test_a_long_set_has_a_short_text():
    assert repr(PartitionSet.of_range(range(5, 100_000))) == "PartitionSet(99995 in 5…99999)"


def test_a_million_ordinals_in_ten_thousand_runs():
    made = PartitionSet.of(o for start in range(0, 1_000_000, 100) for o in range(start, start + 60))

    assert list(made.ranges()) == [range(start, start + 60) for start in range(0, 1_000_000, 100)]
