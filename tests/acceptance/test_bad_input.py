"""What cannot be asked changes nothing: no file, no fact, no pointer. What is broken is found, and in nobody's way.

How each sentence reads is seen to in `test_cli.py`; here it is what the folder looks like afterwards.
"""

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recoup.ledger.connection import refuse_network_file_system
from recoup.model.errors import ConfigError, ExitCode

SHOP = """
import polars as pl

shop = rc.Pipeline("shop", partitions=rc.Daily(
    "2024-01-01", "2024-01-10", calendar=rc.Calendar(lambda day: day.day != 6)))


@shop.step(version=(told("version") or ["1"])[0])
def orders(ctx):
    return pl.DataFrame({"version": told("version") or ["1"]})


@shop.step
def total(ctx, orders: pl.LazyFrame):
    return orders


tenants = rc.Pipeline("tenants", partitions=rc.Static(["acme", "a/b"], key="tenant"))


@tenants.step
def bills(ctx):
    return pl.DataFrame({"x": [1]})
"""
PIPELINES = '[pipelines]\nshop = "shop.py:shop"\ntenants = "shop.py:tenants"\n'


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """A shop with three days and one tenant, and everything that lies in its folder."""
    from tests.acceptance.conftest import Project

    made = Project(tmp_path_factory.mktemp("standing"))
    made.declare("shop", SHOP, 'executor = "inline"')
    made.write("recoup.toml", f'executor = "inline"\n{PIPELINES}')
    assert made.recoup("run", "shop", "--end", "2024-01-03").returncode == 0
    assert made.recoup("run", "tenants", "acme").returncode == 0
    yield made
    made.end()


def facts(project):
    """All that may not change: the lake's bytes, and what the ledger knows of work and its outcome."""
    tables = ("attempts", "runs", "publications", "blocks", "backfills", "planes")
    return project.tree("lake"), {table: project.ledger(f"SELECT * FROM {table}") for table in tables}


def said(result, code):
    """The sentence and its remedy; nothing on stdout, no traceback."""
    assert result.returncode == code, result
    assert result.stdout == ""
    error, remedy = result.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert remedy.startswith("help: ")
    assert "Traceback" not in result.stderr
    assert len(error) < 400
    return error.removeprefix("error: "), remedy.removeprefix("help: ")


# --- what is asked

WRONG = [
    (["run", "nix"], "there is no pipeline 'nix'"),
    (["run", "shop", "--step", "nix"], "pipeline 'shop' has no step 'nix'"),
    (["run", "shop", "2024-01-33"], "'2024-01-33' is not a key"),
    (["run", "shop", "--start", "2024-01-05", "--end", "2024-01-04"], "ends before it starts"),
    (["run", "shop", "2024-01-11"], "'2024-01-11' is outside the range 2024-01-01…2024-01-10"),
    (["run", "shop", "--start", "2023-12-31", "--end", "2024-01-04"], "outside the range 2024-01-01…2024-01-10"),
    (["run", "shop", "2024-01-06"], "partition 2024-01-06 is not expected: the calendar leaves it out"),
    (["run", "shop", "../2024-01-05"], "'../2024-01-05' is not a key"),
    (["run", "shop", "2024/01/05"], "'2024/01/05' is not a key"),
    (["run", "shop", "2" * 10_000], "… is not a key"),
    (["run", "shop", ""], "'' is not a key"),
    (["run", "tenants", ".."], "'..' is not one of the 2 members of tenant"),
    (["run", "tenants", "../acme"], "'../acme' is not one of the 2 members of tenant"),
    (["run", "tenants", "a" * 10_000], "… is not one of the 2 members of tenant"),
    (["run", "shop", "--as-of-mode", "nix"], "--as-of-mode does not know 'nix'"),
    (["publish", "rollback", "shop", "--yes", "../2024-01-03"], "'../2024-01-03' is not a key"),
    (["backfill", "cancel", "nix"], "there is no backfill 'nix'"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=lambda value: " ".join(value)[:50])
def test_what_cannot_be_asked_changes_nothing(standing, words, sentence):
    before = facts(standing)
    error, remedy = said(standing.recoup(*words), ExitCode.USAGE)
    assert sentence in error
    assert remedy
    assert facts(standing) == before


def test_a_key_with_a_nul_changes_nothing(standing):
    """No command line can carry one; Python can."""
    before = facts(standing)
    found = standing.python(
        """
told = []
for ask in (lambda: rc.run("shop", partitions=["2024-01-05\\0"]), lambda: rc.run("tenants", partitions=["a\\0b"]),
            lambda: rc.read("orders", "2024-01-01\\0"), lambda: rc.read("orders\\0"), lambda: rc.plan("shop\\0")):
    try:
        ask()
    except rc.RecoupError as error:
        told.append([int(error.exit_code), error.message])
print(json.dumps(told))
"""
    )
    assert [code for code, _ in found] == [ExitCode.USAGE] * 5
    assert all("\\x00" in message and "\0" not in message for _, message in found)
    assert facts(standing) == before


def test_a_member_with_a_slash_stays_in_its_folder(standing):
    assert standing.recoup("run", "tenants", "a/b").returncode == 0
    assert (standing.folder / "lake" / "bills" / "tenant=a%2Fb" / "current.json").is_file()
    assert standing.python("print(json.dumps(rc.read('bills', 'a/b').collect()['tenant'].to_list()))") == ["a/b"]


# --- a pipeline that cannot be

DAILY = 'p = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-03"))\n'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (DAILY + "@p.step\ndef a(ctx, b): ...\n@p.step\ndef b(ctx, a): ...\n", "pipeline 'p' has a cycle: a → b → a"),
        (DAILY + "@p.step\ndef a(ctx): ...\n@p.step(name='a')\ndef b(ctx): ...\n", "(p.py, line 7): pipeline 'p' has two"),
        (DAILY + "@p.step\ndef a(ctx, nobody): ...\n", "step 'a' reads 'nobody', which nobody makes"),
        ("import broken\n", "(broken.py, line 3): ZeroDivisionError"),
        ("p = rc.Pipeline('p', partitions=rc.Static(['a', '..']))\n", "'..' cannot be a member"),
    ],
    ids=["cycle", "two of one name", "nobody makes it", "import", "member"],
)
def test_a_pipeline_that_cannot_be_leaves_the_folder_as_it_was(project, body, sentence):
    project.declare("p", body)
    project.write("broken.py", "\n\n1 / 0\n")
    before = set(project.tree())
    error, _ = said(project.recoup("run", "p"), ExitCode.USAGE)
    assert sentence in error
    left = {name for name in set(project.tree()) - before if not name.endswith(".pyc")}
    assert [name for name in left if not name.startswith((".recoup/", "lake/_recoup/"))] == []
    if left:  # a ledger that was made on the way has nothing in it
        assert project.ledger("SELECT count(*) FROM runs") == [(0,)]


