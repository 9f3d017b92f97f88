"""Plan a grid of date × members with three steps, one of them over seven days: 98 % published, 1 % failed, 1 % stale.

The two words, with a FOLDER: `make` writes its recoup.toml, pipeline and ledger, for MEMBERS × DAYS or 274 × 3650, a
million cells; `plan` is what is measured, one whole process.
"""

import os
import sys
import time
from datetime import date, timedelta
from pathlib import Path

PIPELINE = """
import recoup as rc

tenants = rc.Static([f"tenant-{{i:05}}" for i in range({members})], key="tenant")
big = rc.Pipeline("big", partitions=rc.Grid(rc.Daily("2010-01-01", "{last}", key="dt"), tenants))


@big.step(version="1")
def raw(ctx): ...


@big.step(version="1")
def clean(ctx, raw): ...


@big.step(version="1")
def week(ctx, clean=rc.trailing(clean, days=7, complete=0.5)): ...
"""


def make(folder: Path, members: int = 274, days: int = 3650) -> None:
    from recoup.app.settings import load_settings
    from recoup.app.workspace import Workspace
    from recoup.ledger.registry import as_chunks
    from recoup.model.partition import PartitionSet

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recoup.toml").write_text('[pipelines]\nbig = "big.py:big"\n', encoding="utf-8")
    last = date(2010, 1, 1) + timedelta(days=days - 1)
    (folder / "big.py").write_text(PIPELINE.format(members=members, last=last), encoding="utf-8")
    os.chdir(folder)
    workspace = Workspace(load_settings())
    with workspace.ledger_for("big") as ledger:
        prepared = workspace.prepared(ledger, "big")
        cells = prepared.graph.anchor.universe(workspace.clock.now())
        assert len(cells) == members * days
        failed = PartitionSet.of(o for o in cells if o % 100 == 7)
        stale = PartitionSet.of(o for o in cells if o % 100 == 42)
        with ledger.transaction() as tx:
            for node, code in zip(prepared.node_ids, prepared.code_versions, strict=True):
                for plane, ordinals in {
                    "published": cells - failed, "pointed": cells - failed, "tried": cells, "stale": stale,
                    "failed:network": failed, f"code:{code}": cells - failed,
                }.items():  # fmt: skip
                    tx.set_plane(node, plane, as_chunks(ordinals))


def plan(folder: Path) -> None:
    start = time.perf_counter()
    os.chdir(folder)
    from recoup.app.backfilling import plan as make_plan
    from recoup.app.settings import load_settings
    from recoup.app.workspace import Workspace
    from recoup.plan.request import Request, parse_only

    planned = make_plan(Workspace(load_settings()), Request("big", only=parse_only("missing,failed,stale")), "big")
    print(f"{planned.plan.actions:,} actions, {planned.plan.done:,} done,", end=" ")
    print(f"{time.perf_counter() - start:.3f} s after the interpreter's start")


if __name__ == "__main__":
    {"make": make, "plan": plan}[sys.argv[1]](Path(sys.argv[2]).absolute(), *map(int, sys.argv[3:]))
