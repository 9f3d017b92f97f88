"""Plan 1,000,000 partition-steps: 98 % published, 1 % failed, 1 % stale.

    python bench/plan_million.py make FOLDER   # writes recoup.toml, the pipeline and the ledger (ten seconds)
    python bench/plan_million.py plan FOLDER   # what is measured: one whole process

The pipeline is 100 steps in chains of ten over 10,000 days.
"""

import os
import sys
import time
from pathlib import Path

STEPS, DAYS, FIRST, LAST = 100, 10_000, "1990-01-01", "2017-05-18"
PIPELINE = f"""
import recoup as rc

big = rc.Pipeline("big", partitions=rc.Daily("{FIRST}", "{LAST}"))


def add(i):
    parent = None if i % 10 == 0 else big.steps[f"s{{i - 1:02d}}"]
    if parent is None:
        def step(ctx): ...
    else:
        def step(ctx, parent=parent): ...
    big.step(name=f"s{{i:02d}}", version="1")(step)


for i in range({STEPS}):
    add(i)
"""


def make(folder: Path) -> None:
    from recoup.app.settings import load_settings
    from recoup.app.workspace import Workspace
    from recoup.ledger.registry import as_chunks
    from recoup.model.partition import PartitionSet

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recoup.toml").write_text('[pipelines]\nbig = "big.py:big"\n', encoding="utf-8")
    (folder / "big.py").write_text(PIPELINE, encoding="utf-8")
    os.chdir(folder)
    workspace = Workspace(load_settings())
    with workspace.ledger_for("big") as ledger:
        prepared = workspace.prepared(ledger, "big")
        window = list(prepared.graph.anchor.universe(workspace.clock.now()))
        assert len(window) == DAYS
        token = 0
        with ledger.transaction() as tx:
            for node, code in zip(prepared.node_ids, prepared.code_versions, strict=True):
                failed = PartitionSet.of(o for o in window if o % 100 == 7)
                stale = PartitionSet.of(o for o in window if o % 100 == 42)
                published = PartitionSet.of(window) - failed
                for plane, ordinals in {
                    "published": published, "pointed": published, "tried": published | failed, "stale": stale,
                    "failed:network": failed, f"code:{code}": published,
                }.items():  # fmt: skip
                    tx.set_plane(node, plane, as_chunks(ordinals))
                attempts, publications = [], []
                for i, ordinal in enumerate(window):
                    token += 1
                    bad = ordinal % 100 == 7
                    state = "failed" if bad else "succeeded"
                    attempts.append((token, i + 1, node, ordinal, 1, state, 1, None, "missing", code) + (tx.now,) * 3)
                    if not bad:
                        publications.append(
                            (token, node, ordinal, i + 1, 1, "current", "d", code, "", tx.now, tx.now, "", "missing")
                        )
                ledger.db.executemany(
                    "INSERT INTO attempts (token, run, node, ordinal, number, state, controller, backfill, decision,"
                    " code_version, claimed_at, started_at, ended_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    attempts,
                )
                ledger.db.executemany(
                    "INSERT INTO publications (token, node, ordinal, run, generation, state, digest, code_version,"
                    " input_version, run_as_of, published_at, nonce, reason) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    publications,
                )
                tx.execute("INSERT INTO durations VALUES (?, 100, 1.0)", (node,))


def plan(folder: Path) -> None:
    start = time.perf_counter()
    os.chdir(folder)
    from recoup.app.backfilling import plan as make_plan
    from recoup.app.settings import load_settings
    from recoup.app.workspace import Workspace
    from recoup.plan.request import Request, parse_only

    planned = make_plan(Workspace(load_settings()), Request("big", only=parse_only("missing,failed,stale")), "big")
    print(
        f"{planned.plan.actions:,} actions in {len(planned.plan.groups)} groups, {planned.plan.done:,} done,", end=" "
    )
    print(f"{time.perf_counter() - start:.3f} s after the interpreter's start")


if __name__ == "__main__":
    {"make": make, "plan": plan}[sys.argv[1]](Path(sys.argv[2]).absolute())
