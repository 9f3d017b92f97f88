"""Who is dead or has stood still loses its attempts, and whatever it writes afterwards is refused."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from recoup.ledger.backfills import open_backfill, set_state
from recoup.ledger.connection import FileLock, controllers_beside, lock_beside
from recoup.ledger.facts import Claim, Failed, Measured, NodeId, Publication, Succeeded
from recoup.ledger.leases import LEASE_SECONDS, ControllerLease, Left, void_dead
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.errors import ExitCode, FencedError, LedgerLockedError
from recoup.model.failure import Failure, FailureKind
from recoup.testing.clock import FakeClock

NODE = NodeId(1)
TABLES = ("attempts", "publications", "planes", "events", "controllers", "backfills", "runs")

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


class Controller:
    """A lease with attempts on the given partitions, and a backfill that it runs."""

    def __init__(self, ledger, *ordinals):
        self.ledger = ledger
        self.lease = ControllerLease(ledger, "ann")
        with ledger.transaction() as tx:
            controller = self.lease.controller
            self.backfill = open_backfill(
                tx, ledger, backfill_id=f"b-{controller}", pipeline="p", request={}, digest="", controller=controller,
                actions=1, who="ann",
            )  # fmt: skip
            runs = [tx.open_run(f"r-{o}", "p", "day", o, f"day {o}", tx.now) for o in ordinals]
            claims = [Claim(NODE, o, run, "missing", "c1") for o, run in zip(ordinals, runs, strict=True)]
            self.claimed = tx.claim(claims, controller, self.backfill)

    def die(self):
        """As the kernel sees it: the lock is free, and its file stays."""
        assert self.lease._lock is not None
        self.lease._lock.close()
        self.lease._lock = None

    def publication(self, nonce=""):
        claimed = self.claimed[0]
        run = claimed.claim.run.run
        return Publication(claimed.token, NODE, claimed.claim.ordinal, run, "d", "c1", "i", 0.0, nonce)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def ledger(tmp_path, clock):
    ledger = Ledger(tmp_path / "ledger.db", clock)
    yield ledger
    ledger.close()


@pytest.fixture
def me(ledger):
    lease = ControllerLease(ledger, "bob")
    yield lease
    lease.close()


def void(ledger, me) -> Left:
    with ledger.transaction() as tx:
        me.renew(tx)
        return void_dead(tx, ledger.path, me.controller)


def states(ledger):
    return [row[0] for row in ledger.db.execute("SELECT state FROM attempts ORDER BY token")]


def backfills(ledger):
    return {b.backfill_id: (b.state, b.ended_at) for b in LedgerReader(ledger.path, ledger.db).backfills()}


def everything(ledger):
    return {table: ledger.db.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}


# --- our own lease


def test_a_lease_lasts_from_its_renewal(ledger, clock, me):
    clock.advance(LEASE_SECONDS - 1)
    with ledger.transaction() as tx:
        me.renew(tx)
    clock.advance(LEASE_SECONDS)
    other = Controller(ledger)
    with ledger.transaction() as tx:
        void_dead(tx, ledger.path, other.lease.controller)
        me.hold(tx)
    clock.advance(0.1)
    with ledger.transaction() as tx:
        void_dead(tx, ledger.path, other.lease.controller)
    with pytest.raises(FencedError) as told, ledger.transaction() as tx:
        me.renew(tx)
    assert told.value.exit_code == ExitCode.REFUSED
    assert f"its lease of {LEASE_SECONDS:g} s" in told.value.message
    other.lease.close()


def test_renewal_is_due_after_a_third(ledger, clock, me):
    assert not me.renewal_due
    clock.advance(LEASE_SECONDS / 3 + 0.1)
    assert me.renewal_due
    with ledger.transaction() as tx:
        me.renew(tx)
    assert not me.renewal_due


def test_renewing_writes_how_long_it_holds(ledger, clock, me):
    clock.advance(40)
    with ledger.transaction() as tx:
        me.renew(tx)
    row = ledger.db.execute("SELECT who, started_at, lease_until, ended_at FROM controllers").fetchone()
    now = clock.now().timestamp()
    assert row == ("bob", now - 40, now + LEASE_SECONDS, None)


def test_a_machine_that_slept_goes_on_where_nobody_took_over(ledger, clock, me):
    """Its own timers did not go on, but the others' did: it asks the ledger, and is safe again for a whole lease."""
    mine = Controller(ledger, 0)
    clock.sleep(LEASE_SECONDS + 1)
    assert clock.monotonic() == 0
    assert mine.lease.renewal_due
    with ledger.transaction() as tx:
        mine.lease.renew(tx)
    clock.advance(LEASE_SECONDS)
    assert void(ledger, me) == Left(0, [])
    mine.lease.close()


