"""What readers from outside are given: exactly what is current."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from recoup.lake import layout
from recoup.lake.data_files import uri_of
from recoup.lake.local import LocalStore
from recoup.lake.manifests import read_manifest, write_manifest
from recoup.lake.pointers import PublishIntent, publish, read_pointer
from recoup.lake.staging import stage
from recoup.lake.view import current_of, quoted_name, quoted_string, view_sql
from recoup.model.errors import CorruptError, UsageError
from recoup.model.manifest import Manifest

duckdb = pytest.importorskip("duckdb")


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "it's a [lake]*")


def publish_frame(store, partition, run_id, seq, frame, *, attempt=1):
    names = {"dataset": "clean", "key": "tenant", "partition": partition, "run_id": run_id}
    staged = stage(store, frame, **names, attempt=attempt, nonce="n", sync=False)
    manifest = Manifest(
        "p", "clean", partition, run_id, "t", 1, 1, "success", "t", "t", 1.0, "c", "i",
        outputs=staged.files, columns=staged.columns, digest="d",
    )  # fmt: skip
    write_manifest(store, "tenant", manifest, sync=False)
    intent = PublishIntent(
        **names, token=seq, seq=seq, digest="d", published_at="t", run_as_of="t", nonce=f"n{seq}", reason="",
        ledger_id="l", epoch=1,
    )  # fmt: skip
    publish(store, intent)
    return intent


def current(store, partition):
    pointer = read_pointer(store, "clean", "tenant", partition)
    assert pointer is not None
    return current_of(store, "tenant", pointer)


def test_a_view_shows_the_current_generation_of_every_partition(store):
    publish_frame(store, "acme", "r1", 1, pl.DataFrame({"n": [1]}))
    publish_frame(store, "acme", "r2", 2, pl.DataFrame({"n": [2]}))
    publish_frame(store, "o'neill & co", "r3", 3, [pl.DataFrame({"n": [3], "new": ["x"]}), pl.DataFrame({"n": [4]})])
    gone = publish_frame(store, "gone", "r4", 4, pl.DataFrame({"n": [5]}))
    publish(store, PublishIntent(**{**_fields(gone), "run_id": None, "seq": 9, "nonce": "n9"}))
    stage(
        store, pl.DataFrame({"n": [99]}), dataset="clean", key="tenant", partition="acme", run_id="r5", attempt=1,
        nonce="n", sync=False,
    )  # fmt: skip
    partitions = [current(store, name) for name in ("acme", "o'neill & co")]
    assert [(p.partition, p.run_id) for p in partitions] == [("acme", "r2"), ("o'neill & co", "r3")]
    assert current(store, "gone") is None
    sql = view_sql('the "clean" one', [uri_of(store, file.path) for shown in partitions for file in shown.files])
    with duckdb.connect() as connection:
        connection.execute(sql)
        connection.execute(sql)
        rows = connection.execute('SELECT * FROM "the ""clean"" one" ORDER BY n').fetchall()
    assert rows == [(2, None), (3, "x"), (4, None)]


def _fields(intent):
    return {name: getattr(intent, name) for name in PublishIntent.__dataclass_fields__}


def test_a_manifest_that_is_not_the_published_one_is_not_trusted(store):
    publish_frame(store, "acme", "r1", 1, pl.DataFrame({"n": [1]}))
    publish_frame(store, "globex", "r2", 2, pl.DataFrame({"n": [2]}))
    manifest = layout.manifest("clean", "tenant", "globex", "r2")
    store.delete([manifest])
    with pytest.raises(CorruptError, match=r"globex: run r2 is current, but its manifest is gone"):
        current(store, "globex")
    publish_frame(store, "globex", "r2", 2, pl.DataFrame({"n": [2]}), attempt=2)
    late = read_manifest(store, "clean", "tenant", "globex", "r2")
    assert late is not None
    write_manifest(store, "tenant", replace(late, outputs=(), digest="", outcome="failed"), sync=False)
    with pytest.raises(CorruptError, match="is not the one that was published"):
        current(store, "globex")


def test_a_view_of_nothing_is_a_usage_error(store):
    for name, files in (("clean", []), ("", ["a"]), ("a\0b", ["a"])):
        with pytest.raises(UsageError):
            view_sql(name, files)


def test_what_duckdb_would_expand_in_a_path_is_taken_as_it_stands():
    assert "'/it''s [[]a][*]/c[?].parquet'" in view_sql("v", ["/it's [a]*/c?.parquet"])


@pytest.mark.parametrize("text", ["a", "it's", "'; DROP TABLE x; --", '"', "ä\n", "\\"])
def test_quoting_holds(text):
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {quoted_string(text)} AS {quoted_name(text)}").fetchall() == [(text,)]
        assert connection.description[0][0] == text
