from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.lake.compare import compare_columns, compare_rows

SAMPLE = 10


def compared(older, newer, key=(), sample=SAMPLE):
    columns = compare_columns(older.schema, newer.schema)
    return columns, compare_rows(older.lazy(), newer.lazy(), columns.common, key, sample)


def counts(rows):
    return rows.added, rows.removed, rows.changed, rows.unchanged


def test_by_key_rows_are_added_removed_changed():
    older = pl.DataFrame({"k": [1, 2, 3, None], "v": ["a", "b", "c", "d"], "w": [[1], [2], None, [4]]})
    newer = pl.DataFrame({"k": [1, 2, 4, None], "v": ["a", "x", "c", "d"], "w": [[1], [2], None, [5]]})
    _, rows = compared(older, newer, ["k"])
    assert (rows.key, counts(rows)) == (("k",), (1, 1, 2, 1))
    assert sorted((row["change"], str((row["after"] or row["before"])["k"])) for row in rows.sample) == [
        ("added", "4"),
        ("changed", "2"),
        ("changed", "None"),
        ("removed", "3"),
    ]
    changed = next(row for row in rows.sample if (row["after"] or {}).get("k") == 2)
    assert (changed["before"], changed["after"]) == ({"k": 2, "v": "b", "w": [2]}, {"k": 2, "v": "x", "w": [2]})


def test_a_key_that_is_not_unique_is_none():
    older = pl.DataFrame({"k": [1, 1], "v": ["a", "b"]})
    newer = pl.DataFrame({"k": [1, 1], "v": ["a", "c"]})
    _, rows = compared(older, newer, ["k"])
    assert (rows.key, counts(rows)) == ((), (1, 1, 0, 1))


def test_whole_rows_are_counted_as_often_as_they_are_there():
    older = pl.DataFrame({"v": ["a", "a", "b", None]})
    newer = pl.DataFrame({"v": ["a", "a", "a", None]})
    _, rows = compared(older, newer)
    assert counts(rows) == (1, 1, 0, 3)
    assert [(row["change"], row["before"], row["after"]) for row in rows.sample] == [
        ("added", None, {"v": "a"}),
        ("removed", {"v": "b"}, None),
    ]


def test_columns_that_differ_are_told_and_the_others_compared():
    older = pl.DataFrame({"k": [1, 2], "v": [1, 2], "gone": ["x", "y"], "odd": [1, 2]})
    newer = pl.DataFrame({"k": [1, 2], "v": [1.0, 2.5], "new": [True, False], "odd": ["1", "2"]})
    columns, rows = compared(older, newer, ["k"])
    assert (columns.added, columns.removed) == ({"new": "Boolean"}, {"gone": "String"})
    assert columns.retyped == {"v": ("Int64", "Float64"), "odd": ("Int64", "String")}
    assert list(columns.common) == ["k", "v"]
    assert counts(rows) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("older", "newer", "wanted"), [(0, 3, (3, 0, 0, 0)), (3, 0, (0, 3, 0, 0)), (0, 0, (0, 0, 0, 0))]
)
def test_what_showed_nothing_has_no_columns(older, newer, wanted):
    frames = [pl.DataFrame({"v": range(count)}) if count else pl.DataFrame() for count in (older, newer)]
    assert counts(compared(*frames)[1]) == wanted


def test_the_sample_is_limited():
    older = pl.DataFrame({"k": range(100), "v": [0] * 100})
    newer = pl.DataFrame({"k": range(100), "v": [1] * 100})
    _, rows = compared(older, newer, ["k"], 7)
    assert (rows.changed, len(rows.sample)) == (100, 7)


ROWS = st.lists(st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, "a", "b"])), max_size=8)


@given(ROWS, ROWS)
def test_whole_rows_against_a_counter(one, other):
    schema = {"x": pl.Int64, "y": pl.String}
    frames = [pl.DataFrame(rows, schema=schema, orient="row") for rows in (one, other)]
    left, right = Counter(one), Counter(other)
    _, rows = compared(*frames)
    wanted = ((right - left).total(), (left - right).total(), 0, (left & right).total())
    assert counts(rows) == wanted
