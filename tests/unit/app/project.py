"""A small project in a folder of its own: a pipeline whose output a test can turn, run in this process."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from recoup.app.backfilling import RunOptions, RunReport, plan, run
from recoup.app.publications import Shown, ls
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.plan.request import Request, parse_only

PIPELINE = '''
import json
from pathlib import Path

import polars as pl
import recoup as rc

ROOT = Path(__file__).parent
days = rc.Pipeline("days", partitions=rc.Daily("2024-01-01", "2024-01-08"))


def told(name, otherwise):
    """What a test has written into the file of that name."""
    file = ROOT / f"{{name}}.json"
    return json.loads(file.read_text()) if file.exists() else otherwise


feed = rc.Source("feed", rc.Daily("2024-01-01", "2024-01-08"), probe=lambda key: told("feed", {{}}).get(key, "v1"))


@days.step(version={version!r})
def raw(ctx, feed=feed):
    if ctx.partition in told("bad", []):
        raise ValueError("a bad day")
    return pl.DataFrame({{"x": [1, 2, 3], "turn": [told("turn", 1)] * 3}})


@days.step
def note(ctx, raw: pl.LazyFrame):
    ctx.count("rows", raw.collect().height)


@days.step(sink=rc.DuckDB("out.duckdb", table="clean", key=["dt", "x"]))
def clean(ctx, raw: pl.LazyFrame):
    return raw.with_columns(run_id=pl.lit(ctx.run_id))


@days.step
def week(ctx, before: pl.LazyFrame = rc.lookback(clean, days=3, complete=0.5)):
    return pl.DataFrame({{"n": [0 if before is None else before.select(pl.len()).collect().item()]}})
'''


@dataclass
class Project:
    """`root` holds everything; steps see what `tell` wrote. `first` and `first_table` are what a test remembered."""

    root: Path
    first: dict[tuple[str, str], Shown] = field(default_factory=dict)
    first_table: list[tuple[object, ...]] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)

    def remember(self) -> None:
        """What is shown now, and what the table holds."""
        self.first = {(shown.dataset, shown.partition): shown for shown in ls(self.workspace, "days")}
        self.first_table = self.table()

    @classmethod
    def make(cls, root: Path) -> Project:
        project = cls(root)
        project.declare("one", "1")
        return project

    @property
    def workspace(self) -> Workspace:
        return Workspace.here(self.root / "recoup.toml")

    @property
    def database(self) -> Path:
        return self.root / "out.duckdb"

    def declare(self, name: str, version: str) -> None:
        """The pipeline in a file of that name: code that was loaded once stays loaded."""
        (self.root / f"days_{name}.py").write_text(PIPELINE.format(version=version))
        (self.root / "recoup.toml").write_text(f'[pipelines]\ndays = "days_{name}.py:days"\n')

    def copy(self, to: Path) -> Project:
        """The same project elsewhere, as it stands."""
        shutil.copytree(self.root, to, dirs_exist_ok=True)
        return replace(self, root=to)

    def tell(self, name: str, value: object) -> None:
        (self.root / f"{name}.json").write_text(json.dumps(value))

    def run(self, only: str = "missing,failed", **request) -> RunReport:
        asked = Request("days", only=parse_only(only), **request)
        return run(self.workspace, asked, "days", RunOptions(executor="inline"))

    def planned(self, only: str = "missing,failed,stale", **request) -> dict[str, list[str]]:
        """What a run would do: ranges by step, verb and reason."""
        found = plan(self.workspace, Request("days", only=parse_only(only), **request), "days")
        nodes = found.prepared.graph.nodes
        return {
            f"{nodes[group.node].name} {group.verb} {group.reason}": nodes[group.node].partitions.ranges_text(
                group.ordinals
            )
            for group in found.plan.groups
        }

    def reader(self) -> LedgerReader:
        return LedgerReader(self.workspace.settings.ledger)

    def table(self) -> list[tuple[object, ...]]:
        import duckdb

        with duckdb.connect(str(self.database), read_only=True) as db:
            return db.execute("SELECT * FROM clean ORDER BY dt, x").fetchall()
