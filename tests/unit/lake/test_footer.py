import random
from datetime import UTC, datetime

import polars as pl
import pytest

from recoup.lake.footer import rows_in

FRAMES = {
    "none": pl.DataFrame(schema={"a": pl.Int64}),
    "one": pl.DataFrame({"a": [1]}),
    "many columns": pl.DataFrame({f"c{n}": [n] * 3 for n in range(300)}),
    "nested": pl.DataFrame({"a": [{"b": [1, 2], "c": {"d": "x"}}] * 7, "e": [[["x"]]] * 7}),
    "all kinds": pl.DataFrame(
        {"a": [True, None], "b": [datetime(2024, 1, 1, tzinfo=UTC)] * 2, "c": ["ü", ""], "d": [b"", b"\0"]},
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_it_says_how_many_rows_there_are(tmp_path, name):
    FRAMES[name].write_parquet(tmp_path / "a.parquet")
    assert rows_in(str(tmp_path / "a.parquet")) == FRAMES[name].height


def test_a_footer_longer_than_what_is_read_at_first(tmp_path):
    frame = pl.DataFrame({f"column {n}": range(2_000) for n in range(20)})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=10)
    data = (tmp_path / "a.parquet").read_bytes()
    assert int.from_bytes(data[-8:-4], "little") > 64 << 10
    assert rows_in(str(tmp_path / "a.parquet")) == 2_000


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\xff\xff\xff\x7fPAR1", b"a,b\n1,2\n3,4\n5,6\n"]
)
def test_what_is_no_parquet_is_refused(tmp_path, data):
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(ValueError, match=r"it|footer"):
        rows_in(str(tmp_path / "a.parquet"))


def test_bytes_that_were_changed_are_a_value_error_or_a_number(tmp_path):
    chance = random.Random(7)
    FRAMES["nested"].write_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    footer, wrong = int.from_bytes(whole[-8:-4], "little"), 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(5):
            data[-chance.randrange(9, footer + 9)] = chance.randrange(256)
        (tmp_path / "a.parquet").write_bytes(data)
        try:
            rows_in(str(tmp_path / "a.parquet"))
        except ValueError:
            wrong += 1
    assert wrong
