"""The ledger beside a tiny model of it; a machine looks for a sequence of events after which they differ."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recoup.ledger.facts import Blocked, Claim, Failed, Measured, NodeId, Publication, RunRow, Succeeded, Token
from recoup.ledger.reader import LedgerReader, intents
from recoup.ledger.registry import register_node
from recoup.ledger.transaction import Transaction
from recoup.ledger.verify import broken_laws, differences, facts_planes, stored_planes
from recoup.ledger.writer import Ledger
from recoup.model.errors import FencedError
from recoup.model.failure import Failure, FailureKind
from recoup.model.manifest import DataFile
from recoup.testing.clock import FakeClock

Place = tuple[NodeId, int]

UP, DOWN = NodeId(1), NodeId(2)
MEMORY = Path("/dev/shm")
ORDINALS = (4095, 4096)  # on both sides of where a plane's chunk ends; few, so that much happens to each
PLACES = [(node, ordinal) for node in (UP, DOWN) for ordinal in ORDINALS]
KINDS = (FailureKind.NETWORK, FailureKind.LOGIC)
CODES = ("v1", "v2")


def readers(place: Place) -> list[tuple[NodeId, range]]:
    """DOWN reads UP: the same partition, and the one before it."""
    return [(DOWN, range(place[1], place[1] + 2))] if place[0] == UP else []


@dataclass
class Attempt:
    token: int
    place: Place
    run: RunRow
    number: int
    decision: str
    state: str = "running"
    message: str | None = None
    kind: str | None = None


@dataclass
class Shown:
    """One thing that a partition showed, from a moment to a moment."""

    publication: Publication
    since: float
    until: float | None = None


@dataclass
class Known:
    """What the model knows of one place."""

    running: Attempt | None = None
    intent: Publication | None = None
    void: bool = False
    shown: list[Shown] = field(default_factory=list)
    stale: bool = False
    was_stale: bool = False
    code: str | None = None
    failed: str | None = None
    blocked: str | None = None
    tried: bool = False

    @property
    def current(self) -> Publication | None:
        return self.shown[-1].publication if self.shown else None

    @property
    def published(self) -> bool:
        return self.current is not None and self.current.run is not None


class LedgerComparison(RuleBasedStateMachine):
    """Two connections to one file, which never know what the other is about to do."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="recoup-ledger-", dir=MEMORY if MEMORY.is_dir() else None))
        self.path = self.folder / "ledger.db"
        self.clock = FakeClock()
        self.ledgers = [Ledger(self.path, self.clock) for _ in range(2)]
        self.outside = LedgerReader(self.path)
        self.known: dict[Place, Known] = {place: Known() for place in PLACES}
        self.attempts: list[Attempt] = []
        self.runs: dict[int, RunRow] = {}
        self.left: dict[int, Publication] = {}
        self.events: Counter[str] = Counter()
        self.run_numbers = 0

    def teardown(self) -> None:
        try:
            assert broken_laws(self.outside.db) == []
            self.look_back()
        finally:
            self.outside.close()
            for ledger in self.ledgers:
                ledger.close()
            shutil.rmtree(self.folder)

    @initialize()
    def register(self) -> None:
        with self.ledgers[0].transaction() as tx:
            for name in ("up", "down"):
                register_node(
                    tx, self.ledgers[0], name=name, pipeline="p", kind="step", label=name.upper(), partitioning={}
                )

    # --- what a controller does

    @rule(
        which=st.integers(0, 1),
        places=st.lists(st.sampled_from(PLACES), min_size=1, max_size=4),
        code=st.sampled_from(CODES),
        decision=st.sampled_from(["missing", "failed(logic)"]),
    )
    def claim(self, which: int, places: list[Place], code: str, decision: str) -> None:
        with self.change(which) as tx:
            claims = [Claim(node, o, self.open_run(tx, o), decision, code) for node, o in places]
            claimed = tx.claim(claims, controller=which + 1, backfill=None)
        free = [place for place in dict.fromkeys(places) if not self.known[place].running]
        assert [(c.claim.node, c.claim.ordinal) for c in claimed] == free
        for place, got in zip(free, claimed, strict=True):
            assert got.token > max((a.token for a in self.attempts), default=0), "tokens only grow"
            known = self.known[place]
            assert got.number == self.tries(place, got.claim.run) + 1
            attempt = Attempt(got.token, place, got.claim.run, got.number, decision)
            self.attempts.append(attempt)
            known.running, known.intent, known.void = attempt, None, False
            known.stale, known.was_stale = False, known.stale or known.was_stale
            known.code, known.tried = code, True
        self.events["claimed"] += len(free)

    @precondition(lambda self: self.running())
    @rule(which=st.integers(0, 1), data=st.data())
    def end(self, which: int, data: st.DataObject) -> None:
        """Several attempts end in one transaction, in any order and each in its own way."""
        places = data.draw(st.lists(st.sampled_from(self.running()), unique=True, min_size=1, max_size=4))
        how = {place: self.draw_end(place, data) for place in places}
        failed = [self.failed(place, end) for place, end in how.items() if isinstance(end, FailureKind)]
        gone = {(failure.node, failure.ordinal) for failure in failed}
        made = [self.succeeded(place, end) for place, end in how.items() if end is not None and place not in gone]
        released = [place for place, end in how.items() if end is None]
        with self.change(which) as tx:
            tx.succeed(made)
            tx.fail(failed)
            tx.release([(self.token(place), *place) for place in released])
        for success in made:
            self.show(success.publication)
        for success in made:
            self.over((success.publication.node, success.publication.ordinal), "succeeded")
        for failure in failed:
            self.not_made((failure.node, failure.ordinal), failure.state, failure.failure)
        for place in released:
            self.not_made(place, "released", None)

    @precondition(lambda self: self.intendable())
    @rule(which=st.integers(0, 1), data=st.data())
    def intend(self, which: int, data: st.DataObject) -> None:
        places = data.draw(st.lists(st.sampled_from(self.intendable()), unique=True, min_size=1, max_size=3))
        digests = [data.draw(st.sampled_from(["d1", "d2"])) for _ in places]
        new = [self.publication(place, digest, nonce="n") for place, digest in zip(places, digests, strict=True)]
        with self.change(which) as tx:
            tx.intend(new)
        for place, publication in zip(places, new, strict=True):
            self.known[place].intent = publication

    @precondition(lambda self: any(known.intent for known in self.known.values()))
    @rule(which=st.integers(0, 1), data=st.data())
    def forget(self, which: int, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from([p for p, known in self.known.items() if known.intent]))
        with self.change(which) as tx:
            tx.forget_intents([self.token(place)])
        self.known[place].intent, self.known[place].void = None, True  # its attempt goes on, and ends by failing

    @precondition(lambda self: self.left)
    @rule(which=st.integers(0, 1), moved=st.booleans(), data=st.data())
    def reconcile(self, which: int, moved: bool, data: st.DataObject) -> None:
        """An intent that outlived its attempt: the pointer says whether it moved; an older one never does."""
        token = data.draw(st.sampled_from(sorted(self.left)))
        publication = self.left.pop(token)
        place = (publication.node, publication.ordinal)
        current = self.known[place].current
        moved = moved and (current is None or current.token < token)
        with self.change(which) as tx:
            assert token in {left.token for left in intents(tx)}
            if moved:
                tx.publish([(publication, readers(place))])
                tx.execute("UPDATE attempts SET state = 'succeeded' WHERE token = ?", (token,))
            else:
                tx.forget_intents([Token(token)])
        if moved:
            next(attempt for attempt in self.attempts if attempt.token == token).state = "succeeded"
            self.show(publication)
        elif not self.known[place].running:
            self.as_before(self.known[place])

    @rule(
        which=st.integers(0, 1), places=st.lists(st.sampled_from(PLACES), max_size=3), why=st.sampled_from(["a", "b"])
    )
    def block(self, which: int, places: list[Place], why: str) -> None:
        with self.change(which) as tx:
            tx.block([Blocked(node, ordinal, why) for node, ordinal in places], None)
        for place in places:
            self.known[place].blocked = why
        self.events["blocked"] += bool(places)

    @rule(which=st.integers(0, 1), place=st.sampled_from(PLACES), length=st.integers(0, 3))
    def mark_stale(self, which: int, place: Place, length: int) -> None:
        with self.change(which) as tx:
            tx.mark_stale(place[0], range(place[1], place[1] + length))
        self.touch(place[0], range(place[1], place[1] + length))

    @rule(which=st.integers(0, 1), place=st.sampled_from(PLACES), code=st.sampled_from(CODES))
    def accept_code(self, which: int, place: Place, code: str) -> None:
        if not self.known[place].published:
            return
        with self.change(which) as tx:
            tx.accept_code(place[0], [place[1]], code)
        shown = self.known[place].shown[-1]
        shown.publication = self.with_code(shown.publication, code)

    @rule(which=st.integers(0, 1), ordinal=st.sampled_from(ORDINALS))
    def close_run(self, which: int, ordinal: int) -> None:
        """The next claim of its partition begins a new run."""
        if ordinal in self.runs:
            with self.change(which) as tx:
                tx.close_runs([self.runs.pop(ordinal).run])

    # --- what goes wrong

    @precondition(lambda self: any(attempt.state != "running" for attempt in self.attempts))
    @rule(which=st.integers(0, 1), verb=st.sampled_from(["succeed", "fail", "release"]), data=st.data())
    def an_old_token_writes_nothing(self, which: int, verb: str, data: st.DataObject) -> None:
        """A worker that wakes up late; what is written beside it in the same transaction is not written either."""
        old = data.draw(st.sampled_from([a for a in self.attempts if a.state != "running"]))
        live = [self.known[place].running for place in self.running()]
        attempts = [*(attempt for attempt in live[:2] if attempt), old]
        with pytest.raises(FencedError):
            self.write_late(which, verb, attempts)

    def write_late(self, which: int, verb: str, attempts: list[Attempt]) -> None:
        with self.change(which) as tx:
            tx.block([Blocked(*PLACES[0], "never said")], None)
            match verb:
                case "succeed":
                    new = [Publication(Token(a.token), *a.place, a.run.run, "late", "v1", "", 0.0) for a in attempts]
                    tx.succeed([Succeeded(p, Measured(0, 1), ((DOWN, range(5000)),)) for p in new])
                case "fail":
                    tx.fail([Failed(Token(a.token), *a.place, failure(KINDS[0]), Measured(0, 1)) for a in attempts])
                case _:
                    tx.release([(Token(a.token), *a.place) for a in attempts])

    @rule(which=st.integers(0, 1), place=st.sampled_from(PLACES))
    def a_transaction_that_fails_writes_nothing(self, which: int, place: Place) -> None:
        with pytest.raises(ZeroDivisionError):
            self.begin_and_fail(which, place)

    def begin_and_fail(self, which: int, place: Place) -> None:
        with self.change(which) as tx:
            run = tx.open_run("never", "p", "other", place[1], "x", 0.0)
            tx.claim([Claim(*place, run, "missing", "v1")], 1, None)
            tx.mark_stale(UP, range(10))
            raise ZeroDivisionError

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.ledgers[which].close()
        self.ledgers[which] = Ledger(self.path, self.clock)

    # --- what must be true at any moment

    @invariant()
    def planes_show_the_facts(self) -> None:
        stored, broken = stored_planes(self.outside.db)
        assert broken == []
        shown = {
            (node, plane, ordinal) for node, planes in stored.items() for plane, o in planes.items() for ordinal in o
        }
        assert shown == set(self.bits())
        assert list(differences(stored, facts_planes(self.outside.db), frozenset())) == [], "verify agrees"

    @invariant()
    def attempts_are_remembered(self) -> None:
        rows = self.outside.run_history()
        assert [row["token"] for row in rows] == [attempt.token for attempt in reversed(self.attempts)]
        for row, attempt in zip(rows, reversed(self.attempts), strict=True):
            assert (row["layer"], row["step"]) == ("p", "up" if attempt.place[0] == UP else "down")
            assert row["processor_name"] == row["step"].upper()
            assert (row["partition"], row["run_id"]) == (attempt.run.partition, attempt.run.run_id)
            assert (row["attempt"], row["state"], row["decision"]) == (attempt.number, attempt.state, attempt.decision)
            assert row["success"] == (attempt.state == "succeeded")
            assert (row["error_message"], row["failure_kind"]) == (attempt.message, attempt.kind)
            assert (row["ended_at"] is None) == (attempt.state == "running")

    @invariant()
    def publications_are_remembered(self) -> None:
        for place, known in self.known.items():
            history = [(p.publication.token, p.generation, p.state) for p in self.outside.history(*place)]
            count = len(known.shown)
            expected = [
                (shown.publication.token, number, "current" if number == count else "past")
                for number, shown in enumerate(known.shown, start=1)
            ]
            assert history == expected[::-1], "newest first, generations without a gap, one of them current"
        assert {left.token for left in intents(self.outside.db)} == set(self.left)

    @invariant()
    def a_reader_sees_what_is_current(self) -> None:
        for node in (UP, DOWN):
            seen = {p.publication.ordinal: p.publication for p in self.outside.current(node, range(5000))}
            shown = {
                place[1]: known.current for place, known in self.known.items() if place[0] == node and known.published
            }
            assert seen == shown

    @invariant()
    def events_are_appended(self) -> None:
        rows = self.outside.query("SELECT kind, count(*) FROM events GROUP BY kind")
        assert dict(rows) == {kind: count for kind, count in self.events.items() if count}

    def look_back(self) -> None:
        """What was shown at each earlier moment."""
        for ago in range(int(self.clock.monotonic()) + 1):
            moment = self.clock.now().timestamp() - ago
            for node in (UP, DOWN):
                rows = self.outside.current_at(node, range(5000), moment)
                assert {p.publication.ordinal: p.publication.token for p in rows} == dict(self.shown_at(node, moment))

    # --- the model

    def change(self, which: int):
        self.clock.advance(1)
        return self.ledgers[which].transaction()

    def open_run(self, tx: Transaction, ordinal: int) -> RunRow:
        self.run_numbers += 1
        name = f"partition {ordinal}"
        row = tx.open_run(f"run {self.run_numbers}", "p", "days", ordinal, name, float(self.run_numbers))
        assert self.runs.setdefault(ordinal, row) == row, "an open run is continued"
        return row

    def tries(self, place: Place, run: RunRow) -> int:
        mine = [a.number for a in self.attempts if a.place == place and a.run == run and a.state != "released"]
        return max(mine, default=0)

    def running(self) -> list[Place]:
        return [place for place, known in self.known.items() if known.running]

    def intendable(self) -> list[Place]:
        return [p for p in self.running() if not (self.known[p].intent or self.known[p].void)]

    def token(self, place: Place) -> Token:
        running = self.known[place].running
        assert running is not None
        return Token(running.token)

    def draw_end(self, place: Place, data: st.DataObject) -> str | FailureKind | None:
        """A digest ("" takes the partition away), a kind of failure, or None: never begun."""
        ends: list[str | FailureKind | None] = [*KINDS, FailureKind.CANCELLED, None]
        if self.known[place].intent:
            ends += ["d", "d"]
        elif not self.known[place].void:
            ends += ["d1", "d2", "d1", "d2", ""]
        return data.draw(st.sampled_from(ends))

    def succeeded(self, place: Place, digest: str) -> Succeeded:
        publication = self.known[place].intent or self.publication(place, digest)
        now = self.clock.now().timestamp()
        return Succeeded(publication, Measured(now, now + 0.5, rows=publication.rows), tuple(readers(place)))

    def failed(self, place: Place, kind: FailureKind) -> Failed:
        state = "cancelled" if kind is FailureKind.CANCELLED else "failed"
        return Failed(self.token(place), *place, failure(kind), Measured(0.0, 1.0), state)

    def publication(self, place: Place, digest: str, nonce: str = "") -> Publication:
        attempt = self.known[place].running
        assert attempt is not None
        code = self.known[place].code or ""
        files = (DataFile(f"{attempt.token}.parquet", 5, 100, digest),) if nonce else ()
        return Publication(
            Token(attempt.token),
            *place,
            attempt.run.run if digest else None,
            digest,
            code,
            "input",
            attempt.run.run_as_of,
            nonce=nonce,
            reason=attempt.decision,
            rows=5 if nonce else None,
            files=files,
            columns={"a": "Int64"} if nonce else {},
        )

    def with_code(self, publication: Publication, code: str) -> Publication:
        return Publication(
            **{name: getattr(publication, name) for name in publication.__slots__ if name != "code_version"},
            code_version=code,
        )

    def show(self, new: Publication) -> None:
        """Make it current; as stale as it was marked since it was claimed."""
        place = (new.node, new.ordinal)
        known, now = self.known[place], self.clock.now().timestamp()
        old = known.current
        if known.shown:
            known.shown[-1].until = now
        known.shown.append(Shown(new, now))
        known.failed, known.blocked, known.was_stale = None, None, False
        if new.run is None:
            known.stale = False
        if old is None or old.digest != new.digest:
            for node, ordinals in readers(place):
                self.touch(node, ordinals)

    def touch(self, node: NodeId, ordinals: range) -> None:
        for ordinal in ordinals:
            known = self.known.get((node, ordinal))
            if known and (known.published or known.running or self.in_doubt((node, ordinal))):
                known.stale = True

    def in_doubt(self, place: Place) -> bool:
        return any((left.node, left.ordinal) == place for left in self.left.values())

    def as_before(self, known: Known) -> None:
        known.stale, known.was_stale = known.published and (known.stale or known.was_stale), False

    def over(self, place: Place, state: str) -> Attempt:
        known = self.known[place]
        attempt = known.running
        assert attempt is not None
        attempt.state = state
        if known.intent and state != "succeeded":
            self.left[attempt.token] = known.intent
        known.running = known.intent = None
        self.events[state] += 1
        return attempt

    def not_made(self, place: Place, state: str, failure: Failure | None) -> None:
        known, attempt = self.known[place], self.over(place, state)
        if not self.in_doubt(place):
            self.as_before(known)
        if failure is None:
            return
        attempt.message, attempt.kind = failure.message, failure.kind.value
        known.blocked = None
        if state != "cancelled":
            known.failed = failure.kind.value

    def bits(self) -> Iterator[tuple[NodeId, str, int]]:
        for (node, ordinal), known in self.known.items():
            planes = {
                "running": known.running,
                "published": known.published,
                "pointed": known.shown,
                "stale": known.stale,
                "was-stale": known.was_stale,
                "blocked": known.blocked,
                "tried": known.tried,
            }
            names = [name for name, is_set in planes.items() if is_set]
            if known.failed:
                names.append(f"failed:{known.failed}")
            if known.published and known.current:
                names.append(f"code:{known.current.code_version}")
            yield from ((node, name, ordinal) for name in names)

    def shown_at(self, node: NodeId, moment: float) -> Iterator[tuple[int, int]]:
        for place, known in self.known.items():
            for shown in known.shown:
                if place[0] == node and shown.since <= moment and (shown.until is None or moment < shown.until):
                    yield place[1], shown.publication.token


