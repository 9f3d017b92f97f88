"""`recoup lake adopt` beside reading the same files once, in turn: whole processes, medians and ratios.

    python bench/adopt.py [--files 10000] [--rows 20000] [--rounds 3]

The floor opens each file, reads all its bytes and hashes them, with as many threads as `lake adopt` uses. Both find
the files in the page cache, which is the hard case: on a cold disk both wait for the same reads.
"""

import argparse
import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import polars as pl

PIPELINE = """
import recoup as rc
old = rc.Pipeline("old", partitions=rc.Daily("1990-01-01", "2029-12-31", key="dt"))

@old.step
def raw(ctx): ...
"""
THREADS = 4


def make(folder: Path, files: int, rows: int) -> int:
    """The files, one a day; their size in all."""
    (folder / "old.py").write_text(PIPELINE)
    (folder / "recoup.toml").write_text('[pipelines]\nold = "old.py:old"\n')
    frame = pl.DataFrame({"a": range(rows), "b": [n * 0.37 for n in range(rows)]})
    frame.write_parquet(folder / "one.parquet")
    data = (folder / "one.parquet").read_bytes()
    for n in range(files):
        place = folder / "files" / f"dt={date(1990, 1, 1) + timedelta(days=n)}"
        place.mkdir(parents=True)
        (place / "part-0.parquet").write_bytes(data)
    return files * len(data)


def digest(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def floor(folder: Path) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(digest, sorted(folder.glob("files/*/*.parquet"))))
    return time.perf_counter() - began


def adopt(folder: Path) -> float:
    for there in ("lake", ".recoup"):
        shutil.rmtree(folder / there, ignore_errors=True)
    began = time.perf_counter()
    words = ["lake", "adopt", "old", "raw", "--files", "files/dt={partition}/*.parquet", "--yes"]
    subprocess.run([sys.executable, "-m", "recoup", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = make(folder, args.files, args.rows)
        rounds = [(floor(folder), adopt(folder)) for _ in range(args.rounds)]
    ratios = [ours / bare for bare, ours in rounds]
    bare, ours = (statistics.median(side) for side in zip(*rounds, strict=True))
    print(f"{args.files:,} files, {size / 1e9:.2f} GB: read {bare:.1f} s, adopted {ours:.1f} s,", end=" ")
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {args.rounds} rounds")


if __name__ == "__main__":
    main()
