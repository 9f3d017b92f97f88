"""Artifacts carry their own digest: any byte that is not as it was written is found."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.model.manifest import (
    DataFile,
    Generation,
    InputRead,
    Manifest,
    Pointer,
    input_version,
    output_digest,
    seal,
    unseal,
)

MANIFEST = Manifest(
    pipeline="flights",
    dataset="clean",
    partition="2013-01-01",
    run_id="019a0000-0000-7000-8000-000000000000",
    run_as_of="2024-01-01T00:00:00.000000Z",
    attempt=1,
    token=17,
    outcome="success",
    started_at="2024-01-01T00:00:00.000000Z",
    ended_at="2024-01-01T00:00:01.500000Z",
    duration_seconds=1.5,
    code_version="py3.11:0123",
    input_version="abc",
    inputs=(InputRead("raw", "2013-01-01", "019a", "d1"),),
    outputs=(DataFile("clean/dt=2013-01-01/a1.parquet", 842, 1000, "d2"),),
    columns={"dt": "String", "delay": "Float64"},
    rows=842,
    digest="d2",
    counters={"kept": 842},
    checks=({"name": "row_count", "verdict": "pass"},),
    failure={"kind": "logic", "message": "Zürich “quoted” \udce9"},
    backfill_id="flights-20240101-ab12",
    peak_memory_bytes=1 << 27,
    cpu_seconds=0.75,
)
GENERATION = Generation(2, "019a", 17, 17, "d2", "2024-01-01T00:00:02Z", "2024-01-01T00:00:00Z", "nonce", "missing")
POINTER = Pointer(
    "clean", "2013-01-01", "ledger", 1, 17, (GENERATION, replace(GENERATION, number=1, run_id=None, reason=""))
)


def is_refused(data):
    try:
        unseal(data)
    except ValueError:
        return True
    return False


def test_a_manifest_there_and_back():
    assert Manifest.from_bytes(MANIFEST.to_bytes()) == MANIFEST


def test_a_manifest_is_plain_json_with_its_version_and_one_line():
    data = MANIFEST.to_bytes()
    body = json.loads(data)

    assert data.count(b"\n") == 1
    assert body["manifest_version"] == 1
    assert body["inputs"] == [{"dataset": "raw", "partition": "2013-01-01", "run_id": "019a", "digest": "d1"}]
    assert body["outputs"][0]["rows"] == 842
    assert body["columns"] == {"dt": "String", "delay": "Float64"}
    assert "Zürich".encode() in data, "people read it"


def test_a_pointer_there_and_back():
    again = Pointer.from_bytes(POINTER.to_bytes())

    assert again == POINTER
    assert again.current == GENERATION


@pytest.mark.parametrize("artifact", [MANIFEST, POINTER], ids=["manifest", "pointer"])
def test_any_flipped_bit_is_found(artifact):
    data = artifact.to_bytes()
    for place in range(len(data)):
        for bit in (0, 1, 5, 7):
            broken = bytearray(data)
            broken[place] ^= 1 << bit
            assert is_refused(bytes(broken)), f"bit {bit} of byte {place}"


@pytest.mark.parametrize("artifact", [MANIFEST, POINTER], ids=["manifest", "pointer"])
def test_any_torn_write_is_found(artifact):
    data = artifact.to_bytes()
    for length in range(len(data) - 1):  # only the line's end may be missing
        assert is_refused(data[:length])
        assert is_refused(data[:length] + bytes(len(data) - length)), "as a power cut leaves it"


@given(st.data())
def test_any_change_is_found(data):
    sealed = MANIFEST.to_bytes()
    start = data.draw(st.integers(0, len(sealed) - 2))
    stop = data.draw(st.integers(start, min(start + 20, len(sealed) - 1)))
    changed = sealed[:start] + data.draw(st.binary(max_size=20)) + sealed[stop:]
    if changed.rstrip(b"\n") == sealed.rstrip(b"\n"):
        return

    assert is_refused(changed)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text().filter(lambda key: key != "self_digest"), values, min_size=1))
def test_whatever_is_sealed_comes_back(body):
    assert unseal(seal(body)) == body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"a":1}',
        b'{"a":1,"self_digest":null}',
        b'{"a":1,"self_digest":""}',
        b"\xff\xfe",
        b'"self_digest"',
    ],
)
def test_what_was_never_sealed(data):
    assert is_refused(data)


def test_the_digest_of_one_file_is_the_files_and_of_several_depends_on_their_order():
    one, two = (DataFile(f"{d}.parquet", 1, 1, d) for d in ("d1", "d2"))

    assert output_digest([one]) == "d1"
    assert output_digest([one, two]) != output_digest([two, one])
    assert output_digest([one, two]) == output_digest([replace(one, path="elsewhere"), two])


reads = st.builds(InputRead, st.sampled_from("ab"), st.sampled_from(["2013-01-01", "2013-01-02"]), st.text(), st.text())


@given(st.lists(reads, max_size=4), st.randoms())
def test_an_input_version_is_of_what_was_read_in_any_order_by_any_run(inputs, chance):
    shuffled = [replace(read, run_id="another") for read in inputs]
    chance.shuffle(shuffled)

    assert input_version(inputs) == input_version(shuffled)
    assert (input_version(inputs) == "") == (not inputs)


@given(st.lists(reads, min_size=1, max_size=4))
def test_an_input_version_changes_with_any_digest(inputs):
    changed = [replace(inputs[0], digest=inputs[0].digest + "x"), *inputs[1:]]

    assert input_version(inputs) != input_version(changed)
    assert input_version(inputs) != input_version(inputs + inputs[:1])
