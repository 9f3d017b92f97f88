from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import recoup as rc
from recoup.app import rollback as rollback_module
from recoup.app.datasets import dataset, partitioning_of
from recoup.app.publications import ls
from recoup.app.rollback import rollback
from recoup.lake import pointers
from recoup.lake.layout import pointer
from recoup.model.errors import CorruptError, PartitionError, UnreachableError, UsageError

DAY = "2024-01-03"


def read(project, *args, **more):
    return rc.read(*args, **more, config=project.root / "recoup.toml").collect()


def test_one_partition_a_window_and_all(project):
    project.run()

    assert read(project, "raw", DAY).to_dict(as_series=False) == {"x": [1, 2, 3], "turn": [1, 1, 1], "dt": [DAY] * 3}
    window = read(project, "raw", start="2024-01-02", end="2024-01-03")
    assert window["dt"].to_list() == ["2024-01-02"] * 3 + ["2024-01-03"] * 3
    assert isinstance(rc.read("clean", config=project.root / "recoup.toml"), pl.LazyFrame)
    assert read(project, "clean").height == 24
    assert read(project, "clean", start="2024").height == 24


def test_as_of_shows_what_was_current_at_that_moment(project):
    before = datetime.now(UTC)
    project.run()
    between = datetime.now(UTC)
    project.tell("turn", 2)
    project.tell("feed", {DAY: "v2"})
    project.run("stale")

    assert read(project, "raw", DAY)["turn"].to_list() == [2, 2, 2]
    assert read(project, "raw", DAY, as_of=between)["turn"].to_list() == [1, 1, 1]
    assert read(project, "raw", as_of=between.isoformat())["turn"].unique().to_list() == [1]
    assert read(project, "raw", DAY, as_of=datetime.now(UTC) + timedelta(days=1))["turn"].to_list() == [2, 2, 2]
    with pytest.raises(UsageError, match="nothing of raw is published for any partition as of"):
        read(project, "raw", as_of=before)


def test_a_corrupt_or_lost_pointer_is_served_from_the_ledger(project):
    project.run()
    store = project.workspace.store()
    store.put(pointer("raw", "dt", DAY), b"{}", sync=True)
    assert read(project, "raw", DAY).height == 3
    assert read(project, "raw").height == 24
    store.delete([pointer("raw", "dt", DAY)])
    assert read(project, "raw", DAY).height == 3


def test_a_corrupt_pointer_that_the_ledger_does_not_know_is_refused(project):
    project.tell("bad", [DAY])
    project.run()
    project.workspace.store().put(pointer("raw", "dt", DAY), b"{}", sync=True)

    with pytest.raises(CorruptError, match=f"raw {DAY} cannot be read: .* the ledger remembers no generation"):
        read(project, "raw", DAY)


def test_a_pointer_that_moved_is_the_truth_before_the_ledger_knows(project, monkeypatch):
    """The process dies between pointer and fact: a rollback is the shortest way to get there."""
    project.run()
    first = ls(project.workspace, "raw", [DAY])[0]
    project.tell("turn", 2)
    project.tell("feed", {DAY: "v2", "2024-01-04": "v2"})
    project.run("stale")

    def moved_and_dead(*given):
        pointers.publish(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(rollback_module, "publish", moved_and_dead)
    with pytest.raises(KeyboardInterrupt):
        rollback(project.workspace, "days.raw", start=DAY, end="2024-01-04", yes=True)

    assert ls(project.workspace, "raw", [DAY])[0].run_id != first.run_id
    assert read(project, "raw", DAY)["turn"].to_list() == [1, 1, 1]
    assert read(project, "raw", "2024-01-04")["turn"].to_list() == [2, 2, 2]
    window = read(project, "raw", start=DAY, end="2024-01-04")
    assert window["turn"].to_list() == [1, 1, 1, 2, 2, 2]


def test_what_another_ledger_published_is_read_by_its_manifest(project):
    project.run()
    run = ls(project.workspace, "raw", [DAY])[0]
    with project.workspace.ledger() as ledger, ledger.transaction() as tx:
        tx.execute("DELETE FROM publications WHERE token = ?", (run.token,))

    assert read(project, "raw", DAY).height == 3


@pytest.mark.parametrize(
    ("args", "more", "error", "told"),
    [
        (("nights",), {}, UsageError, "no dataset 'nights'"),
        (("feed",), {}, UsageError, "no dataset 'feed'"),
        (("raw", "2024-01-09"), {}, PartitionError, "nothing of raw is published for 2024-01-09"),
        (("raw", "2024-01-32"), {}, PartitionError, "2024-01-32"),
        (("raw",), {"start": "2024-01-05", "end": "2024-01-02"}, PartitionError, "2024-01-05"),
        (("note",), {}, UsageError, "note makes no table"),
        (("raw", DAY), {"as_of": datetime(2024, 1, 1)}, UsageError, "has no time zone"),
        (("raw", DAY), {"as_of": "yesterday"}, UsageError, "is no time"),
        (("raw", DAY), {"start": DAY}, UsageError, "both a window and explicit partitions"),
    ],
)
def test_what_makes_no_sense_is_told(project, args, more, error, told):
    project.run()
    with pytest.raises(error, match=told):
        read(project, *args, **more)


def test_without_a_ledger_there_is_nothing_to_ask(project):
    with pytest.raises(UnreachableError, match="there is no ledger"):
        read(project, "raw")


def test_the_python_verbs_take_the_words_of_the_command_line(project):
    config = project.root / "recoup.toml"
    assert rc.plan("days", start="2024-01-02", end=DAY, steps=["raw"], config=config).plan.actions == 2
    report = rc.run("days", partitions=["2024-01-01"], executor="inline", config=config)
    assert report.state == "done"
    assert rc.status("days", partitions=["2024-01-01"], config=config).steps
    assert read(project, "clean", "2024-01-01").height == 3


@pytest.mark.parametrize(
    "declared",
    [
        rc.Daily("2013-01-01", "2013-12-31", tz="Pacific/Apia"),
        rc.Monthly("2013-01"),
        rc.Hourly("2013-01-01", "2013-12-31", tz="America/New_York"),
        rc.Hourly("2013-01-01", tz="Asia/Kathmandu"),
        rc.Hourly("2010-01-01", "2012-12-31", tz="America/Caracas"),
    ],
    ids=str,
)
def test_a_partitioning_is_known_by_its_identity_alone(declared):
    known = partitioning_of(declared.identity(), lambda _: {})
    for ordinal in (declared.first, declared.first + 1_000):
        assert known.name(ordinal) == declared.name(ordinal)
        assert known.ordinal(known.name(ordinal)) == ordinal


def test_a_static_one_by_the_ledgers_ids(project):
    known = partitioning_of(rc.Static(["a", "b"], key="tenant").identity(), lambda _: {"b": 1, "a": 0, "gone": 2})
    assert [known.ordinal(member) for member in ("a", "b", "gone")] == [0, 1, 2]
    project.run()
    with project.reader() as reader:
        assert dataset(reader, "raw").partitions.name(45_292) == "2024-01-03"
