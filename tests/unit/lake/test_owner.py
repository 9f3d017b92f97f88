"""One ledger owns a lake; taking it over raises the epoch."""

from __future__ import annotations

import pytest

from recoup.lake.layout import OWNER
from recoup.lake.memory import MemoryStore
from recoup.lake.owner import Owner, adopt, claim_owner, read_owner
from recoup.model.errors import CorruptError, LakeOwnedError
from recoup.testing.stores import Fault, FaultyStore


def test_a_lake_without_owner_becomes_ours_and_stays_so():
    store = FaultyStore(MemoryStore())
    assert read_owner(store) is None
    for _ in range(3):
        assert claim_owner(store, "ledger-a", 1) == Owner("ledger-a", 1)
    assert store.swaps == 1


def test_another_ledger_is_refused_with_both_names_and_the_remedy():
    store = MemoryStore()
    claim_owner(store, "ledger-a", 3)
    with pytest.raises(LakeOwnedError, match=r"ledger-a \(epoch 3\), not to ledger-b") as caught:
        claim_owner(store, "ledger-b", 9)
    assert "recoup ledger adopt" in caught.value.remedy
    assert caught.value.exit_code == 4


def test_adopting_raises_the_epoch_and_shuts_the_former_owner_out():
    store = MemoryStore()
    claim_owner(store, "ledger-a", 3)
    assert adopt(store, "ledger-b", 1) == Owner("ledger-b", 4)
    assert claim_owner(store, "ledger-b", 4) == Owner("ledger-b", 4)
    with pytest.raises(LakeOwnedError):
        claim_owner(store, "ledger-a", 3)


def test_a_ledger_restored_from_a_backup_must_adopt_its_own_lake():
    store = MemoryStore()
    adopt(store, "ledger-a", 5)
    with pytest.raises(LakeOwnedError, match="adopted elsewhere"):
        claim_owner(store, "ledger-a", 4)
    assert adopt(store, "ledger-a", 4).epoch == 6


def test_a_raised_epoch_of_our_own_is_written_down():
    store = MemoryStore()
    claim_owner(store, "ledger-a", 1)
    assert claim_owner(store, "ledger-a", 2) == read_owner(store) == Owner("ledger-a", 2)


def test_an_adoption_that_was_killed_is_simply_repeated():
    store = MemoryStore()
    claim_owner(store, "ledger-a", 1)
    first = adopt(store, "ledger-b", 2)
    assert adopt(store, "ledger-b", first.epoch) == first


@pytest.mark.parametrize("fault", list(Fault))
def test_faults_are_survived(fault):
    store = FaultyStore(MemoryStore(), fault)
    assert claim_owner(store, "ledger-a", 1) == read_owner(store)
    store.faults = [fault]
    assert adopt(store, "ledger-b", 1) == read_owner(store) == Owner("ledger-b", 2)


def test_a_rival_that_was_faster_is_the_owner():
    inner = MemoryStore()
    store = FaultyStore(inner, Fault.CONFLICT, meanwhile=lambda: claim_owner(inner, "ledger-b", 1))
    with pytest.raises(LakeOwnedError):
        claim_owner(store, "ledger-a", 1)


def test_a_corrupt_record_is_refused_until_somebody_adopts():
    store = MemoryStore()
    claim_owner(store, "ledger-a", 1)
    store.put(OWNER, Owner("ledger-a", 1).to_bytes().replace(b"ledger-a", b"ledger-x"), sync=True)
    with pytest.raises(CorruptError, match=r"owner\.json") as caught:
        claim_owner(store, "ledger-a", 1)
    assert "recoup ledger adopt" in caught.value.remedy
    assert adopt(store, "ledger-a", 2) == claim_owner(store, "ledger-a", 2)