def test_a_machine_that_slept_is_refused_where_somebody_took_over(ledger, clock, me):
    mine = Controller(ledger, 0)
    clock.sleep(LEASE_SECONDS + 1)
    assert void(ledger, me).attempts == 1
    before = everything(ledger)
    with pytest.raises(FencedError, match="stood still"), ledger.transaction() as tx:
        mine.lease.renew(tx)
    assert everything(ledger) == before
    mine.lease.close()


@pytest.mark.parametrize("seconds", [-7_200, 7_200])
def test_a_wall_clock_that_is_moved_fences_nobody(ledger, clock, me, seconds):
    clock.move_wall(seconds)
    with ledger.transaction() as tx:
        me.renew(tx)


def test_an_orderly_end(ledger, clock, me):
    other = Controller(ledger)
    with ledger.transaction() as tx:
        other.lease.end(tx)
    other.lease.close()
    other.lease.close()
    assert not list((controllers_beside(ledger.path)).glob(f"{other.lease.controller}.lock"))
    clock.advance(LEASE_SECONDS - 1)
    assert void(ledger, me).attempts == 0
    assert backfills(ledger)[f"b-{other.lease.controller}"] == ("running", None), "its own end says how it ended"
    with pytest.raises(FencedError), ledger.transaction() as tx:
        other.lease.end(tx)


def test_whoever_holds_a_lease_waits_for_as_long_as_that_lasts(tmp_path, clock, monkeypatch):
    """A command that takes its time with the ledger ends other commands, but no backfill."""
    monkeypatch.setattr("recoup.ledger.writer.LOCK_PATIENCE_SECONDS", 0.05)
    ledger = Ledger(tmp_path / "ledger.db", clock)
    slow = FileLock(lock_beside(ledger.path))
    with slow.held(), pytest.raises(LedgerLockedError), ledger.transaction():
        pass
    lease = ControllerLease(ledger, "ann")
    slow.acquire()
    let_go = threading.Timer(0.3, slow.release)
    let_go.start()
    with ledger.transaction() as tx:
        lease.renew(tx)
    let_go.join()
    for part in (lease, slow, ledger):
        part.close()


def test_two_ledgers_in_one_folder_know_nothing_of_each_other(tmp_path, clock):
    one, two = (Ledger(tmp_path / name, clock) for name in ("a.db", "b.db"))
    first = Controller(one, 0)
    first.die()
    with one.transaction(), two.transaction() as tx:
        tx.event("at once")
    namesake = ControllerLease(two, "bob")
    assert namesake.controller == first.lease.controller
    me = ControllerLease(one, "bob")
    assert void(one, me).attempts == 1, "what lives there is another ledger's"
    for part in (me, namesake, one, two):
        part.close()


# --- somebody else's


def test_a_free_lock_voids_at_once(ledger, clock, me):
    dead = Controller(ledger, 0, 1)
    dead.die()
    clock.advance(1)
    left = void(ledger, me)
    assert left == Left(2, [])
    assert states(ledger) == ["lost", "lost"]
    assert backfills(ledger) == {f"b-{dead.lease.controller}": ("interrupted", clock.now().timestamp())}
    with LedgerReader(ledger.path) as reader:
        assert not reader.planes([NODE])[NODE]["running"]
    ended = ledger.db.execute("SELECT ended_at FROM controllers WHERE controller = ?", (dead.lease.controller,))
    assert ended.fetchone() == (clock.now().timestamp(),)
    assert void(ledger, me) == Left(0, []), "once"


def test_a_lock_file_that_is_gone_is_a_free_lock(ledger, me):
    dead = Controller(ledger, 0)
    dead.lease.close()
    assert void(ledger, me).attempts == 1


def test_what_was_lost_can_be_claimed_again(ledger, me):
    dead = Controller(ledger, 0)
    dead.die()
    with ledger.transaction() as tx:
        void_dead(tx, ledger.path, me.controller)
        (again,) = tx.claim([dead.claimed[0].claim], me.controller, None)
    assert again.token > dead.claimed[0].token
    assert again.number == 2, "it may have done something"


@pytest.mark.parametrize("state", ["paused", "running"])
def test_a_backfill_that_was_under_way_is_interrupted(ledger, me, state):
    dead = Controller(ledger)
    with ledger.transaction() as tx:
        set_state(tx, dead.backfill, state)
    dead.die()
    void(ledger, me)
    assert backfills(ledger)[f"b-{dead.lease.controller}"][0] == "interrupted"