LIBRARY = """
def count(ctx):
    ctx.count("called")
"""


def test_steps_may_come_from_another_module(project):
    """What workers import is the pipeline's own file, not that of its first function."""
    project.declare("p", "import library\n" + DAILY + "p.step(name='counted')(library.count)\n")
    project.write("library.py", LIBRARY)
    result = project.recoup("run", "p")
    assert result.returncode == 0, result.stderr
    assert [m["counters"] for m in project.manifests("counted")] == [{"called": 1}] * 3


def test_broken_settings_change_nothing(standing):
    before = facts(standing)
    path = standing.write("broken.toml", 'lake = "elsewhere"\n[pipelines\nshop = "shop.py:shop"\n')
    error, _ = said(standing.recoup("run", "shop", "--config", "broken.toml"), ExitCode.USAGE)
    assert str(path) in error
    assert "line 2, column 11" in error
    assert facts(standing) == before
    assert not (standing.folder / "elsewhere").exists()


# --- a lake and a ledger that cannot be used


def test_a_file_in_place_of_the_lake(project):
    project.declare("shop", SHOP, 'executor = "inline"')
    project.write("lake", "no folder")
    error, remedy = said(project.recoup("run", "shop"), ExitCode.USAGE)
    assert str(project.folder / "lake") in error
    assert "`lake`" in remedy
    assert (project.folder / "lake").read_text() == "no folder"
    assert project.ledger("SELECT count(*) FROM attempts") == [(0,)]


def test_a_lake_of_another_ledger_is_left_alone(standing):
    before = facts(standing)
    error, remedy = said(standing.recoup("run", "shop", RECOUP_LEDGER="other/ledger.db"), ExitCode.REFUSED)
    assert "is not ours: it belongs to ledger" in error
    assert "`recoup ledger adopt`" in remedy
    assert facts(standing) == before


def test_a_ledger_of_a_newer_schema_is_left_alone(project):
    project.declare("shop", SHOP, 'executor = "inline"')
    assert project.recoup("run", "shop", "2024-01-01").returncode == 0
    ledger = project.folder / ".recoup" / "ledger.db"
    with closing(sqlite3.connect(ledger)) as db:
        db.execute("PRAGMA user_version = 99")
        db.commit()
    before = ledger.read_bytes()
    for words in (["run", "shop"], ["status", "shop"], ["ledger", "migrate"]):
        error, remedy = said(project.recoup(*words), ExitCode.REFUSED)
        assert f"the ledger {ledger} has schema 99" in error
        assert "newer recoup" in remedy
    assert ledger.read_bytes() == before


IMPATIENT = """
from recoup.cli import main
from recoup.ledger import connection

connection.LOCK_PATIENCE_SECONDS = 0.3
connection.FileLock.acquire.__defaults__ = (0.3,)
main(["run", "shop", "2024-01-05", "--json"])
"""


