"""A pipeline that reads a database: what is there is asked for in SQL, and loaded with its types."""

from __future__ import annotations

import json
import re

import pytest

from tests import servers

# One calendar, two sources of the same table: one is asked about each day, one about all days at once.
SHOP = """
import polars as pl

days = rc.Daily("2023-11-10", "2023-11-16",
    calendar=rc.Calendar.from_sql("warehouse", "SELECT DISTINCT game_date FROM schedule WHERE status = 3"))
box = rc.Source("box", days, sql=rc.Sql("warehouse",
    probe="SELECT count(*) FROM box WHERE game_date = :partition",
    load="SELECT game_date, team, points, fee FROM box WHERE game_date = :partition ORDER BY team"))
versioned = rc.Source("versioned", days, sql=rc.Sql("warehouse",
    probe="SELECT game_date, count(*), sum(points) FROM box WHERE game_date BETWEEN :first AND :last GROUP BY 1",
    load="SELECT game_date, points FROM box WHERE game_date IN :partitions"))
shop = rc.Pipeline("shop", partitions=days)


@shop.step
def teams(ctx, box: pl.DataFrame = box):
    with noted(ctx):
        return box


@shop.step
def week(ctx, rows: pl.LazyFrame = rc.trailing(versioned, days=7, complete=0.5)):
    with noted(ctx):
        return rows.select(pl.len().alias("games"), pl.col("points").sum())
"""


@pytest.fixture(
    params=[
        pytest.param("postgresql", marks=pytest.mark.services),
        pytest.param("mariadb", marks=pytest.mark.services),
        "sqlite",
    ]
)
def warehouse(request, tmp_path):
    if request.param == "sqlite":
        yield filled(servers.sqlite(tmp_path))
        return
    with getattr(servers, request.param)() as url:
        yield filled(url)


@pytest.fixture
def lite(tmp_path):
    return filled(servers.sqlite(tmp_path))


def filled(url):
    """Games on four days; of one of them there are no rows yet."""
    servers.say(
        url,
        "CREATE TABLE schedule (game_date DATE, status INTEGER)",
        "INSERT INTO schedule VALUES ('2023-11-10', 3), ('2023-11-12', 3), ('2023-11-12', 3), ('2023-11-15', 3),"
        " ('2023-11-16', 3), ('2023-11-13', 1)",
        "CREATE TABLE box (game_date DATE, team VARCHAR(20), points INTEGER, fee NUMERIC(10, 2))",
        "INSERT INTO box VALUES ('2023-11-10', 'acme', 100, 1.50), ('2023-11-10', 'beta', 90, NULL),"
        " ('2023-11-12', 'acme', 80, 2.25), ('2023-11-16', 'beta', 70, 0.50)",
    )
    return url


def shop(project, url, body=SHOP):
    project.declare("shop", body, f"[connections]\nwarehouse = {json.dumps(url)}\n")
    return project


def groups(plan):
    return [(g["step"], g["verb"], g["reason"], g["ranges"]) for g in plan["groups"]]


def test_a_database_is_asked_and_loaded(project, warehouse):
    shop(project, warehouse)
    plan = project.answer("plan", "shop")
    assert plan["actions"] == 7
    assert ("teams", "block", "box has 0 rows of it", [["2023-11-15", "2023-11-15"]]) in groups(plan)

    result = project.recoup("run", "shop")
    assert result.returncode == 1, result.stderr  # the blocked day
    status = project.answer("status", "shop")
    assert (status["total_dates"], status["completed_dates"]) == (4, 3)
    rows = project.python(
        "frame = rc.read('teams', '2023-11-10').collect()\n"
        "print(json.dumps([str(frame.schema['fee']), frame.drop('dt').cast({'game_date': str, 'fee': str}).rows()]))"
    )
    assert rows[1] == [["2023-11-10", "acme", 100, "1.50"], ["2023-11-10", "beta", 90, None]] or "sqlite" in warehouse
    assert rows[0].startswith("Decimal") or "sqlite" in warehouse
    week = project.python("print(json.dumps(rc.read('week', '2023-11-15').drop('dt').collect().rows()))")
    assert week == [[3, 270]]

    # The last rows arrive: one action, and what reads the table with versions is stale.
    servers.say(warehouse, "INSERT INTO box VALUES ('2023-11-15', 'acme', 60, 1)")
    plan = project.answer("plan", "shop", "--only", "missing,failed,stale")
    assert groups(plan) == [
        ("teams", "run", "missing", [["2023-11-15", "2023-11-15"]]),
        ("week", "run", "stale(input)", [["2023-11-15", "2023-11-16"]]),
    ]
    assert project.recoup("run", "shop", "--only", "missing,failed,stale").returncode == 0
    assert project.answer("status", "shop")["complete"]
    assert project.recoup("ledger", "verify").returncode == 0