def failure(kind: FailureKind) -> Failure:
    return Failure(kind, f"it was {kind}", "SomeError", "f1", {"kind": kind.value})


@pytest.mark.parametrize("order", [(UP, DOWN), (DOWN, UP)])
def test_a_reader_that_ends_in_the_same_commit_is_stale(tmp_path, order):
    """It was claimed before the other was published, so it read what was there earlier; in either order."""
    ledger = Ledger(tmp_path / "ledger.db", FakeClock())
    with ledger.transaction() as tx:
        run = tx.open_run("run", "p", "days", 0, "2013-01-01", 0.0)
        claimed = tx.claim([Claim(node, 0, run, "missing", "v1") for node in order], 1, None)
        made = [Publication(c.token, c.claim.node, 0, run.run, "d1", "v1", "input", 0.0) for c in claimed]
        tx.succeed([Succeeded(p, Measured(0, 1), tuple(readers((p.node, 0)))) for p in made])
        assert tx.plane_has(DOWN, "stale", 0)
        assert not tx.plane_has(UP, "stale", 0)
    ledger.close()


@pytest.mark.parametrize("changed", [False, True], ids=["nothing changed", "its input changed meanwhile"])
@pytest.mark.parametrize("stale", [False, True], ids=["fresh", "stale"])
@pytest.mark.parametrize("end", ["released", "lost", "failed"])
def test_what_was_not_replaced_is_as_stale_as_it_was(tmp_path, end, stale, changed):
    """Given back because somebody stopped the run: it is stale by its input only if its input is another one."""
    ledger = Ledger(tmp_path / "ledger.db", FakeClock())
    with ledger.transaction() as tx:
        run = tx.open_run("run", "p", "days", 0, "2013-01-01", 0.0)
        [first] = tx.claim([Claim(DOWN, 0, run, "missing", "v1")], 1, None)
        tx.succeed([Succeeded(Publication(first.token, DOWN, 0, run.run, "d1", "v1", "i", 0.0), Measured(0, 1))])
        if stale:
            tx.mark_stale(DOWN, range(1))
        [again] = tx.claim([Claim(DOWN, 0, run, "stale(code)", "v2")], 1, None)
        if changed:
            tx.mark_stale(DOWN, range(1))
        if end == "failed":
            tx.fail([Failed(again.token, DOWN, 0, failure(KINDS[0]), Measured(0, 1))])
        else:
            tx.release([(again.token, DOWN, 0)], state=end)
        assert tx.plane_has(DOWN, "stale", 0) == (stale or changed)
        assert not tx.plane_has(DOWN, "was-stale", 0)
    ledger.close()


def test_what_changes_while_a_publication_is_in_doubt_makes_it_stale(tmp_path):
    """Its controller died behind the swap; whatever is published before somebody asks the pointer still counts."""
    ledger = Ledger(tmp_path / "ledger.db", FakeClock())
    with ledger.transaction() as tx:
        run = tx.open_run("run", "p", "days", 0, "2013-01-01", 0.0)
        [ours] = tx.claim([Claim(DOWN, 0, run, "missing", "v1")], 1, None)
        publication = Publication(ours.token, DOWN, 0, run.run, "d1", "v1", "i", 0.0, nonce="n")
        tx.intend([publication])
    with ledger.transaction() as tx:
        tx.release([(ours.token, DOWN, 0)], state="lost")
    with ledger.transaction() as tx:
        tx.mark_stale(DOWN, range(1))
    with ledger.transaction() as tx:
        tx.publish([(publication, ())])
        assert tx.plane_has(DOWN, "stale", 0)
    ledger.close()


TestLedger = LedgerComparison.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=50)
