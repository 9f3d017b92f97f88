"""From what people write to a store."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from recoup.lake.local import LocalStore
from recoup.lake.memory import MemoryStore
from recoup.lake.stores import from_description, open_store
from recoup.model.errors import ConfigError, UnreachableError


def test_a_folder_by_path_text_or_url(tmp_path):
    for where in (tmp_path / "lake", str(tmp_path / "lake"), f"file://{tmp_path}/lake"):
        store = open_store(where)
        assert isinstance(store, LocalStore)
        assert store.url == str(tmp_path / "lake")
        assert from_description(store.describe()).url == store.url
    assert open_store(tmp_path / "lake", read_only=True).url == str(tmp_path / "lake")


def test_a_lake_in_memory_is_shared_by_name_within_the_process():
    one = open_store("memory://shared")
    one.put("a", b"1", sync=False)
    assert open_store("memory://shared") is from_description(one.describe()) is one
    assert open_store("memory://") is not open_store("memory://")
    with pytest.raises(UnreachableError, match="does not exist in this process"):
        from_description({"kind": "memory", "name": "elsewhere"})


def test_memory_is_given_back():
    name = MemoryStore().describe()["name"]
    with pytest.raises(UnreachableError):
        MemoryStore.named(name)


@pytest.mark.parametrize("where", ["gs://bucket", "http://example.com/lake", "s3://"])
def test_what_is_no_lake_says_what_is(where):
    with pytest.raises(ConfigError) as caught:
        open_store(where)
    assert "s3://bucket/prefix" in caught.value.remedy


def test_a_foreign_description_is_refused():
    for description in ({}, {"kind": "local"}, {"kind": "local", "root": 7}, {"kind": "tape"}):
        with pytest.raises(ConfigError):
            from_description(description)


def test_a_folder_pays_neither_for_polars_nor_for_buckets():
    script = textwrap.dedent("""
        import sys
        import recoup.lake.layout, recoup.lake.pointers, recoup.lake.manifests, recoup.lake.local, recoup.lake.stores
        import recoup.lake.owner, recoup.lake.gc, recoup.lake.view, recoup.lake.memory
        print(sorted({name.partition(".")[0] for name in sys.modules} & {"polars", "obstore", "pyarrow", "pandas"}))
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
