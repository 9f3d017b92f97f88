"""Floor and recoup in turn, on one machine, as whole processes; medians and ratios as a Markdown table.

    python bench/compare.py HARNESS [--pairs 5] [--n 10000] [--real 1000] [--only NAME]

HARNESS is the folder of the measuring harness (run.py, steps.py, peer_floor.py). Pairs, because identical runs on a
shared machine spread by a quarter either way: a ratio within a pair says more than two medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def measured(harness: Path, peer: str, mode: str, n: int, kind: str, *more: str) -> list[dict]:
    """One run of a peer: the harness's records."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.jsonl"
        venv = Path(sys.prefix)
        command = [sys.executable, str(harness / "run.py"), peer, "--venv", str(venv), "--n", str(n), "--kind", kind]
        command += ["--mode", mode, "--out", str(out), *more]
        if peer == "recoup":
            command += ["--peer-file", str(HERE / "peer_recoup.py")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in out.read_text().splitlines()]


def step_ms(records: list[dict]) -> float:
    """Milliseconds a partition-step."""
    return next(r["ms_per_step"] for r in records if r["verb"] == "backfill")


def pairs(harness: Path, count: int, mode: str, n: int, kind: str, floor: str) -> str:
    """A row: floor, recoup and the ratio within pairs."""
    floors, ours = [], []
    for _ in range(count):
        floors.append(step_ms(measured(harness, "floor", floor, n, kind, "--no-rerun")))
        ours.append(step_ms(measured(harness, "recoup", mode, n, kind, "--no-rerun")))
    ratios = [b / a for a, b in zip(floors, ours, strict=True)]
    middle = statistics.median
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return (
        f"| {kind}, {n:,} × 3, `{mode}` | {middle(floors):.3f} (`{floor}`) | {middle(ours):.3f} |"
        f" {middle(ratios):.2f} ({spread}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("harness", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--real", type=int, default=1_000)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    harness = args.harness.resolve()
    rows = {
        "ledger": lambda: pairs(harness, args.pairs, "ledger", args.n, "noop", "group-full"),
        "steps": lambda: pairs(harness, args.pairs, "steps", args.n, "noop", "group-full"),
        "table": lambda: pairs(harness, args.pairs, "table", 1_000, "noop", "group-full"),
        "real": lambda: pairs(harness, args.pairs, "steps", args.real, "real", "full"),
        "native": lambda: pairs(harness, args.pairs, "native", args.real, "real", "full"),
    }
    print("| work | floor, ms a step | recoup, ms a step | ratio within pairs |\n|---|---|---|---|", flush=True)
    for name, row in rows.items():
        if args.only in ("", name):
            print(row(), flush=True)


if __name__ == "__main__":
    main()
