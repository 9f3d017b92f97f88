import os
import shutil
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest

import recoup as rc
from recoup.app import adoption_files
from recoup.app.adoptable import opened
from recoup.app.adoption_files import adopt_files
from recoup.app.backfilling import RunOptions, run
from recoup.app.lake_care import gc, view
from recoup.app.ledger_care import verify
from recoup.app.publications import ls, show
from recoup.app.rebuild import rebuild
from recoup.app.rollback import rollback
from recoup.app.runs import runs
from recoup.app.workspace import Workspace
from recoup.lake.local import LocalStore
from recoup.model.errors import ExitCode, PipelineError, RefusedError, UsageError
from recoup.plan.request import Request
from recoup.testing.clock import FakeClock

FIRST = [f"2024-01-{day:02}" for day in range(1, 5)]
REST = [f"2024-01-{day:02}" for day in range(5, 9)]
FILES = 2


def old_history(folder, days=FIRST):
    """Two files a day, as a team has them that begins with recoup in the middle; their bytes by path."""
    for number, day in enumerate(days):
        place = folder / f"dt={day}"
        place.mkdir(parents=True)
        for part in range(FILES):
            frame = pl.DataFrame({"x": [10 * number + part], "turn": [0]})
            frame.write_parquet(place / f"part-{part}.parquet")
    return {path: path.read_bytes() for path in folder.rglob("*.parquet")}


def pattern(folder):
    return f"{folder}/dt={{partition}}/*.parquet"


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lookback_rows(project):
    found = rc.read("week", config=project.root / "recoup.toml").collect()
    return dict(zip(found["dt"].to_list(), found["n"].to_list(), strict=True))


@pytest.fixture(params=["beside the lake", "in the lake", "in the lake, where the dataset's own folder is"])
def old(request, project):
    """Where the old files lie."""
    place = {"beside the lake": "old", "in the lake": "lake/old"}.get(request.param, "lake/raw")
    folder = project.root / place
    old_history(folder)
    return folder


def later(project):
    return Workspace(project.workspace.settings, FakeClock(datetime.now(UTC) + timedelta(days=90)))


def aged(folder):
    then = (datetime.now(UTC) - timedelta(days=90)).timestamp()
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


# --- a team begins in the middle of its history


def test_a_run_makes_only_the_rest_and_reads_across_the_seam(project, old):
    before = {path: path.read_bytes() for path in old.rglob("*.parquet")}

    done = adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)

    assert (done.count, done.files, done.rows, done.partitions) == (4, 8, 8, ("2024-01-01…2024-01-04 (4)",))
    planned = project.planned()
    assert planned["raw run missing"] == ["2024-01-05…2024-01-08 (4)"]
    assert planned["clean run missing"] == ["2024-01-01…2024-01-08 (8)"]
    assert project.run().state == "done"
    assert project.planned() == {}
    shown = {one.partition: one.reason for one in ls(project.workspace, "days.raw")}
    assert shown == dict.fromkeys(FIRST, "adopted") | dict.fromkeys(REST, "missing")
    # `week` reads the three days before: on the 5th only adopted ones, on the 6th one that was made.
    assert lookback_rows(project) == dict(zip([*FIRST, *REST], [0, 2, 4, 6, 6, 7, 8, 9], strict=True))
    assert len(project.table()) == 4 * 2 + 4 * 3, "the table follows what was adopted"
    assert {path: path.read_bytes() for path in before} == before
    assert verify(project.workspace).exit_code is ExitCode.DONE


def test_the_sink_of_the_step_is_delivered(project):
    old = project.root / "old"
    for number, day in enumerate(FIRST):
        (old / f"dt={day}").mkdir(parents=True)
        frame = pl.DataFrame({"x": [number], "turn": [0], "run_id": ["long ago"]})
        frame.write_parquet(old / f"dt={day}" / "all.parquet")
    done = adopt_files(project.workspace, "days", "clean", pattern(old), yes=True)
    assert done.has_sink

    project.run(steps=("clean",), end=FIRST[-1])

    assert [(str(dt), x, who) for x, _, who, dt in _columns(project)] == [
        (day, number, "long ago") for number, day in enumerate(FIRST)
    ]


def _columns(project):
    with duckdb.connect(str(project.database), read_only=True) as db:
        return db.execute("SELECT x, turn, run_id, dt FROM clean ORDER BY dt").fetchall()


