"""Who was stopped and wakes up late changes nothing; two at once do nothing twice; the dead hold nobody up."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from recoup.app.clock import SystemClock
from recoup.ledger.facts import Claim, Claimed, Failed, Measured, Publication, Succeeded, Token
from recoup.ledger.leases import ControllerLease
from recoup.ledger.registry import register_node
from recoup.ledger.writer import Ledger
from recoup.model.errors import ExitCode, FencedError
from recoup.model.failure import Failure, FailureKind
from tests.crash import laws
from tests.crash.project import ALL, DAYS, NODES, Project, ended, rows

PATIENCE_SECONDS = 30.0
FENCED = ExitCode.REFUSED


def until(what: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    give_up_at = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up_at, "it did not come to that"
        time.sleep(0.01)


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children())


def stop_between_writes(process: subprocess.Popen[str], project: Project) -> None:
    """SIGSTOP, but not while it holds the ledger: whoever does that makes others wait, and they say so."""
    while True:
        process.send_signal(signal.SIGSTOP)
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        if not laws.is_held(project.ledger.with_name("ledger.db.lock")):
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)


# --- a controller that was stopped


def test_a_controller_that_wakes_up_late_changes_nothing(nursery, tmp_path):
    """Its worker ends the step meanwhile, and leaves a file that nobody asked for."""
    project = Project.make(tmp_path / "project", "lease_seconds = 1", DAYS_BAD="")
    controller = project.start("--max-parallel", "1", DAYS_SLOW="0.6")
    with ended(controller):
        until(lambda: project.calls()[f"clean {DAYS[0]}"])
        stop_between_writes(controller, project)
        staged = len(data_files(project, "clean"))
        time.sleep(1.3)
        assert project.run(nursery) == 0
        assert project.calls()[f"clean {DAYS[0]}"] == 2, "what was in flight ran again"
        until(lambda: len(data_files(project, "clean")) == staged + len(DAYS) + 1)
        before = laws.fingerprint(project)
        controller.send_signal(signal.SIGCONT)
        _, errors = controller.communicate(timeout=PATIENCE_SECONDS)
    assert controller.returncode == FENCED
    assert "stood still" in errors or "taken over" in errors
    assert laws.fingerprint(project) == before
    assert laws.broken(project, ALL, rows()) == []


def data_files(project: Project, dataset: str) -> list[Path]:
    return list((project.folder / "lake" / dataset).rglob("*.parquet"))


STOPS = {
    "before its manifest is there": "link",
    "before its manifest is durable": "sync",
}


@pytest.mark.parametrize("place", STOPS)
def test_a_controller_that_was_stopped_while_it_published_changes_nothing(place, nursery, tmp_path):
    """One day only: beside this pointer no other moves, whose lock the second would have to wait for in vain."""
    project = Project.make(tmp_path / "project", "lease_seconds = 1", DAYS_BAD="", DAYS_END=DAYS[0])
    words = ["--stop", "--at", "1", "--kinds", STOPS[place], "--where", "lake/manifests/clean"]
    controller = project.start(crash=words, RECOUP_EXECUTOR="inline")
    with ended(controller):
        os.waitid(os.P_PID, controller.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert controller.poll() is None
        time.sleep(1.0)
        assert project.run(nursery) == 0
        before = laws.fingerprint(project)
        controller.send_signal(signal.SIGCONT)
        controller.communicate(timeout=PATIENCE_SECONDS)
    assert controller.returncode == FENCED
    assert laws.fingerprint(project) == before
    assert laws.broken(project, {f"{node} {DAYS[0]}" for node in NODES}, rows(DAYS[:1])) == []


# --- a worker that was stopped


def test_a_worker_that_was_stopped_is_killed_at_its_limit_and_its_attempt_made_again(tmp_path):
    project = Project.make(tmp_path / "project", DAYS_BAD="", DAYS_SLOW="0.3", DAYS_TIMEOUT="1.5s")
    controller = project.start("--max-parallel", "1")
    with ended(controller):
        until(lambda: project.calls()[f"clean {DAYS[1]}"])
        [worker] = workers_of(controller)
        worker.suspend()
        _, errors = controller.communicate(timeout=PATIENCE_SECONDS)
        assert not worker.is_running()
    assert controller.returncode == 0, errors
    assert project.calls()[f"clean {DAYS[1]}"] == 2
    with project.reader() as reader:
        assert reader.query("SELECT count(*) FROM attempts WHERE state = 'failed'") == [(1,)]
        failed = reader.query("SELECT json_extract(failure, '$.kind') FROM attempts WHERE failure IS NOT NULL")
    assert failed == [(FailureKind.TIMEOUT,)]
    assert laws.broken(project, ALL, rows()) == []


# --- the ledger itself


class Taken:
    """A ledger in which one controller's attempt was voided by another, who has it now."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger.db", SystemClock())
        self.first = ControllerLease(self.ledger, "first")
        with self.ledger.transaction() as tx:
            daily = {"kind": "daily"}
            self.node = register_node(
                tx, self.ledger, name="clean", pipeline="days", kind="step", label="clean", partitioning=daily
            )
            run = tx.open_run("run-1", "days", "day", 1, DAYS[0], 0.0)
            self.claim = Claim(self.node, 1, run, "missing", "v1")
        self.old = self.claimed(self.first)
        self.first.close()  # its lock is free: to others it is dead
        self.second = ControllerLease(self.ledger, "second")

    def claimed(self, lease: ControllerLease) -> Claimed:
        with self.ledger.transaction() as tx:
            [claimed] = tx.claim([self.claim], lease.controller, None)
        return claimed

    def publication(self, token: Token) -> Publication:
        run = self.claim.run.run
        return Publication(token, self.node, 1, run, f"digest-{token}", "v1", "", 0.0, nonce=f"nonce-{token}")