def test_changed_rows_make_stale_what_read_them(project, lite):
    shop(project, lite)
    project.recoup("run", "shop")
    servers.say(lite, "UPDATE box SET points = 101 WHERE game_date = '2023-11-10' AND team = 'acme'")
    touched = [["2023-11-10", "2023-11-10"], ["2023-11-12", "2023-11-12"], ["2023-11-15", "2023-11-16"]]
    assert groups(project.answer("plan", "shop", "--only", "stale")) == [("week", "run", "stale(input)", touched)]


def test_another_load_is_other_code(project, lite):
    shop(project, lite)
    project.recoup("run", "shop")
    shop(project, lite, SHOP.replace("ORDER BY team", "ORDER BY team DESC"))
    (stale,) = groups(project.answer("plan", "shop", "--only", "stale"))
    assert stale[:3] == ("teams", "run", "stale(code)")


@pytest.mark.parametrize(
    ("url", "old", "new", "code", "message"),
    [
        ("sqlite:////nowhere/at/all.db", "", "", 5, "the connection 'warehouse' cannot be opened"),
        ("mysql+pymysql://root:geheim-7391@127.0.0.1:1/x", "", "", 5, "the connection 'warehouse' cannot be opened"),
        (None, "FROM box WHERE game_date = :p", "FROM nix WHERE game_date = :p", 2, "source 'box': .* nix"),
        (None, "count(*), sum(points)", "count(*), sum(nix)", 2, "source 'versioned': .* nix"),
        (None, "DISTINCT game_date", "DISTINCT nix", 2, "the calendar that 'warehouse' is asked for: .* nix"),
        (None, "status = 3", "status = 4", 4, "nothing would be expected, and all would count as complete"),
    ],
)
def test_what_cannot_be_asked_plans_nothing(project, lite, url, old, new, code, message):
    shop(project, url or lite, SHOP.replace(old, new))
    for command in ("plan", "run"):
        result = project.recoup(command, "shop")
        assert result.returncode == code
        error, remedy = result.stderr.splitlines()
        assert error.startswith("error: ")
        assert remedy.startswith("help: ")
        assert "geheim" not in result.stderr
        assert re.search(message, error)
    assert not project.calls()


def test_status_does_without_a_warehouse_that_is_down(project, lite):
    shop(project, lite)
    project.recoup("run", "shop")
    shop(project, "sqlite:////nowhere/at/all.db")
    shown = project.recoup("status", "shop")
    assert shown.returncode == 0
    assert "3 of 4 days" in shown.stdout
    assert shown.stderr.startswith("warning: the calendar that 'warehouse' is asked for: ")
    assert "as it was at the last plan" in shown.stderr
    answer = project.answer("status", "shop", "--check")
    assert (answer["exit_code"], len(answer["unread_calendars"])) == (3, 1)
    assert project.answer("status", "shop", "2023-11-10", "--check")["exit_code"] == 5
    assert project.recoup("plan", "shop").returncode == 5


BROKEN = """
@shop.step
def broken(ctx, rows: pl.DataFrame = rc.Source("other", days, sql=rc.Sql("warehouse",
        probe="SELECT count(*) FROM box WHERE game_date = :partition", load="{load}"))):
    return rows
"""


@pytest.mark.services
@pytest.mark.parametrize(
    ("load", "kind", "said"),
    [
        ("SELECT * FROM nix WHERE game_date = :partition", "missing", 'relation "nix" does not exist'),
        ("SELECT nix FROM box WHERE game_date = :partition", "contract", 'column "nix" does not exist'),
        ("SELECT points / 0 FROM box WHERE game_date = :partition", "logic", "division by zero"),
        ("SELECT pg_terminate_backend(pg_backend_pid()) WHERE :partition = :partition", "service", "terminating"),
        ("SELECT 1 AS a, 2 AS a WHERE :partition = :partition", "config", "gives the columns 'a, a'"),
    ],
)
def test_a_load_that_fails_is_a_failure_of_its_step(project, load, kind, said):
    with servers.postgresql() as url:
        shop(
            project, filled(url), SHOP + BROKEN.replace("{load}", load).replace("@shop.step", "@shop.step(retry=ONCE)")
        )
        text = (
            (project.folder / "shop.py")
            .read_text()
            .replace("import polars as pl\n", "import polars as pl\nONCE = rc.Retry(max_attempts=1)\n", 1)
        )
        project.write("shop.py", text)
        assert project.recoup("run", "shop", "2023-11-10", "--step", "broken").returncode == 1
        (attempt,) = project.answer("runs", "shop", "--step", "broken")["runs"]
        assert attempt["failure_kind"] == kind
        assert "the connection 'warehouse' got no answer: " in attempt["error_message"] or kind == "config"
        assert said in attempt["error_message"]
        assert "\n" not in attempt["error_message"]