def test_everybody_reads_what_was_adopted(project, old):
    adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    config = project.root / "recoup.toml"

    assert rc.read("raw", FIRST[1], config=config).collect()["x"].to_list() == [10, 11]
    assert rc.read("raw", start=FIRST[0], end=FIRST[1], config=config).collect()["dt"].to_list() == [
        FIRST[0],
        FIRST[0],
        FIRST[1],
        FIRST[1],
    ]
    with duckdb.connect() as db:
        db.execute(view(project.workspace, "raw").sql)
        assert db.execute("SELECT count(*), sum(x) FROM raw").fetchall() == [(8, 124)]
    (attempt, *_) = runs(project.workspace, "days", FIRST[0])
    assert (attempt["decision"], attempt["state"], attempt["rows_processed"]) == ("adopted", "succeeded", 2)
    assert show(project.workspace, "raw", FIRST[0]).verdict == "pointer and ledger agree"


def test_it_was_known_when_its_files_were_written(project):
    """So a run that may only know what was there at its time finds old history, as it would have then."""
    old = project.root / "old"
    old_history(old)
    then = datetime(2024, 1, 4, 23, tzinfo=UTC).timestamp()
    for path in old.rglob("*.parquet"):
        os.utime(path, (then, then))
    adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)

    report = project.run(steps=("raw", "clean"), start=FIRST[-1], end=FIRST[-1], as_of_mode="partition-end")
    early = project.run(steps=("clean",), start=FIRST[0], end=FIRST[0], as_of_mode="partition-end")

    assert (report.state, early.state) == ("done", "incomplete")


def test_a_file_from_the_future_is_known_now(project):
    old = project.root / "old"
    old_history(old, FIRST[:1])
    os.utime(old / f"dt={FIRST[0]}" / "part-0.parquet", (4e9, 4e9))
    adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    with project.reader() as reader:
        ((run_as_of,),) = reader.query("SELECT run_as_of FROM runs")
    assert run_as_of <= datetime.now(UTC).timestamp()


# --- it goes on like anything that was published


def test_gc_never_deletes_adopted_files(project, old):
    adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    for turn in range(1, 6):
        project.tell("turn", turn)
        project.tell("feed", dict.fromkeys(FIRST, f"v{turn + 1}"))
        project.run("missing,failed,stale", steps=("raw",))
    aged(project.root / "lake")

    collected = gc(later(project), yes=True)

    assert collected.files > 0, "what was made since goes as usual"
    assert len([*old.rglob("part-*.parquet")]) == FILES * len(FIRST)
    assert verify(project.workspace).exit_code is ExitCode.DONE


def test_it_can_be_rolled_back_to_and_taken_back(project, old):
    adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    project.tell("feed", {FIRST[0]: "v2"})
    project.run("missing,failed,stale", steps=("raw",), end=FIRST[0])
    config = project.root / "recoup.toml"
    assert rc.read("raw", FIRST[0], config=config).collect()["turn"].to_list() == [1, 1, 1]

    rollback(project.workspace, "days.raw", [FIRST[0]], yes=True)
    assert rc.read("raw", FIRST[0], config=config).collect()["x"].to_list() == [0, 1]

    rollback(project.workspace, "days.raw", [FIRST[1]], yes=True)
    assert "2024-01-02" in project.planned()["raw run missing"]

    project.run("missing,failed,stale", steps=("raw",), start=FIRST[2], end=FIRST[2])
    for path in (old / f"dt={FIRST[0]}").glob("part-*"):
        path.unlink()
    made = show(project.workspace, "raw", FIRST[0]).generations[-2].run_id
    rollback(project.workspace, "days.raw", [FIRST[0]], to=made, yes=True)
    adopted = show(project.workspace, "raw", FIRST[0]).generations[-1].run_id
    with pytest.raises(RefusedError, match="are gone"):
        rollback(project.workspace, "days.raw", [FIRST[0]], to=adopted, yes=True)