def test_a_backfill_that_had_ended_stays_as_it_is(ledger, clock, me):
    dead = Controller(ledger)
    with ledger.transaction() as tx:
        set_state(tx, dead.backfill, "done", {"failed": 0})
    at = clock.now().timestamp()
    dead.die()
    clock.advance(5)
    void(ledger, me)
    assert backfills(ledger)[f"b-{dead.lease.controller}"] == ("done", at)


def test_a_held_lock_and_a_live_lease_are_left_alone(ledger, clock, me):
    alive = Controller(ledger, 0)
    clock.advance(LEASE_SECONDS)
    before = everything(ledger)
    with ledger.transaction() as tx:
        assert void_dead(tx, ledger.path, me.controller) == Left(0, [])
    assert everything(ledger) == before
    alive.lease.close()


def test_a_held_lock_and_an_expired_lease_are_void(ledger, clock, me):
    """The process is stopped, or hangs: it may wake up, so it is fenced."""
    hung = Controller(ledger, 0)
    clock.advance(LEASE_SECONDS - 1)
    with ledger.transaction() as tx:
        me.renew(tx)
    clock.advance(1.5)
    assert void(ledger, me).attempts == 1
    assert states(ledger) == ["lost"]
    assert backfills(ledger)[f"b-{hung.lease.controller}"][0] == "interrupted"
    hung.lease.close()


def test_another_process_that_holds_its_lock_lives_until_it_is_killed(ledger, clock, me):
    other = Controller(ledger, 0)
    assert other.lease._lock is not None
    path = other.lease._lock.path
    other.die()
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert void(ledger, me).attempts == 0
        process.kill()
        process.wait()
    assert void(ledger, me).attempts == 1
    assert not path.exists(), "the lock file of the dead is tidied away"


def test_i_do_not_void_myself(ledger, clock, me):
    clock.move_wall(10 * LEASE_SECONDS)
    with ledger.transaction() as tx:
        void_dead(tx, ledger.path, me.controller)
        me.hold(tx)


def test_open_intents_of_the_dead_are_handed_over(ledger, me):
    dead = Controller(ledger, 0, 1)
    with ledger.transaction() as tx:
        tx.intend([dead.publication("ab12")])
        assert void_dead(tx, ledger.path, me.controller) == Left(0, []), "it lives, so its pointer may move yet"
    dead.die()
    left = void(ledger, me)
    assert left.attempts == 2
    assert left.intents == [dead.publication("ab12")]
    assert void(ledger, me).intents == [dead.publication("ab12")], "until somebody settles them"


# --- whoever was voided


@pytest.fixture
def voided(ledger, me):
    controller = Controller(ledger, 0)
    controller.die()
    void(ledger, me)
    return controller


def test_its_renewal_is_refused(ledger, voided):
    before = everything(ledger)
    for refused in (voided.lease.renew, voided.lease.hold, voided.lease.end):
        with pytest.raises(FencedError, match="taken over") as told, ledger.transaction() as tx:
            refused(tx)
        assert told.value.exit_code == ExitCode.REFUSED
        assert told.value.remedy
    assert everything(ledger) == before


WRITES = {
    "succeed": lambda tx, c: tx.succeed([Succeeded(c.publication(), Measured(0, 1), ((NODE, range(9)),))]),
    "fail": lambda tx, c: tx.fail(
        [Failed(c.claimed[0].token, NODE, 0, Failure(FailureKind.LOGIC, "no"), Measured(0, 1))]
    ),
    "release": lambda tx, c: tx.release([(c.claimed[0].token, NODE, 0)]),
}


@pytest.mark.parametrize("verb", WRITES)
def test_what_it_writes_for_its_attempts_is_refused(ledger, voided, verb):
    before = everything(ledger)
    written = ledger.transaction()
    with pytest.raises(FencedError, match="another controller took over"), written as tx:  # noqa: PT012 - all of it is undone
        tx.event("written just before")
        WRITES[verb](tx, voided)
    assert everything(ledger) == before


def test_what_it_claims_after_its_renewal_was_refused_is_undone(ledger, voided):
    before = everything(ledger)
    with pytest.raises(FencedError), ledger.transaction() as tx:  # noqa: PT012 - all of it is undone
        tx.claim([voided.claimed[0].claim], voided.lease.controller, None)
        voided.lease.hold(tx)
    assert everything(ledger) == before


def test_the_successor_is_not_disturbed(ledger, me, voided):
    with ledger.transaction() as tx:
        (mine,) = tx.claim([voided.claimed[0].claim], me.controller, None)
    with pytest.raises(FencedError), ledger.transaction() as tx:
        WRITES["succeed"](tx, voided)
    with ledger.transaction() as tx:
        tx.succeed([Succeeded(Publication(mine.token, NODE, 0, 1, "d2", "c1", "i", 0.0), Measured(0, 1))])
    assert states(ledger) == ["lost", "succeeded"]
