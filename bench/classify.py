"""What it costs to classify a failure: from a written one (`recoup classify`), and from a raised exception (a worker).

    python bench/classify.py [SAMPLES.jsonl] [--rounds 20]

The samples are failures, one JSON object a line; without a file, those of the tests.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from recoup.model.redact import redact
from recoup.recovery.classify import classify
from recoup.recovery.decide import decide
from recoup.recovery.reported import from_json

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "tests" / "unit" / "recovery" / "provoked.jsonl"


def raised() -> Exception:
    """A chain of three, as a client's library leaves it behind."""
    try:
        try:
            try:
                raise ConnectionRefusedError(111, "Connection refused")
            except OSError as error:
                raise ConnectionError("HTTPSConnectionPool(host='a', port=443): Max retries exceeded") from error
        except ConnectionError as error:
            raise RuntimeError("could not load the day") from error
    except RuntimeError as error:
        return error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", nargs="?", type=Path, default=SAMPLES)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    bodies = [json.loads(line) for line in arguments.samples.read_text().splitlines()]
    costs: dict[int, list[float]] = {}
    for _ in range(arguments.rounds):
        for n, body in enumerate(bodies):
            began = time.perf_counter()
            decide(from_json(body))
            costs.setdefault(n, []).append(time.perf_counter() - began)
    each = sorted(statistics.median(cost) * 1e3 for cost in costs.values())
    error = raised()
    began = time.perf_counter()
    for _ in range(1000):
        classify(error, "load:17", redact)
    chain = time.perf_counter() - began
    print(f"written: mean {statistics.mean(each):.3f} ms, median {statistics.median(each):.3f}, slowest {each[-1]:.3f}")
    print(f"raised, a chain of three: {chain:.3f} ms")


if __name__ == "__main__":
    main()