@pytest.mark.parametrize("holder", ["our lock", "another program"])
def test_a_locked_ledger_is_a_refusal(project, holder):
    """The command as it is, but for its patience: a third of a second instead of ten."""
    project.declare("shop", SHOP, 'executor = "inline"')
    assert project.recoup("run", "shop", "2024-01-01").returncode == 0
    before = facts(project)
    folder = project.folder / ".recoup"
    if holder == "our lock":
        with (folder / "ledger.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = project.python(IMPATIENT)
    else:
        with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            told = project.python(IMPATIENT)
            db.execute("ROLLBACK")
    assert told["exit_code"] == ExitCode.REFUSED
    assert "locked" in told["error"]["message"]
    assert told["error"]["help"]
    assert facts(project) == before


def test_a_ledger_on_a_network_file_system():
    mounts = "/dev/vda / ext4 rw 0 0\nfiler:/export /home/me/my\\040work nfs4 rw 0 0\n"
    with pytest.raises(ConfigError, match=r"network file system \(nfs4 at /home/me/my work\)") as refusal:
        refuse_network_file_system(Path("/home/me/my work/.recoup/ledger.db"), mounts)
    assert "local disk" in refusal.value.remedy
    refuse_network_file_system(Path("/home/me/my workshop/.recoup/ledger.db"), mounts)


# --- a step that returns something that is no table

ODD = """
import polars as pl

p = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-05"))
RETURNS = {"2024-01-01": 42, "2024-01-02": "text", "2024-01-03": [1, 2], "2024-01-04": object()}


@p.step
def odd(ctx):
    return RETURNS.get(ctx.partition, pl.DataFrame({"x": [1]}))


@p.step
def after(ctx, odd: pl.LazyFrame):
    return odd
"""


def test_what_is_no_table_is_not_published_and_harms_no_other(project):
    project.declare("p", ODD, "max_parallel = 2")
    result = project.recoup("run", "p")
    assert result.returncode == ExitCode.INCOMPLETE
    assert result.stdout.count("which is no table") == 4
    shown = sorted(path.parent.name for path in (project.folder / "lake").rglob("current.json"))
    assert shown == ["dt=2024-01-05", "dt=2024-01-05"]
    kinds = {run["failure_kind"] for run in project.answer("runs", "p", "--failed")["runs"]}
    assert kinds == {"logic"}
    assert all(run["attempt"] == 1 for run in project.answer("runs", "p", "--failed")["runs"]), "nobody tried again"


# --- bytes that are not what they were


def versions(project):
    return project.python("print(json.dumps(sorted(rc.read('orders').collect()['version'].to_list())))")


def test_corrupt_pointers_are_found_served_and_in_nobody_s_way(project):
    """Edited, cut off, taken away: readers get what the ledger remembers, and the next publication mends it."""
    project.declare("shop", SHOP, 'executor = "inline"')
    assert project.recoup("run", "shop", "--end", "2024-01-04", "--step", "orders").returncode == 0
    pointers = sorted((project.folder / "lake" / "orders").glob("*/current.json"))
    edited, cut, gone, _ = pointers
    edited.write_bytes(edited.read_bytes().replace(b'"number":1', b'"number":7'))
    cut.write_bytes(cut.read_bytes()[:40])
    gone.unlink()
    for partition in ("2024-01-01", "2024-01-02"):
        shown = project.recoup("publish", "show", "orders", partition)
        assert shown.returncode == ExitCode.INCOMPLETE
        assert "is corrupt" in shown.stdout
        assert "readers are served what the ledger remembers" in shown.stdout
    assert versions(project) == ["1"] * 4
    one = project.python("print(json.dumps(rc.read('orders', '2024-01-02').collect()['version'].to_list()))")
    assert one == ["1"]

    project.write("version", "2")
    result = project.recoup("run", "shop", "--only", "stale", "--step", "orders")
    assert result.returncode == 0, "a rerun never needs a clean-up: " + result.stdout
    assert versions(project) == ["2"] * 4
    for partition in ("2024-01-01", "2024-01-02", "2024-01-03"):
        shown = project.recoup("publish", "show", "orders", partition)
        assert shown.returncode == 0
        assert "pointer and ledger agree" in shown.stdout


def test_a_corrupt_manifest_is_found_and_the_ledger_serves(project):
    project.declare("shop", SHOP, 'executor = "inline"')
    assert project.recoup("run", "shop", "--end", "2024-01-02", "--step", "orders").returncode == 0
    (path,) = (project.folder / "lake" / "manifests" / "orders" / "dt=2024-01-02").rglob("manifest.json")
    path.write_bytes(path.read_bytes().replace(b'"rows":1', b'"rows":9'))
    assert versions(project) == ["1", "1"]
    rebuilt = project.recoup("ledger", "rebuild", "--force")
    assert f"the manifest {path} is corrupt: its bytes do not match its own digest" in rebuilt.stdout + rebuilt.stderr
    assert versions(project) == ["1", "1"]
    assert project.recoup("run", "shop", "--end", "2024-01-02", "--only", "stale,missing").returncode == 0
