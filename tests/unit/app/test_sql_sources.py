"""What a database has of a source: by one question for each partition, or by one for all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import recoup as rc
from recoup.app.observing import presence
from recoup.app.outside import Outside
from recoup.model.errors import ConfigError, PartitionError, UnreachableError
from recoup.model.graph import Graph
from recoup.sources.sql import SqlDatabase
from tests import servers

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
DAYS = rc.Daily("2023-11-10", "2023-11-16")
EACH = "SELECT count(*) FROM box WHERE game_date = :partition"
ALL = "SELECT game_date, count(*) FROM box WHERE game_date BETWEEN :first AND :last GROUP BY 1"


@pytest.fixture
def url(tmp_path):
    url = servers.sqlite(tmp_path)
    servers.say(url, "CREATE TABLE box (game_date DATE, tipoff TIMESTAMP, team TEXT, points INTEGER)")
    for day, hour, team in (("2023-11-10", 7, "acme"), ("2023-11-10", 7, "beta"), ("2023-11-15", 8, "acme")):
        servers.say(url, f"INSERT INTO box VALUES ('{day}', '{day} {hour:02d}:00:00', '{team}', 100)")
    return url


class Counting(SqlDatabase):
    """It knows how often it was asked."""

    asked = 0

    def rows(self, text, parameters):
        self.asked += 1
        return super().rows(text, parameters)


def nobody(spec):
    raise AssertionError(f"nobody asked a table: {spec}")


def probed(url, probe, partitions=DAYS):
    source = rc.Source("box", partitions, sql=rc.Sql("warehouse", probe))
    pipeline = rc.Pipeline("p", partitions=partitions)
    pipeline.step(name="raw")(lambda ctx, box=source: None)
    node = Graph.of(pipeline).nodes[0]
    database = Counting(url, "warehouse")
    with Outside(Path(), lambda name: database, nobody) as outside:
        found = presence(node, partitions.universe(NOW), outside)
    return {partitions.name(o): found.versions.get(o) for o in found.present}, database.asked


def test_each_partition_is_asked_about(url):
    assert probed(url, EACH) == ({"2023-11-10": None, "2023-11-15": None}, 7)


def test_one_question_tells_about_all(url):
    assert probed(url, ALL) == ({"2023-11-10": None, "2023-11-15": None}, 1)


@pytest.mark.parametrize("probe", [EACH, ALL])
def test_a_second_answer_is_the_version(url, probe):
    versioned = probe.replace("count(*)", "count(*), max(points) || '/' || count(*)")
    assert probed(url, versioned)[0] == {"2023-11-10": "100/2", "2023-11-15": "100/1"}
    servers.say(url, "UPDATE box SET points = 101 WHERE game_date = '2023-11-15'")
    assert probed(url, versioned)[0] == {"2023-11-10": "100/2", "2023-11-15": "101/1"}


def test_what_is_not_counted_is_not_there(url):
    assert probed(url, "SELECT 1 FROM box WHERE game_date = :partition")[0].keys() == {"2023-11-10", "2023-11-15"}
    assert probed(url, "SELECT NULL FROM box WHERE game_date = :partition")[0] == {}
    assert probed(url, "SELECT game_date, 0 FROM box")[0] == {}


def test_rows_outside_of_what_is_declared_are_nobodys(url):
    servers.say(url, "INSERT INTO box VALUES ('2020-01-01', '2020-01-01 07:00:00', 'acme', 1)")
    assert probed(url, "SELECT game_date, count(*), 'v' FROM box GROUP BY 1")[0] == {
        "2023-11-10": "v", "2023-11-15": "v",
    }  # fmt: skip


def test_hours_are_asked_by_their_instants(url):
    hours = rc.Hourly("2023-11-10", "2023-11-10", tz="America/New_York")
    found, asked = probed(url, "SELECT count(*) FROM box WHERE tipoff >= :start AND tipoff < :end", hours)
    assert found == {"2023-11-10T02": None}
    assert asked == 24


def test_members_are_asked_by_name(url):
    tenants = rc.Static(["acme", "beta", "o'neil"])
    assert probed(url, "SELECT count(*) FROM box WHERE team = :partition", tenants)[0].keys() == {"acme", "beta"}
    assert probed(url, "SELECT team, count(*) FROM box GROUP BY 1", tenants) == ({"acme": None, "beta": None}, 1)


@pytest.mark.parametrize(
    ("probe", "times"),
    [
        ("SELECT count(*) FROM box WHERE game_date = :dt AND team = :team", 14),
        ("SELECT game_date, team, count(*) FROM box WHERE game_date BETWEEN :first AND :last GROUP BY 1, 2", 1),
    ],
)
def test_cells_of_a_grid_are_asked_by_both_sides(url, probe, times):
    servers.say(url, "INSERT INTO box VALUES ('2023-11-15', '2023-11-15 07:00:00', 'nobody of ours', 1)")
    cells = rc.Grid(DAYS, rc.Static(["acme", "beta"], key="team"))
    found, asked = probed(url, probe, cells)
    assert found.keys() == {"2023-11-10/acme", "2023-11-10/beta", "2023-11-15/acme"}
    assert asked == times


@pytest.mark.parametrize(
    ("probe", "error", "message"),
    [
        ("SELECT count(*) FROM nix WHERE d = :partition", ConfigError, "source 'box': .*no such table: nix"),
        ("SELECT count(nix) FROM box WHERE game_date = :partition", ConfigError, "source 'box': .*no such column: nix"),
        ("SELECT 1, 2, 3 FROM box WHERE game_date = :partition", ConfigError, "too many or too few columns"),
        ("SELECT game_date FROM box", ConfigError, "too many or too few columns"),
        ("SELECT team, count(*) FROM box GROUP BY 1", PartitionError, "source 'box': 'acme' is not a key"),
        ("SELECT NULL, 1", PartitionError, "source 'box': None .* names none of the days"),
    ],
)
def test_a_probe_that_tells_nothing(url, probe, error, message):
    with pytest.raises(error, match=message) as raised:
        probed(url, probe)
    assert raised.value.remedy


def test_a_database_that_is_out_of_reach(tmp_path):
    with pytest.raises(UnreachableError, match="source 'box': the connection 'warehouse' cannot be opened"):
        probed(f"sqlite:///{tmp_path}/nowhere/x.db", EACH)
