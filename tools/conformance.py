"""Write docs/conformance.md: which test shows which conformance row, and how it went when it last ran.

    make test conformance

Nothing is run here: tests are collected for their marks, outcomes come from pytest's cache. Parameters of one test
are one line, with their worst outcome.
"""

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.runbook import OUTCOMES, SECTIONS, Shown, rows_of, shown_by

PAGE = Path("docs/conformance.md")
NOT_RUN = "not run"
WORST_FIRST = ("failed", "xfailed", NOT_RUN, "skipped", "passed")
HEAD = """\
# Conformance

Made by `make test conformance` from the tests' `runbook` marks; do not edit. A row counts as shown when every test that
names it passed in its last run.
"""


class Collector:
    """A pytest plugin that keeps what the marks say and what the cache remembers."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.outcomes: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.shown = [shown for item in session.items for shown in shown_by(item)]
        if session.config.cache is not None:
            self.outcomes = session.config.cache.get(OUTCOMES, {})


def worst(states: set[str]) -> str:
    return min(states, key=WORST_FIRST.index)


def lines_by_row(shown: list[Shown], outcomes: dict[str, str]) -> dict[str, dict[str, tuple[str, str]]]:
    """Row → test (without its parameters) → (state, spelling)."""
    states: dict[tuple[str, str], set[str]] = defaultdict(set)
    spellings: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in shown:
        key = one.row, one.test.partition("[")[0]
        states[key].add(outcomes.get(one.test, NOT_RUN))
        spellings[key] |= {one.spelling} if one.spelling else set()
    rows: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for (row, test), found in states.items():
        rows[row][test] = worst(found), "; ".join(sorted(spellings[row, test]))
    return rows


def is_shown(tests: dict[str, tuple[str, str]]) -> bool:
    return bool(tests) and all(state == "passed" for state, _ in tests.values())


def counts(rows: dict[str, dict[str, tuple[str, str]]]) -> str:
    """The table on top: rows shown, marked and in all, by section."""
    lines = ["| section | shown | marked | rows |", "|---|---:|---:|---:|"]
    total = [0, 0, 0]
    for section in SECTIONS:
        ids = rows_of(section)
        figures = [sum(is_shown(rows.get(row, {})) for row in ids), sum(row in rows for row in ids), len(ids)]
        total = [a + b for a, b in zip(total, figures, strict=True)]
        lines.append(f"| {section} | {' | '.join(map(str, figures))} |")
    return "\n".join([*lines, f"| all | {' | '.join(map(str, total))} |"])


def section_page(section: str, rows: dict[str, dict[str, tuple[str, str]]]) -> str:
    """A section's rows in order; then, in one line, those that no test names."""
    lines = [f"## {section}"]
    if any(row in rows for row in rows_of(section)):
        lines += ["", "| row | test | state | spelt here |", "|---|---|---|---|"]
    for row in rows_of(section):
        for test, (state, spelling) in sorted(rows.get(row, {}).items()):
            spelt = spelling.replace("|", "\\|")
            lines.append(f"| {row} | `{test}` | {state} | {spelt} |")
    if bare := [row for row in rows_of(section) if row not in rows]:
        lines += ["", f"No test yet: {', '.join(bare)}."]
    return "\n".join(lines)


def main() -> int:
    """Collect, write the page, say what it counts."""
    collector = Collector()
    # -m "" undoes the default choice: a soak test shows its row too.
    code = pytest.main(["--collect-only", "-qqq", "--no-summary", "-m", "", "tests"], plugins=[collector])
    if code != pytest.ExitCode.OK:
        print("conformance: the tests could not be collected; nothing was written", file=sys.stderr)
        return 1
    rows = lines_by_row(collector.shown, collector.outcomes)
    PAGE.parent.mkdir(exist_ok=True)
    page = [HEAD, counts(rows), *(section_page(section, rows) for section in SECTIONS)]
    PAGE.write_text("\n\n".join(part.strip() for part in page) + "\n", encoding="utf-8")
    print(f"{PAGE}: {sum(map(is_shown, rows.values()))} rows shown of {sum(len(rows_of(s)) for s in SECTIONS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