def test_a_rebuilt_ledger_knows_it(project, old):
    adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    project.run(steps=("raw",))
    before, shown = project.planned(), ls(project.workspace, "days")
    shutil.rmtree(project.workspace.settings.state)

    rebuilt = rebuild(project.workspace)

    assert rebuilt.trouble == ()
    assert [_told(one) for one in ls(project.workspace, "days")] == [_told(one) for one in shown]
    assert project.planned() == before
    assert verify(project.workspace).exit_code is ExitCode.DONE
    with project.reader() as reader:
        open_runs = reader.query("SELECT partition FROM runs WHERE closed_at IS NULL ORDER BY partition")
    assert [row[0] for row in open_runs] == REST, "the run of what was adopted is over"


def _told(one):
    return one.dataset, one.partition, one.run_id, one.generation, one.rows, one.digest, one.reason, one.code_version


def test_it_is_stale_once_what_it_would_have_read_changes(project, old):
    adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    assert not [what for what in project.planned() if what.startswith("raw run stale")]
    project.tell("feed", {FIRST[2]: "v2"})
    assert project.planned()["raw run stale(input)"] == [FIRST[2]]


# --- all or nothing, and the rest


def test_without_yes_nothing_is_changed(project):
    old = project.root / "old"
    old_history(old)
    would = adopt_files(project.workspace, "days", "raw", pattern(old))
    assert (would.done, would.count, would.files) == (False, 4, 8)
    assert not (project.root / "lake" / "raw").exists()
    assert project.planned()["raw run missing"] == ["2024-01-01…2024-01-08 (8)"]


def test_what_is_left_alone_is_told(project):
    old = project.root / "old"
    old_history(old, [*FIRST, "2024-02-01"])
    (old / "dt=nix").mkdir()
    shutil.copy(next(old.rglob("*.parquet")), old / "dt=nix" / "a.parquet")
    project.run(steps=("raw",), end=FIRST[0])

    done = adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)

    assert done.partitions == ("2024-01-02…2024-01-04 (3)",)
    assert done.published == (FIRST[0],)
    assert done.unexpected == ("2024-02-01",)
    assert done.strangers == (str(old / "dt=nix" / "a.parquet"),)
    assert show(project.workspace, "raw", FIRST[0]).generations[0].reason == "missing"


@pytest.mark.parametrize("at", range(1, 5))
def test_killed_half_way_the_same_command_does_the_rest(project, monkeypatch, at):
    """Two partitions at a time: manifests and pointers of the first two, then of the next two."""
    old = project.root / "old"
    old_history(old)
    monkeypatch.setattr(adoption_files, "AT_ONCE", 2)
    calls, real = [], LocalStore.put_all_new

    def dies(self, items):
        calls.append(len(items))
        if len(calls) == at:
            real(self, items[:1])
            raise KeyboardInterrupt
        return real(self, items)

    monkeypatch.setattr(LocalStore, "put_all_new", dies)
    with pytest.raises(KeyboardInterrupt):
        adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)

    done = adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)

    assert done.published == {1: (), 2: (FIRST[0],), 3: ("2024-01-01…2024-01-02 (2)",)}.get(
        at, ("2024-01-01…2024-01-03 (3)",)
    )
    assert [one.partition for one in ls(project.workspace, "days.raw")] == FIRST
    assert rc.read("raw", config=project.root / "recoup.toml").collect()["x"].sum() == 124
    assert verify(project.workspace).exit_code is ExitCode.DONE
    again = adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    assert (again.count, again.done) == (0, True)


# --- refused


