"""Manifests beside the data: complete, or known not to be."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.lake.local import LocalStore
from recoup.lake.manifests import read_manifest, write_manifest
from recoup.lake.memory import MemoryStore
from recoup.model.errors import CorruptError
from recoup.model.manifest import DataFile, InputRead, Manifest, seal

MANIFEST = Manifest(
    pipeline="flights",
    dataset="clean",
    partition="2013-01-01",
    run_id="run-1",
    run_as_of="2026-11-20T09:00:00Z",
    attempt=2,
    token=7,
    outcome="success",
    started_at="2026-11-20T09:00:01Z",
    ended_at="2026-11-20T09:00:02Z",
    duration_seconds=1.0,
    code_version="c1",
    input_version="i1",
    inputs=(InputRead("raw", "2013-01-01", "run-1", "d1"),),
    outputs=(DataFile("clean/dt=2013-01-01/run=run-1/a2-n-0.parquet", 3, 100, "d2"),),
    columns={"dt": "Date"},
    rows=3,
    digest="d2",
    checks=({"name": "row_count", "verdict": "pass"},),
)
NAMES = ("clean", "dt", "2013-01-01", "run-1")


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return LocalStore(tmp_path) if request.param == "folder" else MemoryStore()


@pytest.mark.parametrize("sync", [False, True])
def test_what_was_written_is_read(store, sync):
    path = write_manifest(store, "dt", MANIFEST, sync=sync)
    assert path == "manifests/clean/dt=2013-01-01/run=run-1/manifest.json"
    assert read_manifest(store, *NAMES) == MANIFEST
    again = replace(MANIFEST, attempt=3)
    write_manifest(store, "dt", again, sync=sync)
    assert read_manifest(store, *NAMES) == again


def test_half_a_character_in_a_message_loses_no_manifest(store):
    """As Python hands on a file name that is no UTF-8."""
    failed = replace(MANIFEST, outcome="failed", failure={"message": "no such file: '\udcff.csv', ü"})
    path = write_manifest(store, "dt", failed, sync=False)
    assert read_manifest(store, *NAMES) == failed
    stored = store.get(path)
    assert stored is not None
    assert "\\udcff.csv', ü" in stored.data.decode()


def test_none_is_none(store):
    assert read_manifest(store, *NAMES) is None


@given(cut=st.integers(0, len(MANIFEST.to_bytes()) - 2))
def test_a_torn_one_is_found_wherever_it_was_torn(cut):
    store = MemoryStore()
    path = write_manifest(store, "dt", MANIFEST, sync=True)
    store.put(path, MANIFEST.to_bytes()[:cut], sync=True)
    with pytest.raises(CorruptError, match=r"manifest\.json is corrupt") as caught:
        read_manifest(store, *NAMES)
    assert "2013-01-01" in caught.value.remedy


@given(at=st.integers(0, len(MANIFEST.to_bytes()) - 2), byte=st.integers(0, 255))
def test_a_flipped_byte_is_found(at, byte):
    data = bytearray(MANIFEST.to_bytes())
    if data[at] == byte:
        return
    data[at] = byte
    store = MemoryStore()
    store.put(write_manifest(store, "dt", MANIFEST, sync=True), bytes(data), sync=True)
    with pytest.raises(CorruptError):
        read_manifest(store, *NAMES)


def test_one_of_a_newer_version_is_not_called_corrupt():
    store = MemoryStore()
    body = json.loads(MANIFEST.to_bytes())
    del body["self_digest"]
    newer = seal({**body, "manifest_version": 99, "colour": "green"})
    store.put(write_manifest(store, "dt", MANIFEST, sync=True), newer, sync=True)
    with pytest.raises(CorruptError, match="newer version") as caught:
        read_manifest(store, *NAMES)
    assert "upgrade" in caught.value.remedy


def test_one_that_lies_in_the_wrong_place_is_refused(store):
    data = replace(MANIFEST, run_id="run-2").to_bytes()
    store.put("manifests/clean/dt=2013-01-01/run=run-1/manifest.json", data, sync=True)
    with pytest.raises(CorruptError, match="belongs to clean 2013-01-01, run run-2"):
        read_manifest(store, *NAMES)
