import pytest

from recoup.app.publications import accept, ls, show
from recoup.lake.layout import pointer
from recoup.lake.pointers import PublishIntent, publish
from recoup.ledger.connection import lock_beside
from recoup.model.errors import PartitionError, UsageError

DAY = "2024-01-03"


def test_ls_shows_what_is_current_by_pipeline_dataset_or_both(project):
    project.tell("bad", [DAY])
    project.run()

    assert {s.dataset for s in ls(project.workspace, "days")} == {"raw", "note", "clean", "clean@out.clean", "week"}
    assert ls(project.workspace, "days.clean") == ls(project.workspace, "clean")
    assert [s.partition for s in ls(project.workspace, "clean", start="2024-01-02", end="2024-01-04")] == [
        "2024-01-02",
        "2024-01-04",
    ]
    assert [(s.partition, s.rows, s.generation) for s in ls(project.workspace, "clean", ["2024-01-01"])] == [
        ("2024-01-01", 3, 1)
    ]


def test_show_lists_generations_and_compares_with_the_pointer(project):
    project.run()
    project.tell("turn", 2)
    project.tell("feed", {DAY: "v2"})
    project.run("stale")

    history = show(project.workspace, "days.raw", DAY)

    assert [(s.generation, s.state, s.reason) for s in history.generations] == [
        (2, "current", "stale(input)"),
        (1, "past", "missing"),
    ]
    assert (history.agrees, history.verdict) == (True, "pointer and ledger agree")
    assert history.pointer is not None
    assert history.pointer.current.run_id == history.generations[0].run_id
    assert show(project.workspace, "note", DAY).agrees


def test_show_says_when_the_pointer_says_something_else(project):
    project.run()
    store = project.workspace.store()
    reader = project.reader()
    intent = PublishIntent(
        dataset="raw", key="dt", partition=DAY, run_id="elsewhere", token=99, seq=99, digest="d", published_at="x",
        run_as_of="x", nonce="n", reason="", ledger_id=reader.meta("ledger_id"), epoch=1,
    )  # fmt: skip
    publish(store, intent)
    assert "shows run elsewhere (token 99), the ledger remembers run" in show(project.workspace, "raw", DAY).verdict
    store.put(pointer("raw", "dt", DAY), b"{}", sync=True)
    told = show(project.workspace, "raw", DAY)
    assert not told.agrees
    assert "is corrupt" in told.verdict
    store.delete([pointer("raw", "dt", DAY)])
    assert "there is no pointer, though the ledger remembers one" in show(project.workspace, "raw", DAY).verdict


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda w: ls(w, "nights"), UsageError, "no pipeline or dataset 'nights'"),
        (lambda w: ls(w, "days.nights"), UsageError, "nothing is known of 'nights' in pipeline 'days'"),
        (lambda w: show(w, "days", DAY), UsageError, "is a pipeline"),
        (lambda w: show(w, "raw", "2024-02-01"), UsageError, "raw 2024-02-01 was never published"),
        (lambda w: show(w, "raw", "../x"), PartitionError, "is not a key"),
    ],
)
def test_what_makes_no_sense_is_told(project, call, error, told):
    project.run()
    with pytest.raises(error, match=told):
        call(project.workspace)


def test_nobody_waits_while_a_pipeline_is_imported_to_be_accepted(project):
    project.run()
    project.declare("two", "2")
    file = project.root / "days_two.py"
    lock = lock_beside(project.workspace.settings.ledger)
    look = f"import fcntl\nwith open({str(lock)!r}) as lock:\n    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    file.write_text(look + file.read_text())
    assert accept(project.workspace, "days", yes=True).count > 0


def test_accepted_code_is_no_longer_stale(project):
    project.run()
    project.declare("two", "2")
    assert next(iter(project.planned("stale"))) == "raw run stale(code)"

    would = accept(project.workspace, "days.raw", start="2024-01-02")
    assert (would.count, would.ranges, would.done) == (7, {"raw": ["2024-01-02…2024-01-08 (7)"]}, False)
    assert project.planned("stale")["raw run stale(code)"] == ["2024-01-01…2024-01-08 (8)"]

    accept(project.workspace, "days", start="2024-01-02", yes=True)
    assert project.planned("stale")["raw run stale(code)"] == ["2024-01-01"]
    assert accept(project.workspace, "days", ["2024-01-02"]).count == 0
