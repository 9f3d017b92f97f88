"""What every sink must do: whoever adds one subclasses `SinkContract` and gives it two fixtures."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from recoup.model.errors import FencedError, RecoupError
from recoup.ports import Delivery, Held, Sink

Row = Mapping[str, Any]
Rows = Callable[[str], list[Row]]

DATASET = "facts"
KEY = "dt"
MONDAY, TUESDAY = "2013-01-07", "2013-01-08"

DAY_ONE = pl.DataFrame(
    {
        "name": ["ä", "b", "c'; --", ""],
        "count": [1, None, -(2**62), 0],
        "share": [0.1, float("inf"), None, -0.0],
        "seen_at": [datetime(2013, 1, 7, 23, 59, 59, 999_999, tzinfo=UTC), None, None, None],
        "is_late": [True, False, None, True],
    },
    schema={
        "name": pl.String,
        "count": pl.Int64,
        "share": pl.Float64,
        "seen_at": pl.Datetime("us", "UTC"),
        "is_late": pl.Boolean,
    },
)
DAY_ONE_AGAIN = (
    DAY_ONE.with_columns(count=pl.Series([7, None, 8, 0]))
    .slice(1)
    .vstack(DAY_ONE.head(1).with_columns(name=pl.lit("new")))
)


class SinkContract:
    """Delivers small runs of the dataset `facts` to the table `facts`, whose key is (`dt`, `name`).

    Fixtures that a subclass gives: `sink`, new, its table not made yet or empty; `rows`, which tells a table's rows as
    dicts, in any order, whether the sink is open or not, and none when there is no table.
    """

    table: ClassVar[str] = "facts"

    @pytest.fixture(autouse=True)
    def _deliverer(self, sink: Sink, rows: Rows, tmp_path: Path) -> None:
        self._sink, self._folder, self._rows, self._files = sink, tmp_path, rows, 0

    def file(self, frame: pl.DataFrame) -> str:
        """A published file."""
        self._files += 1
        # Named as in a lake: what looks like columns in a path are none.
        path = self._folder / "lake" / "dt=1999-12-31" / f"run={self._files}" / "a1-0.parquet"
        path.parent.mkdir(parents=True)
        frame.write_parquet(path)
        return str(path)

    def deliver(
        self, run_id: str | None, token: int, *frames: pl.DataFrame, partition: str = MONDAY, digest: str = ""
    ) -> Held:
        """Deliver frames as the files of a run."""
        files = tuple(self.file(frame) for frame in frames)
        digest = digest or f"digest of {run_id}"
        return self._sink.deliver(Delivery(DATASET, KEY, partition, run_id, token, digest, files))

    def shown(self, partition: str = MONDAY) -> list[Row]:
        """The partition's rows as the table has them, NULL columns left out, in order of their names."""
        found = [row for row in self._rows(self.table) if str(row[KEY]) == partition]
        told = [{name: value for name, value in row.items() if value is not None} for row in found]
        return sorted(told, key=lambda row: str(row.get("name")))

    def expected(self, frame: pl.DataFrame, partition: str = MONDAY) -> list[Row]:
        """What `shown` must tell after a frame was delivered."""
        day = date.fromisoformat(partition)
        told = [{n: v for n, v in row.items() if v is not None} | {KEY: day} for row in frame.to_dicts()]
        return sorted(told, key=lambda row: str(row.get("name")))

    # --- what a table holds ------------------------------------------------------------------------------------

    def test_first_delivery(self) -> None:
        held = self.deliver("run-1", 1, DAY_ONE)
        assert held == Held("run-1", 1, "digest of run-1", 4)
        assert self.shown() == self.expected(DAY_ONE)

    def test_a_rehearsal_changes_nothing(self) -> None:
        delivery = Delivery(DATASET, KEY, MONDAY, "run-2", 2, "digest", (self.file(DAY_ONE_AGAIN),))
        assert self._sink.rehearse(delivery) == []
        self.deliver("run-1", 1, DAY_ONE)
        assert self._sink.rehearse(delivery) == []
        text = self.file(DAY_ONE.with_columns(count=pl.lit("many")))
        told = self._sink.rehearse(Delivery(DATASET, KEY, MONDAY, "run-3", 3, "other", (text,)))
        assert "count" in " ".join(told)
        assert self.shown() == self.expected(DAY_ONE)
        assert self._sink.held(DATASET, MONDAY) == Held("run-1", 1, "digest of run-1", 4)

    def test_a_new_run_replaces_the_partition(self) -> None:
        self.deliver("run-1", 1, DAY_ONE)
        assert self.deliver("run-2", 2, DAY_ONE_AGAIN).run_id == "run-2"
        assert self.shown() == self.expected(DAY_ONE_AGAIN)

    def test_rolling_back_shows_the_earlier_run_exactly(self) -> None:
        self.deliver("run-1", 1, DAY_ONE)
        before = self.shown()
        self.deliver("run-2", 2, DAY_ONE_AGAIN.with_columns(added=pl.lit(5)))
        assert self.deliver("run-1", 3, DAY_ONE).rows == len(DAY_ONE)
        assert repr(self.shown()) == repr(before)  # repr: -0.0 is not 0.0

    def test_to_none_and_back(self) -> None:
        self.deliver("run-1", 1, DAY_ONE)
        assert self.deliver(None, 2) == Held(None, 2, "digest of None", 0)
        assert self.shown() == []
        self.deliver("run-1", 3, DAY_ONE)
        assert self.shown() == self.expected(DAY_ONE)

    def test_anew_the_record_is_not_believed(self) -> None:
        """Somebody may have changed rows behind its back."""
        self.deliver("run-1", 1, DAY_ONE)
        files = (self.file(DAY_ONE_AGAIN),)
        held = self._sink.deliver(Delivery(DATASET, KEY, MONDAY, "run-1", 2, "digest of run-1", files, anew=True))
        assert held == Held("run-1", 2, "digest of run-1", len(DAY_ONE_AGAIN))
        assert self.shown() == self.expected(DAY_ONE_AGAIN)

    def test_none_as_the_first(self) -> None:
        self.deliver(None, 5)
        assert self._sink.held(DATASET, MONDAY) == Held(None, 5, "digest of None", 0)
        with pytest.raises(FencedError):
            self.deliver("run-1", 4, DAY_ONE)

    def test_other_partitions_stay_as_they_are(self) -> None:
        self.deliver("run-1", 1, DAY_ONE, partition=TUESDAY)
        tuesday = self.shown(TUESDAY)
        self.deliver("run-2", 2, DAY_ONE)
        self.deliver("run-3", 3, DAY_ONE_AGAIN)
        self.deliver(None, 4)
        assert self.shown(TUESDAY) == tuesday == self.expected(DAY_ONE, TUESDAY)
        assert self._sink.held(DATASET, TUESDAY) == Held("run-1", 1, "digest of run-1", 4)

    def test_zero_rows(self) -> None:
        assert self.deliver("run-1", 1, DAY_ONE.clear()).rows == 0
        self.deliver("run-2", 2, DAY_ONE)
        assert self.deliver("run-3", 3, DAY_ONE.clear()).rows == 0
        assert self.shown() == []

    def test_no_files(self) -> None:
        self.deliver("run-1", 1, DAY_ONE)
        assert self.deliver("run-2", 2) == Held("run-2", 2, "digest of run-2", 0)
        assert self.shown() == []

    def test_several_files(self) -> None:
        assert self.deliver("run-1", 1, DAY_ONE.head(1), DAY_ONE.slice(1, 2), DAY_ONE.tail(1)).rows == len(DAY_ONE)
        assert self.shown() == self.expected(DAY_ONE)

    def test_several_files_with_different_columns(self) -> None:
        self.deliver("run-1", 1, DAY_ONE.head(2).drop("share"), DAY_ONE.tail(2).drop("is_late"))
        wanted = pl.concat([DAY_ONE.head(2).drop("share"), DAY_ONE.tail(2).drop("is_late")], how="diagonal")
        assert self.shown() == self.expected(wanted)

    # --- what is really there ------------------------------------------------------------------------------------

    def test_rows_are_counted_by_partition(self) -> None:
        sunday = "2013-01-06"
        assert self._sink.counts(KEY, [MONDAY]) == {}
        self.deliver("run-1", 1, DAY_ONE)
        self.deliver("run-2", 2, DAY_ONE.head(1), partition=TUESDAY)
        self.deliver("run-3", 3, DAY_ONE.clear(), partition=sunday)
        assert self._sink.counts(KEY, [TUESDAY, sunday, MONDAY]) == {MONDAY: len(DAY_ONE), TUESDAY: 1}
        assert self._sink.counts(KEY, [sunday]) == self._sink.counts(KEY, []) == {}
        assert self._sink.counts(KEY, [TUESDAY, sunday, MONDAY], only_whether=True) == {MONDAY: 1, TUESDAY: 1}
        self._sink.close()
        self.deliver(None, 4)
        assert self._sink.counts(KEY, [MONDAY, TUESDAY]) == {TUESDAY: 1}

    # --- columns -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", [pl.Date, pl.String])
    def test_the_partition_column_may_be_in_the_data(self, kind: pl.DataType) -> None:
        frame = DAY_ONE.with_columns(pl.lit(date(2013, 1, 7)).cast(kind).alias(KEY))
        for token in (1, 2):
            self.deliver(f"run-{token}", token, frame)
        assert [str(row[KEY]) for row in self.shown()] == [MONDAY] * 4

    def test_a_new_column_is_added(self) -> None:
        self.deliver("run-1", 1, DAY_ONE, partition=TUESDAY)
        wider = DAY_ONE.with_columns(**{'note "q"': pl.lit("x"), "tags": pl.lit(2.5)})
        self.deliver("run-2", 2, wider)
        assert self.shown() == self.expected(wider)
        assert self.shown(TUESDAY) == self.expected(DAY_ONE, TUESDAY)

    def test_a_column_that_is_missing_is_null(self) -> None:
        self.deliver("run-1", 1, DAY_ONE)
        narrower = DAY_ONE.drop("share", "seen_at")
        self.deliver("run-2", 2, narrower)
        assert self.shown() == self.expected(narrower)

    def test_a_column_of_nothing_but_null(self) -> None:
        self.deliver("run-1", 1, DAY_ONE.with_columns(later=pl.lit(None)))
        self.deliver("run-2", 2, DAY_ONE.with_columns(later=pl.lit("now")))
        assert self.shown() == self.expected(DAY_ONE.with_columns(later=pl.lit("now")))

    # --- twice, too late, not at all -----------------------------------------------------------------------------

    def test_twice_does_nothing(self) -> None:
        first = self.deliver("run-1", 1, DAY_ONE)
        gone = Delivery(DATASET, KEY, MONDAY, "run-1", 1, "digest of run-1", ("/nowhere/at/all.parquet",))
        assert self._sink.deliver(gone) == first  # it does not even look at the files
        assert self.shown() == self.expected(DAY_ONE)

    def test_the_same_run_with_other_bytes_is_delivered(self) -> None:
        self.deliver("run-1", 1, DAY_ONE)
        self.deliver("run-1", 1, DAY_ONE_AGAIN, digest="another")
        assert self.shown() == self.expected(DAY_ONE_AGAIN)

    def test_an_older_token_is_refused(self) -> None:
        held = self.deliver("run-2", 2, DAY_ONE)
        for run_id in ("run-1", "run-2", None):
            with pytest.raises(FencedError):
                self.deliver(run_id, 1, *([DAY_ONE_AGAIN] if run_id else []))
        assert self._sink.held(DATASET, MONDAY) == held
        assert self.shown() == self.expected(DAY_ONE)

    def test_the_same_run_under_a_newer_token_fences_those_between(self) -> None:
        self.deliver("run-1", 1, DAY_ONE)
        assert self.deliver("run-1", 3, DAY_ONE) == Held("run-1", 3, "digest of run-1", 4)
        with pytest.raises(FencedError):
            self.deliver("run-2", 2, DAY_ONE_AGAIN)

    def test_what_cannot_be_delivered_leaves_everything_as_it_was(self) -> None:
        held = self.deliver("run-1", 1, DAY_ONE)
        refused = [
            DAY_ONE.vstack(DAY_ONE.head(1)),  # a key twice
            DAY_ONE.with_columns(dt=pl.lit(TUESDAY)),  # another partition's
            DAY_ONE.with_columns(count=pl.lit("many"), more=pl.lit(1)),  # a type that does not fit
            DAY_ONE.with_columns(count=pl.lit(1.5)),  # a value that would be rounded
        ]
        for token, frame in enumerate(refused, start=2):
            with pytest.raises(RecoupError) as told:
                self.deliver(f"run-{token}", token, frame)
            assert told.value.remedy
        assert self._sink.held(DATASET, MONDAY) == held
        assert self.shown() == self.expected(DAY_ONE)

    # --- the record ----------------------------------------------------------------------------------------------

    def test_nothing_is_held_at_first(self) -> None:
        assert self._sink.held(DATASET, MONDAY) is None
        assert self._sink.check() == []

    def test_the_record_outlives_the_connection(self) -> None:
        held = self.deliver("run-1", 1, DAY_ONE)
        self._sink.close()
        self._sink.close()
        assert self._sink.held(DATASET, MONDAY) == held
        assert self._sink.held("another", MONDAY) is None
        assert self._sink.check() == []

    @pytest.mark.parametrize("seed", range(3))
    def test_any_order_of_deliveries(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - no secret
        model: dict[str, tuple[int, pl.DataFrame]] = {}
        for step in range(1, 21):
            partition = chance.choice([MONDAY, TUESDAY])
            token = chance.randint(max(1, step - 3), step)
            frame = DAY_ONE.sample(chance.randint(0, 4), seed=step).with_columns(count=pl.lit(step))
            run_id = chance.choice([None, f"run-{step}", f"run-{step}"])
            if token < model.get(partition, (0, DAY_ONE))[0]:
                with pytest.raises(FencedError):
                    self.deliver(run_id, token, frame, partition=partition)
            else:
                self.deliver(run_id, token, frame, partition=partition)
                model[partition] = (token, frame if run_id else frame.clear())
            if chance.random() < 0.2:  # noqa: PLR2004
                self._sink.close()
            for each, (_, held) in model.items():
                assert self.shown(each) == self.expected(held, each), f"seed {seed}, step {step}"
