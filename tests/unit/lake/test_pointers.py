"""The pointer protocol: against refusals, lost answers, rivals, and every order in which they can come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from recoup.lake.fence import fence
from recoup.lake.layout import pointer as pointer_path
from recoup.lake.local import LocalStore
from recoup.lake.memory import MemoryStore
from recoup.lake.pointers import (
    AlreadyPublished,
    Published,
    PublishIntent,
    Superseded,
    decide,
    next_pointer,
    pointers_below,
    publish,
    read_pointer,
)
from recoup.model.errors import CommitUnknownError, ConflictError, CorruptError, LakeOwnedError
from recoup.model.manifest import Pointer
from recoup.ports import Stored
from recoup.testing.stores import Fault, FaultyStore

NAMES = ("clean", "dt", "2013-01-01")
PATH = pointer_path(*NAMES)


def intent(seq: int, **changed) -> PublishIntent:
    base = PublishIntent(
        *NAMES,
        run_id=f"run-{seq}",
        token=seq,
        seq=seq,
        digest=f"digest-{seq}",
        published_at="2026-11-20T10:00:00Z",
        run_as_of="2026-11-20T09:00:00Z",
        nonce=f"nonce-{seq}",
        reason="missing",
        ledger_id="ledger-a",
        epoch=1,
    )
    return replace(base, **changed)


def read(store) -> Pointer:
    pointer = read_pointer(store, *NAMES)
    assert pointer is not None
    return pointer


def seqs(store) -> list[int]:
    return [generation.seq for generation in read(store).generations]


def current(store) -> str | None:
    return read(store).current.run_id


def data_at(store, path: str = PATH) -> bytes:
    stored = store.get(path)
    assert isinstance(stored, Stored)
    return stored.data


# --- deciding ----------------------------------------------------------------------------------------------------


def test_the_first_publication():
    pointer = decide(None, intent(7))
    assert isinstance(pointer, Pointer)
    assert (pointer.high_seq, pointer.epoch, pointer.current.number) == (7, 1, 1)


def test_the_newest_generation_comes_first_and_twenty_are_kept():
    pointer = next_pointer(None, intent(1))
    for seq in range(2, 31):
        pointer = next_pointer(pointer, intent(seq))
    assert [g.seq for g in pointer.generations] == list(range(30, 10, -1))
    assert [g.number for g in pointer.generations] == list(range(30, 10, -1))


def test_the_highest_sequence_never_falls():
    assert next_pointer(next_pointer(None, intent(9)), intent(3)).high_seq == 9


def test_a_rollback_is_a_publication_of_an_earlier_run():
    pointer = next_pointer(next_pointer(None, intent(1)), intent(2))
    back = decide(pointer, intent(3, run_id="run-1", reason="rollback"))
    assert isinstance(back, Pointer)
    assert [g.run_id for g in back.generations] == ["run-1", "run-2", "run-1"]
    gone = decide(back, intent(4, run_id=None))
    assert isinstance(gone, Pointer)
    assert gone.current.run_id is None


def test_an_older_run_that_finishes_later_is_superseded():
    pointer = next_pointer(None, intent(5))
    outcome = decide(pointer, intent(4))
    assert isinstance(outcome, Superseded)
    assert outcome.pointer is pointer
    assert "sequence 5" in outcome.because
    assert outcome.published_before is None


def test_one_that_was_current_for_a_while_is_told_so():
    pointer = next_pointer(next_pointer(None, intent(4)), intent(5))
    outcome = decide(pointer, intent(4))
    assert isinstance(outcome, Superseded)
    assert outcome.published_before == pointer.generations[1]


def test_a_ledger_that_was_replaced_is_superseded_whatever_its_sequence():
    pointer = next_pointer(None, intent(1, epoch=2, ledger_id="ledger-b"))
    outcome = decide(pointer, intent(100))
    assert isinstance(outcome, Superseded)
    assert "taken over at epoch 2" in outcome.because


def test_a_ledger_that_took_over_publishes_above_what_the_lake_has_seen():
    pointer = next_pointer(None, intent(100))
    outcome = decide(pointer, intent(7, epoch=2, ledger_id="ledger-b"))
    assert isinstance(outcome, Superseded)
    assert "not raised above it" in outcome.because
    taken = decide(pointer, intent(101, epoch=2, ledger_id="ledger-b"))
    assert isinstance(taken, Pointer)
    assert (taken.ledger_id, taken.epoch, taken.high_seq) == ("ledger-b", 2, 101)


def test_two_ledgers_of_one_epoch_are_refused():
    with pytest.raises(LakeOwnedError, match=r"ledger-a.*ledger-b") as caught:
        decide(next_pointer(None, intent(1)), intent(2, ledger_id="ledger-b"))
    assert "adopt" in caught.value.remedy
    assert caught.value.exit_code == 4


# --- publishing --------------------------------------------------------------------------------------------------


def test_publishing_twice_is_publishing_once():
    store = FaultyStore(MemoryStore())
    assert isinstance(publish(store, intent(1)), Published)
    before = store.get(PATH)
    assert isinstance(publish(store, intent(1)), AlreadyPublished)
    assert store.get(PATH) == before
    assert store.swaps == 1


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("fault", list(Fault))
def test_one_fault_changes_nothing_but_the_number_of_tries(fault, first):
    store = FaultyStore(MemoryStore())
    if not first:
        publish(store, intent(1))
    store.faults = [fault]
    outcome = publish(store, intent(2))
    assert isinstance(outcome, Published)
    assert read(store) == outcome.pointer
    assert seqs(store) == ([2] if first else [2, 1]), "and never twice"


@given(faults=st.lists(st.sampled_from(list(Fault)), max_size=8))
def test_any_number_of_faults_leaves_one_generation(faults):
    store = FaultyStore(MemoryStore(), *faults)
    publish(store, intent(1))
    assert isinstance(publish(store, intent(2)), Published)
    assert seqs(store) == [2, 1]


def test_a_rival_that_was_faster_and_newer_wins():
    inner = MemoryStore()
    store = FaultyStore(inner, Fault.CONFLICT, meanwhile=lambda: publish(inner, intent(9)))
    outcome = publish(store, intent(8))
    assert isinstance(outcome, Superseded)
    assert current(store) == "run-9"


def test_a_rival_that_was_faster_but_older_is_followed():
    inner = MemoryStore()
    store = FaultyStore(inner, Fault.CONFLICT, meanwhile=lambda: publish(inner, intent(7)))
    outcome = publish(store, intent(8))
    assert isinstance(outcome, Published)
    assert [g.seq for g in outcome.pointer.generations] == [8, 7]


def test_success_that_was_reported_as_refusal_and_then_overtaken():
    """Our write arrived, its answer was lost, and a newer run is current before we look."""
    inner = MemoryStore()

    class Overtaken(FaultyStore):
        def swap(self, key, data, expected):
            inner.swap(key, data, expected)
            publish(inner, intent(9))
            raise CommitUnknownError("lost")

    outcome = publish(Overtaken(inner), intent(8))
    assert isinstance(outcome, Superseded)
    assert outcome.published_before is not None
    assert outcome.published_before.nonce == "nonce-8"


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.CONFLICT, ConflictError), (Fault.UNKNOWN_WITHOUT_SUCCESS, CommitUnknownError)]
)
def test_a_store_that_never_relents_is_given_up_on(fault, error):
    store = FaultyStore(MemoryStore(), *[fault] * 100)
    with pytest.raises(error):
        publish(store, intent(1))
    assert store.swaps < 100
    assert store.get(PATH) is None


# --- corrupt pointers --------------------------------------------------------------------------------------------


CORRUPT = {
    "torn": lambda data: data[: len(data) // 2],
    "empty": lambda _data: b"",
    "edited": lambda data: data.replace(b"run-2", b"run-1"),
    "not JSON": lambda _data: b"\xff\xfe",
    "another JSON": lambda _data: b"[]",
    "deep": lambda _data: b"[" * 100_000,
}


@pytest.mark.parametrize("how", CORRUPT)
def test_a_corrupt_pointer_is_refused_and_named(how):
    store = MemoryStore()
    publish(store, intent(1))
    publish(store, intent(2))
    store.put(PATH, CORRUPT[how](data_at(store)), sync=True)
    with pytest.raises(CorruptError, match=r"current\.json") as caught:
        read_pointer(store, *NAMES)
    assert caught.value.remedy
    ((place, error),) = pointers_below(store)
    assert (place.dataset, place.partition) == ("clean", "2013-01-01")
    assert isinstance(error, CorruptError)


@pytest.mark.parametrize("how", CORRUPT)
def test_a_corrupt_pointer_that_nobody_remembers_is_put_aside(how):
    store = MemoryStore()
    publish(store, intent(1))
    publish(store, intent(2))
    bad = CORRUPT[how](data_at(store))
    for seq in (3, 4):
        store.put(PATH, bad, sync=True)
        assert isinstance(publish(store, intent(seq)), Published)
        assert seqs(store) == [seq]
    [aside] = [found.key for found in store.list("clean") if found.key != PATH]
    assert aside.startswith(f"{PATH}.corrupt-")
    assert data_at(store, aside) == bad
    assert len(list(pointers_below(store))) == 1


def test_a_corrupt_pointer_that_nobody_remembers_is_fenced():
    store = MemoryStore()
    store.put(PATH, b"torn", sync=True)
    assert not fence(store, intent(3), None)
    assert isinstance(publish(store, intent(3)), Superseded)
    assert isinstance(publish(store, intent(5)), Published)


def test_a_pointer_of_another_partition_is_corrupt_too():
    store = MemoryStore()
    publish(store, intent(1, partition="2013-01-02"))
    store.put(PATH, data_at(store, pointer_path("clean", "dt", "2013-01-02")), sync=True)
    with pytest.raises(CorruptError, match="belongs to clean 2013-01-02"):
        read_pointer(store, *NAMES)


@pytest.mark.parametrize(
    "faults", [[], [Fault.CONFLICT], [Fault.UNKNOWN_AFTER_SUCCESS], [Fault.UNKNOWN_WITHOUT_SUCCESS]]
)
@pytest.mark.parametrize("how", [*CORRUPT, "missing"])
def test_what_the_ledger_remembers_heals_a_corrupt_pointer(how, faults):
    store = FaultyStore(MemoryStore())
    publish(store, intent(1))
    trusted = publish(store, intent(2)).pointer
    if how == "missing":
        store.delete([PATH])
    else:
        store.put(PATH, CORRUPT[how](data_at(store)), sync=True)
    store.faults = faults
    outcome = publish(store, intent(3), trusted)
    assert isinstance(outcome, Published)
    assert seqs(store) == [3, 2, 1]


def test_healing_comes_before_being_superseded():
    store = MemoryStore()
    trusted = publish(store, intent(5)).pointer
    store.put(PATH, b"torn", sync=True)
    assert isinstance(publish(store, intent(4), trusted), Superseded)
    assert read_pointer(store, *NAMES) == trusted


def test_a_sound_pointer_is_believed_over_the_ledger():
    store = MemoryStore()
    old = publish(store, intent(1)).pointer
    publish(store, intent(3))
    assert isinstance(publish(store, intent(2), old), Superseded)


# --- every order -------------------------------------------------------------------------------------------------


@given(order=st.permutations(range(1, 9)), again=st.lists(st.integers(1, 8), max_size=8))
def test_whatever_the_order_the_newest_stays(order, again):
    store = MemoryStore()
    for seq in [*order, *again]:
        publish(store, intent(seq))
    assert current(store) == "run-8"


class Publishers(RuleBasedStateMachine):
    """Several publishers, each between its read and its swap for as long as it likes, against a tiny model."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.waiting: list[tuple[Pointer, str | None]] = []
        self.highest = 0
        self.seen: list[int] = []

    @rule(seq=st.integers(1, 30))
    def read_and_decide(self, seq):
        stored = self.store.get(PATH)
        decision = decide(Pointer.from_bytes(stored.data) if stored else None, intent(seq))
        if isinstance(decision, Pointer):
            self.waiting.append((decision, stored.version if stored else None))

    @rule(data=st.data())
    def swap(self, data):
        if not self.waiting:
            return
        pointer, version = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        try:
            self.store.swap(PATH, pointer.to_bytes(), version)
        except ConflictError:
            return
        self.highest = max(self.highest, pointer.current.seq)

    @invariant()
    def the_newest_is_current(self):
        stored = self.store.get(PATH)
        if stored is None:
            return
        pointer = Pointer.from_bytes(stored.data)
        assert pointer.current.seq == pointer.high_seq == self.highest
        found = [g.seq for g in pointer.generations]
        assert found == sorted(set(found), reverse=True)
        assert [g.number for g in pointer.generations] == list(range(pointer.current.number, 0, -1))[:20]


TestPublishers = Publishers.TestCase


def test_threads_on_a_folder_end_at_the_newest(tmp_path: Path):
    from concurrent.futures import ThreadPoolExecutor

    store = LocalStore(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda seq: publish(store, intent(seq)), range(1, 25)))
    assert current(store) == "run-24"
    published = [o.pointer.current.seq for o in outcomes if isinstance(o, Published)]
    kept = seqs(store)
    assert kept == sorted(published, reverse=True)[:20]
