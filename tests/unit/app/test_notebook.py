"""What a notebook shows of a plan and of a status: parsed, because what looks right may not be HTML."""

from html.parser import HTMLParser

import pytest

import recoup as rc
from recoup.app.notebook import ROWS_SHOWN, Table, page, ranges_text
from recoup.app.prepare import Planned, Prepared
from recoup.app.standing import FailureSample, Status, StepStatus
from recoup.engine.insight import insight
from recoup.ledger.facts import NodeId
from recoup.model.failure import Failure, FailureKind
from recoup.model.graph import Graph
from recoup.model.partition import PartitionSet
from recoup.plan.planner import make_plan
from recoup.plan.request import Request
from recoup.plan.snapshot import NodeState, Snapshot
from tests.unit.cli.conftest import DAYS, JANUARY, NOW

EVIL = '<script>alert("x")</script> & more'


class Page(HTMLParser):
    """The headline, and the rows of each table; every tag must be closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.headline = ""
        self.tables: list[list[list[str]]] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick", "class", "id"}
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "table" in self._open:
            self.tables[-1][-1][-1] += data
        else:
            self.headline += data


def sample(**states):
    pipeline = rc.Pipeline("sample", partitions=JANUARY)

    @pipeline.step
    def orders(ctx): ...

    @pipeline.step
    def totals(ctx, orders): ...

    graph = Graph.of(pipeline)
    usual = NodeState(expected=DAYS)
    return pipeline, graph, Snapshot(tuple(states.get(node.name, usual) for node in graph.nodes), NOW)


def days(*numbers):
    return PartitionSet.of(JANUARY.ordinal(f"2024-01-{number:02}") for number in numbers)


def test_a_plan():
    bad = days(3, 4, 9)
    pipeline, graph, snapshot = sample(orders=NodeState(expected=DAYS, published=DAYS - bad, failed={"logic": bad}))
    prepared = Prepared(pipeline, graph, [NodeId(1), NodeId(2)], ["", ""], snapshot)
    shown = Page(Planned(make_plan(Request("sample"), graph, snapshot), prepared)._repr_html_())
    assert shown.headline == "sample: 34 to run · 28 done"
    (table,) = shown.tables
    assert table[0] == ["step", "what", "count", "partitions", "why"]
    assert table[1] == ["orders", "run", "3", "2024-01-03…2024-01-04 (2), 2024-01-09", "failed(logic)"]
    assert table[2] == ["totals", "run", "31", "2024-01-01…2024-01-31 (31)", "missing"]


def test_a_status_is_readable_without_colour():
    bad = days(3)
    state = NodeState(expected=DAYS, published=DAYS - bad, same_code=DAYS, failed={"logic": bad})
    _, graph, snapshot = sample(orders=state)
    found = insight(graph, snapshot)
    failure = FailureSample("2024-01-03", Failure(FailureKind.LOGIC, f"ValueError: {EVIL}", "", "", {}), None)
    steps = (
        StepStatus(found.steps[0], "2024-01-31", NOW.timestamp(), {"logic": failure}),
        StepStatus(found.steps[1], None, None, {}),
    )
    shown = Page(Status(found, steps, ())._repr_html_())
    assert shown.headline == "sample: incomplete · 0 of 31 days (0 %)"
    figures, incomplete = shown.tables
    assert figures[0] == ["step", "expected", "done", "missing", "failed", "last success"]
    assert figures[1] == ["orders", "31", "30", "–", "1", "2024-01-31, 2024-06-01 12:00 UTC"]
    assert figures[2] == ["totals", "31", "–", "31", "–", "never"]
    assert incomplete[1] == ["orders", "failed(logic)", "1", "2024-01-03", f"ValueError: {EVIL}"]
    assert incomplete[2][:3] == ["totals", "missing", "31"]
    assert "script" not in shown.tags


@pytest.mark.parametrize("text", [EVIL, "a < b", "'\"&amp;", "\x1b[31m"])
def test_all_text_is_escaped(text):
    shown = Page(page(text, [Table([text], [[text], [None]])]))
    assert shown.headline == text
    assert shown.tables == [[[text], [text], ["–"]]]
    assert shown.tags == {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}


def test_it_stays_small():
    shown = Page(page("many", [Table(["n"], [[number] for number in range(1_000)]), Table(["nothing"], [])]))
    (table,) = shown.tables
    assert len(table) == 1 + ROWS_SHOWN + 1
    assert table[-1] == ["and 950 more rows"]
    assert ranges_text([str(n) for n in range(9)]) == "0, 1, 2, 3, 4, 5 and 3 more"


def test_numbers_stand_on_the_right_even_where_some_are_missing():
    text = page("x", [Table(["name", "count"], [["a", 1_000], ["b", None]]), Table(["none"], [[None]])])
    assert text.count("text-align:right") == 5
    assert "1,000" in text
