"""A backfill of 10,000 partitions in which 3 % fail with 12 causes: how soon `why` and `recover --dry-run` answer.

    python bench/recovery.py make FOLDER && python bench/recovery.py ask FOLDER [--rounds 7]

`make` runs the backfill, inline. `ask` starts both commands as whole processes, in turn with `recoup --version`: what
Python and the package's own start cost, below which nothing can be.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = (["--version"], ["why", "big"], ["recover", "big", "--dry-run"])
TARGETS = {"why": 0.5, "recover": 1.0}

PIPELINE = """
from datetime import date
import recoup as rc

big = rc.Pipeline("big", partitions=rc.Daily("1998-01-01", "2025-05-18", key="dt"), retry=rc.Retry(4, initial="0s"))


def refused(day): raise ConnectionRefusedError(f"nobody answers for {day}")
def reset(day): raise ConnectionResetError(104, "Connection reset by peer")
def late(day): raise TimeoutError(f"{day}: no answer within 30 s")
def division(day): return 1 / 0
def key(day): return {}["price"]
def column(day): return None.price
def memory(day): raise MemoryError("too much")
def grant(day): raise PermissionError(13, "Permission denied")
def absent(day): raise FileNotFoundError(2, "No such file or directory", f"{day}.csv")
def failing(day): raise RuntimeError("HTTP Error 503: Service Unavailable")
def held(day): raise RuntimeError("deadlock detected")
def odd(day): raise RuntimeError("it is not as it should be")


CAUSES = (refused, reset, late, division, key, column, memory, grant, absent, failing, held, odd)


@big.step
def raw(ctx):
    number = date.fromisoformat(ctx.partition).toordinal()
    if number % 33 == 0:
        CAUSES[number // 33 % len(CAUSES)](ctx.partition)


@big.step
def clean(ctx, raw): ...


@big.step
def week(ctx, clean=rc.trailing(clean, days=7, complete=0.5)): ...
"""


def recoup(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recoup", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def make(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "recoup.toml").write_text('executor = "inline"\n[pipelines]\nbig = "big.py:big"\n', encoding="utf-8")
    (folder / "big.py").write_text(PIPELINE, encoding="utf-8")
    began = time.perf_counter()
    print(recoup(folder, ["run", "big"]).stdout.splitlines()[0])
    print(f"made in {time.perf_counter() - began:.0f} s")


def ask(folder: Path, rounds: int) -> None:
    causes = json.loads(recoup(folder, ["why", "big", "--json"]).stdout)
    plan = json.loads(recoup(folder, ["recover", "big", "--dry-run", "--json"]).stdout)
    print(f"why: {causes['failed']} failed, {len(causes['causes'])} causes")
    print(f"recover: {plan['to_do']} to do, {len(plan['needs'])} for a person")
    times: dict[str, list[float]] = {words[0]: [] for words in COMMANDS}
    for _ in range(rounds):
        for words in COMMANDS:
            began = time.perf_counter()
            recoup(folder, words)
            times[words[0]].append(time.perf_counter() - began)
    floor = statistics.median(times["--version"])
    print(f"recoup --version: {floor:.3f} s, the median of {rounds}; load {os.getloadavg()[0]:.1f}")
    for word, target in TARGETS.items():
        median, best = statistics.median(times[word]), min(times[word])
        print(f"{word}: {median:.3f} s (best {best:.3f}), {median / floor:.1f} × the floor; target {target} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("word", choices=["make", "ask"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.word == "make":
        make(arguments.folder)
    else:
        ask(arguments.folder, arguments.rounds)


if __name__ == "__main__":
    main()
