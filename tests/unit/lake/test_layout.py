"""Names to keys and back; nothing that a name holds can lead elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.lake import layout
from recoup.lake.layout import Place, PlaceKind, place_of
from recoup.model.errors import RecoupError, UsageError

RUN = "01930f0a-7b3c-7d2e-8f00-000000000001"


def test_the_paths_of_the_design():
    assert (
        layout.data_file("clean", "dt", "2013-01-01", RUN, 1, "ab12", 0)
        == f"clean/dt=2013-01-01/run={RUN}/a1-ab12-0.parquet"
    )
    assert layout.pointer("clean", "dt", "2013-01-01") == "clean/dt=2013-01-01/current.json"
    assert (
        layout.manifest("clean", "game_date", "2023-11-15", RUN)
        == f"manifests/clean/game_date=2023-11-15/run={RUN}/manifest.json"
    )
    assert layout.summary("b-17") == "manifests/backfills/b-17/summary.json"
    assert layout.OWNER == "_recoup/owner.json"


def test_a_grid_has_a_folder_for_each_of_its_names():
    assert layout.partition_prefix("sales", "dt/tenant", "2023-11-15/a b") == "sales/dt=2023-11-15/tenant=a%20b/"
    assert layout.partition_prefix("sales", "tenant", "a/b") == "sales/tenant=a%2Fb/", "a plain member may hold a slash"


members = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())


@given(partition=members, run_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", fullmatch=True))
def test_every_written_key_is_read_back(partition, run_id):
    names = ("clean", "tenant", partition)
    place = Place(PlaceKind.DATA, *names, run_id, 3)
    assert place_of(layout.data_file(*names, run_id, 3, "n0nce", 12)) == place
    assert place_of(layout.pointer(*names)) == Place(PlaceKind.POINTER, *names)
    assert place_of(layout.manifest(*names, run_id)) == Place(PlaceKind.MANIFEST, *names, run_id)
    for key in (layout.pointer(*names), layout.manifest(*names, run_id)):
        assert layout.check_key(key) == key


@given(day=st.dates().map(str), tenant=members.filter(lambda text: "/" not in text))
def test_every_grid_key_is_read_back(day, tenant):
    names = ("sales", "dt/tenant", f"{day}/{tenant}")
    assert place_of(layout.pointer(*names)) == Place(PlaceKind.POINTER, *names)
    assert place_of(layout.manifest(*names, RUN)) == Place(PlaceKind.MANIFEST, *names, RUN)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\0", "-a", "ä", "a b", "x" * 101])
def test_ids_from_outside_cannot_lead_elsewhere(name):
    for make in (
        lambda: layout.data_prefix("clean", "dt", "2013-01-01", name),
        lambda: layout.data_prefix(name, "dt", "2013-01-01", RUN),
        lambda: layout.summary(name),
        lambda: layout.data_file("clean", "dt", "2013-01-01", RUN, 1, name, 0),
    ):
        with pytest.raises(RecoupError):
            make()


@pytest.mark.parametrize("partition", ["..", ".", "../../etc", "a\0b", "\\..\\"])
def test_a_partition_from_outside_stays_one_folder(partition):
    key = layout.pointer("clean", "tenant", partition)
    assert layout.check_key(key) == key
    assert key.count("/") == 2
    assert place_of(key) == Place(PlaceKind.POINTER, "clean", "tenant", partition)


def test_a_partition_must_have_a_member_for_each_name():
    for partition in ("2023-11-15", "2023-11-15/", "/acme"):
        with pytest.raises(UsageError):
            layout.partition_path("dt/tenant", partition)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "_recoup/owner.json",
        "clean/current.json",
        "clean/dt=2013-01-01/notes.txt",
        "clean/2013-01-01/run=1/a1-n-0.parquet",
        "clean/dt=%zz/current.json",
        "manifests/backfills/b1/summary.json",
        "manifests/clean/dt=2013-01-01/run=1/other.json",
        "_errors/clean/dt=2013-01-01/_SUCCESS",
    ],
)
def test_what_this_layout_never_writes_is_nothing_to_it(key):
    assert place_of(key) is None


def test_other_files_of_a_run_are_told_apart_from_its_data():
    key = f"clean/dt=2013-01-01/run={RUN}/a1-ab12-rejects.parquet"
    assert place_of(key) == Place(PlaceKind.OTHER, "clean", "dt", "2013-01-01", RUN)


def test_a_leftover_is_known_by_its_name():
    assert layout.is_leftover("clean/dt=2013-01-01/.current.json.0123456789abcdef.tmp")
    assert not layout.is_leftover("clean/dt=2013-01-01/current.json")


def test_a_dataset_may_be_called_manifests():
    assert place_of("manifests/dt=2013-01-01/current.json") == Place(PlaceKind.POINTER, "manifests", "dt", "2013-01-01")
