"""The planner and its slow twin decide the same, whatever the pipeline, the ledger and the wish."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from recoup.plan.plan import Plan, read_plan
from recoup.plan.planner import fingerprint, make_plan
from recoup.plan.request import Request
from tests.unit.plan.reference import Reference
from tests.unit.plan.worlds import graphs, requests, snapshots


@st.composite
def cases(draw):
    graph = draw(graphs())
    return graph, draw(snapshots(graph)), draw(requests(graph))


def decisions(plan):
    found = {}
    for group in plan.groups:
        for ordinal in group.ordinals:
            assert (group.node, ordinal) not in found, "decided twice"
            found[group.node, ordinal] = (group.verb.value, group.reason)
    return found


def admissible(graph, snapshot, request):
    """Explicit partitions that no calendar expects are refused, which is another test's."""
    days = [node for node in graph.nodes if node.partitions is graph.anchor]
    expected = {o for node in days for o in snapshot.states[node.index].expected}
    return not days or all(graph.anchor.ordinal(key) in expected for key in request.partitions)


@settings(max_examples=250)
@given(cases())
def test_they_decide_the_same(case):
    graph, snapshot, request = case
    if not admissible(graph, snapshot, request):
        return
    reference = Reference(request, graph, snapshot)
    plan = make_plan(request, graph, snapshot)
    known, found = reference.decide(), decisions(plan)

    assert {place: verb for place, (verb, _) in found.items()} == {place: verb for place, (verb, _) in known.items()}
    assert all(reason.startswith(known[place][1]) for place, (_, reason) in found.items())
    assert (plan.done, plan.actions + plan.blocked) == (reference.done, len(known))


@given(cases())
def test_a_plan_there_and_back(case):
    graph, snapshot, request = case
    if not admissible(graph, snapshot, request):
        return
    plan = make_plan(request, graph, snapshot)
    text = json.dumps(plan.to_json(graph))

    assert read_plan(text, graph) == plan
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request
    assert Plan.from_json(json.loads(text), graph).fingerprint == fingerprint(request, graph, snapshot)
