"""Why, at 10,000 partitions of which 3 % failed with 12 different causes, each of them tried four times.

The two words, with a FOLDER: `make` writes its recoup.toml, pipeline and ledger; `why` is what is measured, one whole
process.
"""

import os
import sys
import time
from datetime import date, timedelta
from pathlib import Path

DAYS, CAUSES, EVERY = 10_000, 12, 33

PIPELINE = """
import recoup as rc

big = rc.Pipeline("big", partitions=rc.Daily("1998-01-01", "{last}", key="dt"))


@big.step(version="1")
def raw(ctx): ...


@big.step(version="1")
def clean(ctx, raw): ...


@big.step(version="1")
def week(ctx, clean=rc.trailing(clean, days=7, complete=0.5)): ...
"""


def make(folder: Path) -> None:
    from recoup.app.settings import load_settings
    from recoup.app.workspace import Workspace
    from recoup.ledger.facts import Blocked, Claim, Failed, Measured, Publication, Succeeded
    from recoup.model.failure import Failure, FailureKind

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recoup.toml").write_text('[pipelines]\nbig = "big.py:big"\n', encoding="utf-8")
    last = date(1998, 1, 1) + timedelta(days=DAYS - 1)
    (folder / "big.py").write_text(PIPELINE.format(last=last), encoding="utf-8")
    os.chdir(folder)
    workspace = Workspace(load_settings())
    with workspace.ledger_for("big") as ledger:
        prepared = workspace.prepared(ledger, "big")
        days = list(prepared.graph.anchor.universe(workspace.clock.now()))
        failed = set(days[7::EVERY][: DAYS * 3 // 100])
        name = prepared.graph.anchor.name
        with ledger.transaction() as tx:
            for node, code in zip(prepared.node_ids, prepared.code_versions, strict=True):
                for number, day in enumerate(days):
                    if day in failed and node != prepared.node_ids[0]:
                        tx.block([Blocked(node, day, "raw is not there")], None)
                        continue
                    run = tx.open_run(f"run-{day}", "big", "days", day, name(day), 0.0)
                    cause = f"cause {number // EVERY % CAUSES}"
                    failure = Failure(FailureKind.NETWORK, f"{cause}: no answer", "OSError", cause.replace(" ", "-"))
                    for _ in range(4 if day in failed else 1):
                        [claimed] = tx.claim([Claim(node, day, run, "missing", code)], 1, None)
                        took = Measured(tx.now, tx.now)
                        if day in failed:
                            tx.fail([Failed(claimed.token, node, day, failure, took)])
                            continue
                        made = Publication(claimed.token, node, day, run.run, "digest", code, "", 0.0)
                        tx.succeed([Succeeded(made, took)])
    print(f"{DAYS:,} partitions, {len(failed)} of them failed with {CAUSES} causes")


def why() -> None:
    import subprocess

    times = []
    for _ in range(5):
        began = time.perf_counter()
        result = subprocess.run(
            [sys.executable, "-m", "recoup", "why", "big"], capture_output=True, text=True, check=True
        )
        times.append(time.perf_counter() - began)
    print(result.stdout.splitlines()[0])
    print(f"why: {sorted(times)[2]:.2f} s, the median of five processes; the best {min(times):.2f} s")


if __name__ == "__main__":
    word, place = sys.argv[1], Path(sys.argv[2])
    if word == "make":
        make(place)
    else:
        os.chdir(place)
        why()
