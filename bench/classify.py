"""What it costs to classify a failure: from a written one (`recoup classify`), and from a raised exception (a worker).

    python bench/classify.py [SAMPLES.jsonl] [--rounds 20]

The samples are failures, one JSON object a line; without a file, those of the tests.
"""

import argparse
import json
import statistics
import time
import traceback
from functools import partial
from pathlib import Path

from recoup.model.redact import redact
from recoup.recovery.classify import classify
from recoup.recovery.decide import decide
from recoup.recovery.reported import from_json

HERE = Path(__file__).parent
EACH = 100
SAMPLES = HERE.parent / "tests" / "unit" / "recovery" / "provoked.jsonl"


def raised(root: Exception) -> Exception:
    """A chain of three, as a client's library leaves it behind."""
    try:
        try:
            try:
                raise root
            except type(root) as error:
                raise ConnectionError("HTTPSConnectionPool(host='a', port=443): Max retries exceeded") from error
        except ConnectionError as error:
            raise RuntimeError("could not load the day") from error
    except RuntimeError as error:
        return error


CHAINS = {
    "refused, whose root says all": ConnectionRefusedError(111, "Connection refused"),
    "a status, behind which more may stand": RuntimeError("HTTP 503: upstream database failover in progress"),
    "words alone, 2 kB of them": RuntimeError(f"could not load: {'row 17 of the file, ' * 100} checksum mismatch"),
}


def written(bodies: list[dict[str, object]], rounds: int) -> list[float]:
    """Milliseconds for each, sorted."""
    costs: dict[int, list[float]] = {}
    for _ in range(rounds):
        for n, body in enumerate(bodies):
            began = time.process_time()
            decide(from_json(body))
            costs.setdefault(n, []).append(time.process_time() - began)
    return sorted(statistics.median(cost) * 1e3 for cost in costs.values())


def beside_floor(error: Exception, rounds: int) -> tuple[float, float]:
    """Milliseconds of processor time for the whole of it, and for its traceback as text, which anybody would keep."""
    whole, floor = [], []
    for _ in range(rounds):
        for act, costs in ((partial(classify, error, "load:17", redact), whole), (partial(lines_of, error), floor)):
            began = time.process_time()
            for _ in range(EACH):
                act()
            costs.append((time.process_time() - began) / EACH * 1e3)
    return statistics.median(whole), statistics.median(floor)


def lines_of(error: Exception) -> str:
    return redact("".join(traceback.format_exception(error)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", nargs="?", type=Path, default=SAMPLES)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    bodies = [json.loads(line) for line in arguments.samples.read_text().splitlines()]
    each = written(bodies, arguments.rounds)
    print(f"written: mean {statistics.mean(each):.3f} ms, median {statistics.median(each):.3f}, slowest {each[-1]:.3f}")
    for name, root in CHAINS.items():
        whole, floor = beside_floor(raised(root), arguments.rounds)
        print(f"raised, a chain of three, {name}: {whole:.3f} ms; its traceback as text {floor:.3f} ms")


if __name__ == "__main__":
    main()
