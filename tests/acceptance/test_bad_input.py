"""Bad input ends in one sentence with its place, a remedy, and the exit code of the design."""

import fcntl
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from recoup.app.clock import SystemClock
from recoup.ledger.connection import refuse_network_file_system
from recoup.ledger.writer import Ledger
from recoup.model.errors import ConfigError
from tests.acceptance.conftest import Project
from tests.acceptance.test_cli import DONE, INCOMPLETE, REFUSED, SHOP, UNREACHABLE, USAGE, said


@pytest.fixture
def shop(project):
    project.declare("shop", SHOP, 'executor = "inline"')
    return project


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """A shop in which one partition was run: what cannot be changes nothing, so one is enough for all."""
    made = Project(tmp_path_factory.mktemp("standing"))
    made.declare("shop", SHOP, 'executor = "inline"')
    made.recoup("run", "shop", "--step", "orders", "2024-01-31")
    yield made
    made.end()


@pytest.mark.parametrize(
    ("words", "sentence", "remedy"),
    [
        (["run", "nix"], "there is no pipeline 'nix'", "recoup.toml names: shop"),
        (["run", "shop", "--step", "nix"], "pipeline 'shop' has no step 'nix'", "its steps are orders, totals, trend"),
        (["status", "shop", "--step", "nix"], "has no step 'nix'", "its steps are"),
        (["run", "shop", "nix"], "'nix' is not a key", ""),
        (["run", "shop", "--start", "2024-02", "--end", "2024-01"], "ends before it starts", "both ends are included"),
        (["run", "shop", "2025-01-01"], "outside the range 2024-01-01…2024-01-31", ""),
        (["run", "shop", "--start", "2025-01-01"], "outside the range 2024-01-01…2024-01-31", ""),
        (["run", "shop", "../../etc/passwd"], "'../../etc/passwd' is not a key", ""),
        (["run", "shop", "2024/01/01"], "'2024/01/01' is not a key", ""),
        (["run", "shop", "x" * 10_000], "is not a key", ""),
        (["run", "shop", "--exclude", "nix"], "'nix' is not a key", ""),
        (["run", "shop", "--only", "nix"], "--only does not know 'nix'", "missing, failed, stale"),
        (["run", "shop", "--as-of-mode", "nix"], "--as-of-mode does not know 'nix'", "now, partition-end"),
        (["run", "shop", "2024-01-01", "--end", "2024-01-02"], "both a window and explicit partitions", "not both"),
        (["run", "shop", "--max-parallel", "0"], "--max-parallel is 0", "from 1 to 10000"),
        (["run", "--plan", "nix.json"], "plan nix.json cannot be read", "recoup plan -o"),
        (["run", "shop", "--plan", "x", "--step", "orders"], "exactly what was saved", "leave them out"),
        (["run"], "no pipeline was named", "recoup.toml has shop"),
        (["runs", "shop", "--since", "soon"], "'soon' is no duration", "30s"),
        (["status", "--config", "nix.toml"], "there is no configuration at", "recoup init"),
        (["publish", "show", "nix", "2024-01-01"], "'nix'", ""),
        (["lake", "view", "nix"], "'nix'", ""),
        (["backfill", "pause"], "one backfill or all", "--all"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_what_cannot_be_is_said_in_one_sentence(standing, words, sentence, remedy):
    error, advice = said(standing.recoup(*words), USAGE)
    assert sentence in error
    assert remedy in advice
    assert advice


def test_a_key_with_a_nul_comes_from_a_saved_plan(shop):
    shop.recoup("plan", "shop", "-o", "plan.json")
    saved = (shop.folder / "plan.json").read_text()
    shop.write("plan.json", saved.replace('"2024-01-01"', '"2024-01-01\\u0000"'))
    error, _ = said(shop.recoup("run", "--plan", "plan.json"), USAGE)
    assert "is not a key" in error


def test_a_partition_that_the_calendar_leaves_out(project):
    project.declare(
        "office",
        "weekdays = rc.Calendar(lambda day: day.weekday() < 5)\n"
        'office = rc.Pipeline("office", partitions=rc.Daily("2024-01-01", "2024-01-31", calendar=weekdays))\n\n\n'
        "@office.step\ndef a(ctx): ...\n",
    )
    error, remedy = said(project.recoup("run", "office", "2024-01-06"), USAGE)
    assert error == "partition 2024-01-06 is not expected: the calendar leaves it out"
    assert "calendar" in remedy


DAILY = 'p = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-31"))\n'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (DAILY + "@p.step\ndef a(ctx, b): ...\n@p.step\ndef b(ctx, a): ...\n", "has a cycle: a → b → a"),
        (DAILY + "@p.step\ndef a(ctx): ...\n@p.step\ndef a(ctx): ...\n", "has two steps named 'a'"),
        (DAILY + "@p.step\ndef a(ctx, nobody): ...\n", "step 'a' reads 'nobody', which nobody makes"),
        ("import nothing_of_this_name\n", "p.py, line 4): ModuleNotFoundError"),
        ("def broken(:\n", "p.py, line 4): SyntaxError"),
        ("raise SystemExit(3)\n", "p.py, line 4)"),
        ("1 / 0\n", "p.py, line 4): ZeroDivisionError"),
        ("", "p.py has no pipeline 'p'"),
        (DAILY, "pipeline 'p' has no steps"),
    ],
)
def test_a_pipeline_that_cannot_be(project, body, sentence):
    project.declare("p", body)
    error, remedy = said(project.recoup("run", "p"), USAGE)
    assert sentence in error
    assert remedy
    assert not (project.folder / "lake").exists() or not any((project.folder / "lake").glob("a/*"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lake = \n", "(at line 1, column 8)"),
        ("\n\n[pipelines\n", "(at line 3, column 11)"),
        ("lakes = 'x'\n", "unknown setting 'lakes'"),
        ("max_parallel = 'two'\n", "max_parallel must be a whole number"),
        ("executor = 'dask'\n", "choose from processes, threads, inline"),
        ("[pools]\napi = 0\n", "[pools] api: 0 is no number of slots"),
    ],
)
def test_a_broken_configuration(project, text, sentence):
    path = project.write("recoup.toml", text)
    error, remedy = said(project.recoup("status"), USAGE)
    assert str(path) in error
    assert sentence in error
    assert remedy


def test_a_lake_that_cannot_be_written(shop):
    shop.write("lake", "a file where the folder should be")
    result = shop.recoup("run", "shop")
    assert result.returncode in (USAGE, UNREACHABLE)
    error, remedy = said(result, result.returncode)
    assert str(shop.folder / "lake") in error
    assert remedy


def test_a_lake_of_another_ledger(shop):
    assert shop.recoup("run", "shop", "2024-01-01").returncode == DONE
    for words in (["status", "shop"], ["plan", "shop"], ["why", "shop"], ["runs"], ["run", "shop"]):
        error, remedy = said(shop.recoup(*words, RECOUP_LEDGER="other/ledger.db"), REFUSED)
        assert "there is no ledger at" in error
        assert "when it is lost, `recoup ledger rebuild`" in remedy, "an empty one must not take over"
    Ledger(shop.folder / "other" / "ledger.db", SystemClock()).close()
    for words in (["status", "shop"], ["plan", "shop"], ["run", "shop"]):
        error, _ = said(shop.recoup(*words, RECOUP_LEDGER="other/ledger.db"), REFUSED)
        assert "is empty" in error
    assert "adopt" in shop.recoup("doctor", RECOUP_LEDGER="other/ledger.db").stdout


def test_a_ledger_that_was_killed_while_it_was_made(shop):
    """A file without tables: the same command makes them."""
    (shop.folder / ".recoup").mkdir()
    with closing(sqlite3.connect(shop.folder / ".recoup" / "ledger.db")) as db:
        db.execute("PRAGMA journal_mode = wal")
    assert shop.recoup("run", "shop").returncode == DONE


def test_a_ledger_of_a_newer_schema(shop):
    shop.recoup("run", "shop", "2024-01-01")
    with sqlite3.connect(shop.folder / ".recoup" / "ledger.db") as db:
        db.execute("PRAGMA user_version = 99")
    for words in (["run", "shop"], ["status", "shop"], ["ledger", "verify"]):
        error, remedy = said(shop.recoup(*words), REFUSED)
        assert "has schema 99" in error
        assert "newer recoup" in remedy
    assert shop.recoup("doctor").returncode == INCOMPLETE


def test_a_ledger_that_somebody_holds(shop):
    shop.recoup("run", "shop", "2024-01-01")
    with (shop.folder / ".recoup" / "ledger.db.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error, remedy = said(shop.recoup("run", "shop"), REFUSED)
        assert shop.recoup("status", "shop").returncode == DONE  # reading needs no lock
    assert "the ledger is locked" in error
    assert "fuser" in remedy


def test_a_ledger_that_is_no_database(shop):
    (shop.folder / ".recoup").mkdir()
    (shop.folder / ".recoup" / "ledger.db").write_text("no database " * 1000)
    error, remedy = said(shop.recoup("run", "shop"), UNREACHABLE)
    assert "is no sound SQLite database" in error
    assert "ledger rebuild" in remedy


def test_a_step_that_returns_something_that_is_no_table(project):
    project.declare("p", DAILY + "@p.step\ndef a(ctx):\n    return 42\n", 'executor = "inline"')
    result = project.recoup("run", "p", "2024-01-01")
    assert result.returncode == INCOMPLETE
    assert "logic: StepReturnError" in result.stdout
    assert "int" in result.stdout


def test_a_corrupt_pointer_is_found_and_the_ledger_serves(project):
    project.recoup("init")
    project.recoup("run", "sample", "--end", "2024-01-03", "--executor", "inline")
    (pointer,) = (project.folder / "lake" / "trend" / "dt=2024-01-02").glob("current.json")
    pointer.write_bytes(pointer.read_bytes().replace(b"a", b"b", 1))
    shown = project.recoup("publish", "show", "trend", "2024-01-02")
    assert shown.returncode == INCOMPLETE
    assert "corrupt" in shown.stdout.splitlines()[0] or "digest" in shown.stdout.splitlines()[0]
    assert "readers are served what the ledger remembers" in shown.stdout


CAN_MOUNT = subprocess.run(
    ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
)


@pytest.mark.skipif(CAN_MOUNT.returncode != 0, reason="small disks need mount namespaces")
@pytest.mark.parametrize(("place", "size", "reached"), [("lake", "1m", "lake/"), (".recoup", "300k", "ledger.db")])
def test_a_disk_that_fills_up_half_way(project, place, size, reached):
    """Nothing published is lost; with room again, the same command does the rest and no more."""
    project.declare(
        "p",
        'p = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-20"))\n\n\n'
        "@p.step\ndef a(ctx):\n    import polars as pl\n"
        '    return pl.DataFrame({"x": [hash((ctx.partition, n)) for n in range(12_000)]})\n',
        'executor = "inline"',
    )
    (project.folder / place).mkdir()
    script = f"""
        mount -t tmpfs -o size={size} tmpfs {place}
        {sys.executable} -m recoup run p; echo "exit $?"
        mount -o remount,size=100m {place}
        {sys.executable} -m recoup run p; echo "exit $?"
        {sys.executable} -m recoup ledger verify; echo "exit $?"
    """
    result = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", script],
        cwd=project.folder,
        env=project._environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.findall(r"^exit (\d+)$", result.stdout, re.MULTILINE) == ["1", "0", "0"], result
    assert re.search(rf"(error: |failed a ).*no room .*{reached}", result.stderr), result.stderr
    (first, before), (rest, kept) = re.findall(r"^p: (\d+) to run · (\d+) done", result.stderr, re.MULTILINE)
    assert (first, before) == ("20", "0")
    assert int(rest) + int(kept) == 20
    assert int(kept) > 0 or place == ".recoup"
    assert "p: done · 20 of 20 published" in result.stdout


LOOKS = {
    "lake gc": ["lake", "gc"],
    "ledger adopt": ["ledger", "adopt"],
    "ledger verify": ["ledger", "verify", "--repair"],
    "backfill pause": ["backfill", "pause", "--all"],
    "backfill cancel": ["backfill", "cancel", "--all"],
    "publish accept": ["publish", "accept", "--code", "x", "--yes"],
    "publish rollback": ["publish", "rollback", "x", "--yes"],
    "run": ["run", "x.py"],
    "plan": ["plan", "x.py:x"],
    "lake adopt": ["lake", "adopt", "x.py", "x", "{partition}.parquet"],
}


@pytest.mark.parametrize("words", LOOKS.values(), ids=LOOKS.keys())
def test_a_command_in_a_folder_without_a_project_leaves_nothing_behind(project, words):
    result = project.recoup(*words)
    assert result.returncode in (2, 5), result.stderr
    assert "error: " in result.stderr
    assert list(project.folder.iterdir()) == []


# --- it changes nothing, and what is broken is in nobody's way

KEPT = """
import polars as pl

kept = rc.Pipeline("kept", partitions=rc.Daily("2024-01-01", "2024-01-10"))
tenants = rc.Pipeline("tenants", partitions=rc.Static(["acme", "a/b"], key="tenant"))


@kept.step(version=(told("version") or ["1"])[0])
def prices(ctx):
    if ctx.partition in told("odd"):
        return {"2024-01-05": 42, "2024-01-06": "text", "2024-01-07": [1, 2], "2024-01-08": object()}[ctx.partition]
    return pl.DataFrame({"version": told("version") or ["1"]})


@kept.step
def total(ctx, prices: pl.LazyFrame):
    return prices


@tenants.step
def bills(ctx):
    return pl.DataFrame({"x": [1]})
"""
KEPT_PIPELINES = '[pipelines]\nkept = "kept.py:kept"\ntenants = "kept.py:tenants"\n'


def declare_kept(project):
    project.declare("kept", KEPT)
    project.write("recoup.toml", f'executor = "inline"\n{KEPT_PIPELINES}')
    return project


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Three days and one tenant; whatever is asked wrongly, they stay as they are."""
    made = declare_kept(Project(tmp_path_factory.mktemp("kept")))
    assert made.recoup("run", "kept", "--end", "2024-01-03").returncode == DONE
    assert made.recoup("run", "tenants", "acme").returncode == DONE
    yield made
    made.end()


def facts(project):
    """All that may not change: the lake's bytes, and what the ledger knows of work and its outcome."""
    tables = ("attempts", "runs", "publications", "blocks", "backfills", "planes")
    return project.tree("lake"), {table: project.ledger(f"SELECT * FROM {table}") for table in tables}


def test_what_cannot_be_asked_changes_nothing(kept):
    before = facts(kept)
    for words, sentence in (
        (["run", "kept", "--step", "nix"], "pipeline 'kept' has no step 'nix'"),
        (["run", "kept", "--start", "2024-01-05", "--end", "2024-01-04"], "ends before it starts"),
        (["run", "kept", "--start", "2023-12-31", "--end", "2024-01-04"], "outside the range 2024-01-01…2024-01-10"),
        (["run", "kept", "../2024-01-05"], "'../2024-01-05' is not a key"),
        (["run", "tenants", ".."], "'..' is not one of the 2 members of tenant"),
        (["run", "tenants", "a" * 10_000], "… is not one of the 2 members of tenant"),
        (["run", "kept", "--as-of-mode", "nix"], "--as-of-mode does not know 'nix'"),
        (["publish", "rollback", "kept", "--yes", "../2024-01-03"], "'../2024-01-03' is not a key"),
        (["backfill", "cancel", "nix"], "there is no backfill 'nix'"),
    ):
        error, _ = said(kept.recoup(*words), USAGE)
        assert sentence in error
    error, _ = said(kept.recoup("run", "kept", RECOUP_LEDGER="other/ledger.db"), REFUSED)
    assert "belongs to ledger" in error
    assert facts(kept) == before


def test_a_key_with_a_nul_changes_nothing(kept):
    """No command line can carry one; Python can."""
    before = facts(kept)
    found = kept.python(
        """
told = []
for ask in (lambda: rc.run("kept", partitions=["2024-01-05\\0"]), lambda: rc.run("tenants", partitions=["a\\0b"]),
            lambda: rc.read("prices", "2024-01-01\\0"), lambda: rc.read("prices\\0"), lambda: rc.plan("kept\\0")):
    try:
        ask()
    except rc.RecoupError as error:
        told.append([int(error.exit_code), error.message])
print(json.dumps(told))
"""
    )
    assert [code for code, _ in found] == [USAGE] * 5
    assert all("\\x00" in message and "\0" not in message for _, message in found)
    assert facts(kept) == before


def test_a_member_with_a_slash_stays_in_its_folder(kept):
    assert kept.recoup("run", "tenants", "a/b").returncode == DONE
    assert (kept.folder / "lake" / "bills" / "tenant=a%2Fb" / "current.json").is_file()
    assert kept.python("print(json.dumps(rc.read('bills', 'a/b').collect()['tenant'].to_list()))") == ["a/b"]


def test_what_is_no_table_harms_no_other(project):
    declare_kept(project).write("odd", "2024-01-05 2024-01-06 2024-01-07 2024-01-08")
    result = project.recoup("run", "kept")
    assert result.returncode == INCOMPLETE
    assert result.stdout.count("which is no table") == 4
    tried = [run["attempt"] for run in project.answer("runs", "kept", "--failed")["runs"]]
    assert tried == [1] * 4, "nobody tries a bug again"
    assert len(list((project.folder / "lake").rglob("current.json"))) == 2 * 6


# A third of a second instead of ten; all else is the command as it is.
IMPATIENT = """
from recoup.cli import main
from recoup.ledger import connection

connection.LOCK_PATIENCE_SECONDS = 0.3
main(["run", "kept", "2024-01-05", "--json"])
"""


def test_a_ledger_that_another_program_writes_to(kept):
    before = facts(kept)
    with closing(sqlite3.connect(kept.folder / ".recoup" / "ledger.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        told = kept.python(IMPATIENT)
        db.execute("ROLLBACK")
    assert told["exit_code"] == REFUSED
    assert "is locked by another program" in told["error"]["message"]
    assert told["error"]["help"]
    assert facts(kept) == before


def test_a_ledger_on_a_network_file_system():
    mounts = "/dev/vda / ext4 rw 0 0\nfiler:/export /home/me/my\\040work nfs4 rw 0 0\n"
    with pytest.raises(ConfigError, match=r"network file system \(nfs4 at /home/me/my work\)") as refusal:
        refuse_network_file_system(Path("/home/me/my work/.recoup/ledger.db"), mounts)
    assert "local disk" in refusal.value.remedy
    refuse_network_file_system(Path("/home/me/my workshop/.recoup/ledger.db"), mounts)


def versions(project):
    return project.python("print(json.dumps(sorted(rc.read('prices').collect()['version'].to_list())))")


def test_corrupt_pointers_are_served_and_mended_by_the_next_publication(project):
    """Edited, cut off, taken away: readers get what the ledger remembers, and a rerun needs no clean-up."""
    declare_kept(project)
    prices = ("run", "kept", "--end", "2024-01-04", "--step", "prices")
    assert project.recoup(*prices).returncode == DONE
    edited, cut, gone, _ = sorted((project.folder / "lake" / "prices").glob("*/current.json"))
    edited.write_bytes(edited.read_bytes().replace(b'"number":1', b'"number":7'))
    cut.write_bytes(cut.read_bytes()[:40])
    gone.unlink()
    assert versions(project) == ["1"] * 4
    project.write("version", "2")
    result = project.recoup(*prices, "--only", "stale")
    assert result.returncode == DONE, result.stdout
    assert versions(project) == ["2"] * 4
    for partition in ("2024-01-01", "2024-01-02", "2024-01-03"):
        assert "pointer and ledger agree" in project.recoup("publish", "show", "prices", partition).stdout


def test_a_corrupt_pointer_that_nobody_remembers_is_put_aside(project):
    """Restored from somewhere, or a bad disk: the partition was never published here, and is made like any other."""
    declare_kept(project)
    folder = project.folder / "lake" / "prices" / "dt=2024-01-01"
    folder.mkdir(parents=True)
    (folder / "current.json").write_bytes(b"half a poin")
    result = project.recoup("run", "kept", "--end", "2024-01-01", "--step", "prices")
    assert result.returncode == DONE, result.stdout
    assert versions(project) == ["1"]
    (aside,) = folder.glob("current.json.corrupt-*")
    assert aside.read_bytes() == b"half a poin"


def test_a_corrupt_manifest_is_found_and_the_ledger_serves(project):
    declare_kept(project)
    prices = ("run", "kept", "--end", "2024-01-02", "--step", "prices")
    assert project.recoup(*prices).returncode == DONE
    (path,) = (project.folder / "lake" / "manifests" / "prices" / "dt=2024-01-02").rglob("manifest.json")
    path.write_bytes(path.read_bytes().replace(b'"rows":1', b'"rows":9'))
    corrupt = f"the manifest {path} is corrupt: its bytes do not match its own digest"
    for words in (("publish", "show", "prices", "2024-01-02"), ("doctor",)):
        told = project.recoup(*words)
        assert told.returncode == INCOMPLETE, words
        assert corrupt in told.stdout
    rebuilt = project.recoup("ledger", "rebuild", "--force")
    assert corrupt in rebuilt.stdout + rebuilt.stderr
    assert versions(project) == ["1", "1"]
    assert project.recoup(*prices, "--only", "missing,failed,stale").returncode == DONE
