"""Any plan, any outcome, in any order: every action settles once, after all that it reads has settled."""

import math
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

import recoup as rc
from recoup.engine import events
from recoup.engine.machine import Machine
from recoup.model.failure import RETRYABLE, Failure, FailureKind
from recoup.model.graph import NodeKind
from recoup.model.relation import Same, Span, parents
from recoup.plan.plan import Verb
from recoup.plan.planner import make_plan
from recoup.plan.request import Order
from tests.unit.plan.worlds import graphs, requests, snapshots

POOLS = {"narrow": 1, "wide": 3}
RETRIES = [rc.Retry(1), rc.Retry(2, initial="10s", jitter=0), rc.Retry(3, initial="10s", max="15s", jitter=0.5)]
KINDS = [FailureKind.NETWORK, FailureKind.LOST, FailureKind.LOGIC, FailureKind.UNKNOWN]
COUNTED = ("succeeded", "failed", "blocked")
SETTLED = (*COUNTED, "kept")


@st.composite
def cases(draw):
    graph = draw(graphs(pools=[*POOLS, "unbounded"], retries=RETRIES))
    snapshot, request = draw(snapshots(graph)), draw(requests(graph))
    days = [node for node in graph.nodes if node.partitions is graph.anchor]
    expected = {o for node in days for o in snapshot.states[node.index].expected}
    if days and any(graph.anchor.ordinal(key) not in expected for key in request.partitions):
        request = type(request)("p")
    return graph, snapshot, request, draw(st.sampled_from(Order)), draw(st.integers(1, 12))


