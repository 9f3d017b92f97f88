import pytest

from recoup.app.path_patterns import PathPattern
from recoup.model.grid import Grid
from recoup.model.member_partitionings import Static
from recoup.model.time_partitionings import Daily

DAYS = Daily("2024-01-01", "2024-01-31", key="dt")
TENANTS = Static(["acme", "globex"], key="tenant").bind({"acme": 0, "globex": 1})
CELLS = Grid(DAYS, TENANTS)
TREE = ("dt=2024-01-01/tenant=acme/a.csv", "dt=2024-01-02/tenant=globex/a.csv", "dt=nix/tenant=acme/a.csv")


def found(folder, pattern, partitioning):
    whole = PathPattern(f"{folder}/{pattern}", partitioning)
    paths = sorted(whole.globbed())
    assert sorted(whole.fits(paths)) == paths
    named = whole.matched(paths)
    return [(path[len(str(folder)) + 1 :], o if o is None else partitioning.name(o)) for path, o in named]


@pytest.fixture
def folder(tmp_path):
    for name in (*TREE, "2024-01-03/acme/b.csv", "2024-01-04.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def test_the_sides_of_a_grid_have_places_of_their_own(folder):
    assert found(folder, "dt={dt}/tenant={tenant}/*.csv", CELLS) == [
        (TREE[0], "2024-01-01/acme"),
        (TREE[1], "2024-01-02/globex"),
        (TREE[2], None),
    ]


def test_the_key_of_a_grid_is_two_folders(folder):
    assert ("2024-01-03/acme/b.csv", "2024-01-03/acme") in found(folder, "{partition}/*.csv", CELLS)


def test_a_key_that_stands_twice_must_be_the_same(tmp_path):
    for name in ("2024-01-01/2024-01-01.csv", "2024-01-01/2024-01-02.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert found(tmp_path, "{partition}/{partition}.csv", DAYS) == [
        ("2024-01-01/2024-01-01.csv", "2024-01-01"),
        ("2024-01-01/2024-01-02.csv", None),
    ]


@pytest.mark.parametrize(
    ("pattern", "partitioning", "says"),
    [
        ("a/{partition}/*", DAYS, True),
        ("a/{dt}/*", DAYS, False),
        ("a/*", DAYS, False),
        ("a/{dt}/{tenant}/*", CELLS, True),
        ("a/{dt}/*", CELLS, False),
        ("a/{partition}/*", CELLS, True),
    ],
)
def test_whether_it_says_the_partition(pattern, partitioning, says):
    assert PathPattern(pattern, partitioning).says_partition is says