@pytest.fixture
def taken(tmp_path) -> Iterator[Taken]:
    from recoup.ledger.leases import void_dead

    made = Taken(tmp_path)
    with made.ledger.transaction() as tx:
        assert void_dead(tx, made.ledger.path, made.second.controller).attempts == 1
    yield made
    made.second.close()
    made.ledger.close()


def everything(ledger: Ledger) -> list[object]:
    tables = ("attempts", "publications", "planes", "runs", "events", "controllers", "durations")
    return [ledger.db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


OUTCOMES = {
    "succeed": lambda taken, tx, at: tx.succeed([Succeeded(taken.publication(taken.old.token), Measured(at, at))]),
    "fail": lambda taken, tx, at: tx.fail(
        [Failed(taken.old.token, taken.node, 1, Failure(FailureKind.LOGIC, "late"), Measured(at, at))]
    ),
    "release": lambda taken, tx, at: tx.release([(taken.old.token, taken.node, 1)]),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("again", [False, True], ids=["nobody has it now", "somebody else has it now"])
def test_the_ledger_refuses_an_old_token(outcome, again, taken):
    if again:
        assert taken.claimed(taken.second).token > taken.old.token
    before = everything(taken.ledger)
    with pytest.raises(FencedError), taken.ledger.transaction() as tx:
        OUTCOMES[outcome](taken, tx, tx.now)
    assert everything(taken.ledger) == before


def test_a_good_outcome_beside_one_with_an_old_token_is_not_written_either(taken):
    """A transaction is one controller's: when one of its attempts is void, all of it is."""
    good = taken.claimed(taken.second)
    before = everything(taken.ledger)
    both = [Succeeded(taken.publication(token), Measured(0.0, 0.0)) for token in (good.token, taken.old.token)]
    with pytest.raises(FencedError), taken.ledger.transaction() as tx:
        tx.succeed(both)
    assert everything(taken.ledger) == before
    with taken.ledger.transaction() as tx:
        tx.succeed([Succeeded(taken.publication(good.token), Measured(tx.now, tx.now))])


@pytest.mark.parametrize("verb", ["hold", "renew", "end"])
def test_a_voided_controller_may_not_write_at_all(verb, taken):
    before = everything(taken.ledger)
    with pytest.raises(FencedError), taken.ledger.transaction() as tx:
        getattr(taken.first, verb)(tx)
    assert everything(taken.ledger) == before


def test_tokens_only_grow(taken):
    tokens = [taken.old.token]
    for _ in range(5):
        tokens.append(taken.claimed(taken.second).token)
        with taken.ledger.transaction() as tx:
            tx.release([(tokens[-1], taken.node, 1)])
    assert tokens == sorted(set(tokens))


# --- two controllers


@pytest.mark.runbook("B-i3")
@pytest.mark.parametrize("bad", [False, True], ids=["all well", "one day fails"])
def test_two_controllers_at_once_do_nothing_twice(bad, tmp_path):
    days = [f"2013-01-{day:02}" for day in range(1, 13)]
    failing = days[5] if bad else ""
    project = Project.make(tmp_path / "project", DAYS_BAD=failing, DAYS_SLOW="0.05", DAYS_END=days[-1])
    both = [project.start("--max-parallel", "1") for _ in range(2)]
    with ended(*both):
        said = [controller.communicate(timeout=60)[1] for controller in both]
    assert [controller.returncode for controller in both] == [int(bad)] * 2, said
    assert max(project.calls().values()) == 1, project.calls()
    with project.reader() as reader:
        shared = reader.query("SELECT count(DISTINCT controller) FROM attempts WHERE state = 'succeeded'")
    assert shared == [(2,)], "both had a part in it"
    expected = {f"{node} {day}" for node in NODES for day in days} - {f"clean {failing}"}
    assert laws.broken(project, expected, project.table()) == []
    assert len(project.table()) == 3 * len(days)


def test_what_a_dead_controller_had_moved_is_settled_by_one_that_was_waiting_for_it(nursery, tmp_path):
    """The second awaits what the first has claimed; when the first dies, the second asks the pointer before it acts."""
    project = Project.make(tmp_path / "project", DAYS_BAD="", DAYS_END=DAYS[0])
    words = ["--stop", "--at", "1", "--kinds", "send"]  # behind the first pointer's move, before the ledger hears of it
    first = project.start(crash=words, RECOUP_EXECUTOR="inline")
    with ended(first):
        os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        second = project.start(RECOUP_EXECUTOR="inline")
        with ended(second):
            until(lambda: backfills(project) == 2)
            time.sleep(0.5)
            assert second.poll() is None, "it waits for what the first has claimed"
            first.kill()
            _, errors = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 0, errors
    assert project.calls()[f"clean {DAYS[0]}"] == 1
    assert laws.broken(project, {f"{node} {DAYS[0]}" for node in NODES}, rows(DAYS[:1])) == []


def backfills(project: Project) -> int:
    with project.reader() as reader:
        return int(reader.query("SELECT count(*) FROM backfills")[0][0])


# --- a controller that is gone


def test_workers_die_with_their_controller_and_the_next_one_goes_on_at_once(nursery, tmp_path):
    """Its lease has a minute to go, and nobody waits for that: its lock is free."""
    project = Project.make(tmp_path / "project", DAYS_BAD="", DAYS_SLOW="60")
    controller = project.start("--max-parallel", "2")
    with ended(controller):
        until(lambda: sum(project.calls().values()) == 2)
        workers = workers_of(controller)
        assert len(workers) == 2
        controller.kill()
        _, alive = psutil.wait_procs(workers, timeout=PATIENCE_SECONDS)
    assert not alive
    with project.reader() as reader:
        [(first, leased_until)] = reader.query("SELECT controller, lease_until FROM controllers")
    project.environ["DAYS_SLOW"] = "0"
    assert project.run(nursery) == 0
    with project.reader() as reader:
        [(claimed_at,)] = reader.query("SELECT min(claimed_at) FROM attempts WHERE controller <> ?", (first,))
    assert claimed_at < leased_until
    assert project.calls()[f"fetch {DAYS[0]}"] == 2
    assert laws.broken(project, ALL, rows()) == []