class Simulation:
    """The world around a machine: what runs, what has settled, and what the rules allow next."""

    def __init__(self, case, chance):
        self.graph, self.snapshot, request, order, self.room = case
        self.request = type(request)(
            **{name: getattr(request, name) for name in request.__slots__ if name != "order"}, order=order
        )
        self.chance = chance
        self.plan = make_plan(self.request, self.graph, self.snapshot)
        pools = {name: rc.Pool(slots=slots) for name, slots in POOLS.items()}
        self.machine = Machine(self.graph, self.plan, self.snapshot, pools)
        self.state = {(g.node, o): "waiting" for g in self.plan.groups if g.verb is Verb.RUN for o in g.ordinals}
        self.due = {}
        self.tries: Counter[tuple[tuple[int, int], FailureKind | None]] = Counter()
        self.closed = set()
        self.now = 0.0
        self.excursions = 0

    # --- the rules, naively

    def reads(self, place):
        """Each input with its partitions; a lookback that is empty waits for the same partition of its parent."""
        node, ordinal = self.graph.nodes[place[0]], place[1]
        for edge in node.edges:
            span = parents(edge.relation, node.partitions, self.graph.nodes[edge.parent].partitions, ordinal)
            counted = [o for o in span if o in self.snapshot.states[edge.parent].expected]
            waits = [ordinal] if isinstance(edge.relation, Span) and not counted else span
            yield edge, span, counted, {(edge.parent, o) for o in waits if (edge.parent, o) in self.state}

    def is_there(self, place):
        if place in self.state:
            return self.state[place] in ("succeeded", "kept")
        return place[1] in self.snapshot.states[place[0]].published

    def inputs_settled(self, place):
        return all(self.state[read] in SETTLED for _, _, _, waits in self.reads(place) for read in waits)

    def is_complete(self, place):
        if self.graph.nodes[place[0]].kind is NodeKind.DELIVERY:
            above = (self.graph.nodes[place[0]].edges[0].parent, place[1])
            return self.state.get(above, "succeeded") == "succeeded"
        for edge, span, counted, _ in self.reads(place):
            wanted = list(span) if isinstance(edge.relation, Same) else counted
            needed = math.ceil(round(edge.complete * len(wanted), 6))
            if sum(self.is_there((edge.parent, o)) for o in wanted) < needed:
                return False
        return True

    def is_kept(self, place):
        """A table that shows what its step published before; the step was to make it again, and did not."""
        node, ordinal = self.graph.nodes[place[0]], place[1]
        if node.kind is not NodeKind.DELIVERY:
            return False
        own, above = self.snapshot.states[place[0]], self.snapshot.states[node.edges[0].parent]
        return ordinal in own.published & own.same_code & above.published - own.stale

    def pool(self, node):
        found = self.graph.nodes[node]
        return found.step.pool if found.kind is NodeKind.STEP else None

    def is_free(self, node):
        running = sum(state == "running" and self.pool(n) == self.pool(node) for (n, _), state in self.state.items())
        return running < POOLS.get(self.pool(node), math.inf)

    def ready(self):
        """What may start now, in order: the partition's time first, then along the graph."""
        may = [
            place
            for place, state in self.state.items()
            if (state == "waiting" and self.inputs_settled(place))
            or (state == "delayed" and self.due[place] <= self.now)
        ]
        sign = -1 if self.request.order is Order.NEWEST else 1
        rank = {place: sign * self.graph.nodes[place[0]].partitions.rank(place[1]) for place in may}
        return sorted(may, key=lambda place: (rank[place], place))

    def peers_there(self, place):
        grain = self.graph.nodes[place[0]].partitions
        for node in self.graph.nodes:
            if node.partitions is grain and node.kind is not NodeKind.SOURCE:
                expected = place[1] in self.snapshot.states[node.index].expected
                if expected and not self.is_there((node.index, place[1])):
                    return False
        return True

    # --- what happens

    def take(self):
        room = self.room - self.machine.running
        starts = self.machine.take(room, self.now)
        for number, start in enumerate(starts):
            best = next(place for place in self.ready() if self.is_free(place[0]))
            assert (start.node, start.ordinal) == best, "the first in order that has a slot"
            assert self.is_complete(best), "what it reads is enough"
            assert start.reason == next(
                g.reason for g in self.plan.groups if g.node == best[0] and g.verb is Verb.RUN and best[1] in g.ordinals
            )
            self.state[best] = "running"
            assert number < room
        if len(starts) < room:
            assert not any(self.is_free(place[0]) for place in self.ready()), "nothing that could start is left"

    def happen(self):
        """One thing, by chance, to something that was taken."""
        taken = [place for place, state in self.state.items() if state in ("running", "elsewhere")]
        if not taken or (self.due and self.chance.random() < 0.2):
            self.wait()
            return
        node, ordinal = place = self.chance.choice(taken)
        elsewhere = self.state[place] == "elsewhere"
        what = self.chance.choice(["succeed", "succeed", "succeed", "fail", "back", "away", "unready"])
        if what in ("back", "away", "unready"):
            self.excursions += 1
        if what == "away" and not elsewhere and self.excursions < 50:
            self.state[place] = "elsewhere"
            assert self.machine.handle(events.Taken(node, ordinal)) == []
        elif what == "back" and self.excursions < 50:
            self.state[place] = "waiting"
            assert self.machine.handle(events.Released(node, ordinal)) == []
        elif what == "unready" and not elsewhere:
            self.settled(place, "blocked", self.machine.handle(events.Unready(node, ordinal, "why")), "why")
        elif what == "fail":
            self.fail(place, elsewhere=elsewhere)
        else:
            self.settled(place, "succeeded", self.machine.handle(events.Succeeded(node, ordinal)))

    def fail(self, place, *, elsewhere):
        node, ordinal = place
        if elsewhere:
            self.settled(place, "failed", self.machine.handle(events.FailedElsewhere(node, ordinal)))
            return
        kind, chance = self.chance.choice(KINDS), self.chance.random()
        retry = self.graph.nodes[node].step.retry
        budget = kind if kind in (FailureKind.LOST, FailureKind.TIMEOUT) else None
        self.tries[place, budget] += 1
        tries = self.tries[place, budget]
        told = self.machine.handle(events.Failed(node, ordinal, Failure(kind, "x"), self.now, chance))
        if kind not in RETRYABLE or tries >= retry.max_attempts:
            self.settled(place, "failed", told)
            return
        delay = 0.0 if kind is FailureKind.LOST and tries == 1 else retry.delay(tries, chance)
        assert told == [events.Retry(node, ordinal, delay)]
        self.state[place], self.due[place] = "delayed", self.now + delay

    def wait(self):
        delayed = [self.due[place] for place, state in self.state.items() if state == "delayed"]
        later = [due for due in delayed if due > self.now]
        due = self.machine.next_due(self.now)
        assert due is None or due in delayed
        if later:
            self.now = min(later)

    def settled(self, place, how, told, why=None):
        """It and what is blocked by it; each exactly once, each with all that it read settled before."""
        blocks = [i for i in told if isinstance(i, events.Block)]
        closes = [(i.node, i.ordinal) for i in told if isinstance(i, events.CloseRun)]
        assert len(blocks) + len(closes) == len(told)
        if why is not None:
            node, ordinal = place
            assert blocks.pop(0) == events.Block(node, ordinal, why)
        self.state[place] = how
        rest = {(b.node, b.ordinal) for b in blocks}
        assert len(rest) == len(blocks)
        while rest:
            now_blocked = {p for p in rest if self.inputs_settled(p)}
            assert now_blocked, "blocked before what it reads had settled"
            for blocked in now_blocked:
                assert self.state[blocked] == "waiting"
                assert not self.is_complete(blocked)
                assert not self.is_kept(blocked)
            for blocked in now_blocked:
                self.state[blocked] = "blocked"
            rest -= now_blocked
        stuck = [
            p for p, s in self.state.items() if s == "waiting" and self.inputs_settled(p) and not self.is_complete(p)
        ]
        assert all(map(self.is_kept, stuck)), "blocked, and nobody said so"
        self.state |= dict.fromkeys(stuck, "kept")
        self.close(closes)

    def close(self, closes):
        runs = Counter((id(self.graph.nodes[n].partitions), o) for n, o in closes)
        assert all(count == 1 for count in runs.values())
        assert not self.closed & runs.keys()
        self.closed |= runs.keys()
        by_run = defaultdict(list)
        for (node, ordinal), state in self.state.items():
            by_run[id(self.graph.nodes[node].partitions), ordinal].append(((node, ordinal), state))
        for run, places in by_run.items():
            over = all(state in SETTLED for _, state in places)
            assert (run in self.closed) == (over and self.peers_there(places[0][0]))

    def check(self):
        by_state = Counter(self.state.values())
        counts = self.machine.counts
        assert (counts.succeeded, counts.failed, counts.blocked) == tuple(by_state[state] for state in COUNTED)
        assert len(self.state) == self.plan.actions
        assert counts.total == len(self.state) - by_state["kept"]
        assert self.machine.running == by_state["running"] <= self.room
        assert self.machine.elsewhere == {place for place, state in self.state.items() if state == "elsewhere"}
        assert self.machine.done == all(state in SETTLED for state in self.state.values())

    def run(self):
        for _ in range(30 * len(self.state) + 100):
            self.check()
            if self.machine.done:
                return
            self.take()
            self.check()
            self.happen()
        raise AssertionError("it does not come to an end")


@settings(max_examples=150)
@given(cases(), st.randoms(use_true_random=False))
def test_any_plan_comes_to_its_end(case, chance):
    Simulation(case, chance).run()