def test_files_that_are_no_parquet_are_named(project):
    old = project.root / "old"
    old_history(old)
    whole = (old / f"dt={FIRST[0]}" / "part-0.parquet").read_bytes()
    (old / f"dt={FIRST[1]}" / "text.parquet").write_text("a,b\n1,2\n")
    (old / f"dt={FIRST[2]}" / "half.parquet").write_bytes(whole[: len(whole) // 2])
    (old / f"dt={FIRST[3]}" / "empty.parquet").write_bytes(b"")

    with pytest.raises(UsageError, match="3 of these files are no Parquet: ") as caught:
        adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)

    assert all(name in caught.value.message for name in ("text.parquet", "half.parquet", "empty.parquet"))
    assert ls(project.workspace, "days") == []


def test_files_of_a_partition_must_be_one_table(project):
    old = project.root / "old"
    old_history(old)
    pl.DataFrame({"x": ["text"], "turn": [0]}).write_parquet(old / f"dt={FIRST[1]}" / "part-2.parquet")
    with pytest.raises(UsageError, match=rf"{FIRST[1]}: .* 'x' is Int64 in .*, 'x' is String in .*part-2"):
        adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    assert ls(project.workspace, "days") == []


def test_what_recoup_owns_already_is_refused(project, tmp_path_factory):
    project.run(steps=("raw",))
    with pytest.raises(RefusedError, match="the lake's own folders"):
        adopt_files(project.workspace, "days", "clean", f"{project.root}/lake/raw/dt={{partition}}/*/*.parquet")
    with pytest.raises(RefusedError, match="recoup owns it already"):
        adopt_files(project.workspace, "days", "clean", f"{project.root}/lake/raw/dt={{partition}}/*.parquet")
    other = type(project).make(tmp_path_factory.mktemp("other"))
    other.run(steps=("raw",))
    theirs = f"{other.root}/lake/raw/dt={{partition}}/run=*/*.parquet"
    with pytest.raises(RefusedError, match="is a lake that recoup owns already"):
        adopt_files(project.workspace, "days", "clean", theirs)


@pytest.mark.parametrize(
    ("step", "asked", "error", "says"),
    [
        ("raw", "old/*.parquet", UsageError, "does not say where the partition stands"),
        ("raw", "nowhere/{partition}.parquet", UsageError, "no file matches"),
        ("raw", "s3://bucket/{partition}.parquet", UsageError, "does not lie where the lake lies"),
        ("feed", "old/dt={partition}/*", UsageError, "feed is no step"),
        ("nix", "old/dt={partition}/*", PipelineError, "has no step 'nix'"),
    ],
)
def test_what_makes_no_sense_is_refused(project, step, asked, error, says):
    with pytest.raises(error, match=says):
        adopt_files(project.workspace, "days", step, asked, yes=True)


def test_a_file_that_changes_meanwhile_is_refused(project, monkeypatch):
    old = project.root / "old"
    old_history(old)

    def grows(store, files):
        found = opened(store, files)
        with (old / f"dt={FIRST[1]}" / "part-0.parquet").open("ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(adoption_files, "opened", grows)
    with pytest.raises(RefusedError, match=r"part-0.parquet changed while it was read"):
        adopt_files(project.workspace, "days", "raw", pattern(old), yes=True)
    assert ls(project.workspace, "days") == []
    assert project.planned()["raw run missing"] == ["2024-01-01…2024-01-08 (8)"]


GRID = """
import polars as pl
import recoup as rc

cells = rc.Pipeline("cells", partitions=rc.Grid(rc.Daily("2024-01-01", "2024-01-02", key="dt"), rc.Static(["a", "b"])))


@cells.step
def raw(ctx):
    return pl.DataFrame({"by": ["step"]})


@cells.step
def copy(ctx, raw: pl.LazyFrame):
    return raw
"""


def test_cells_of_a_grid_by_the_places_of_their_sides(tmp_path):
    (tmp_path / "cells.py").write_text(GRID)
    (tmp_path / "recoup.toml").write_text('[pipelines]\ncells = "cells.py:cells"\n')
    for cell in ("dt=2024-01-01/m=a", "dt=2024-01-02/m=b", "dt=2024-01-02/m=c"):
        (tmp_path / "old" / cell).mkdir(parents=True)
        pl.DataFrame({"by": ["old"]}).write_parquet(tmp_path / "old" / cell / "p.parquet")
    workspace = Workspace.here(tmp_path / "recoup.toml")
    key = workspace.pipeline("cells")[0].partitions.key.partition("/")[2]
    asked = f"{tmp_path}/old/dt={{dt}}/m={{{key}}}/*.parquet"

    done = adopt_files(workspace, "cells", "raw", asked, yes=True)

    assert (done.count, len(done.strangers)) == (2, 1)
    run(workspace, Request("cells"), "cells", RunOptions(executor="inline"))
    found = rc.read("copy", config=tmp_path / "recoup.toml").collect()
    by = dict(zip(zip(found["dt"].to_list(), found[key].to_list(), strict=True), found["by"].to_list(), strict=True))
    assert by == {
        ("2024-01-01", "a"): "old",
        ("2024-01-01", "b"): "step",
        ("2024-01-02", "a"): "step",
        ("2024-01-02", "b"): "old",
    }
    assert rc.read("raw", config=tmp_path / "recoup.toml").collect()["by"].to_list().count("old") == 2
    assert verify(workspace).exit_code is ExitCode.DONE
