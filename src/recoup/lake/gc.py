"""What nothing refers to any more: found carefully, decided again just before it is deleted.

Kept are, for each partition: the newest generations and those that were current in the last `keep_days`; runs that
still have open attempts; whatever is younger than a day; and every file that a kept run's manifest lists, wherever
it lies. When anything is unclear, it is kept and said so. Pointers, owner, summaries and files of kinds that this
module does not know are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

from recoup.lake import layout
from recoup.lake.layout import Place, PlaceKind
from recoup.lake.manifests import read_manifest
from recoup.lake.pointers import read_pointer
from recoup.model.errors import CorruptError
from recoup.model.manifest import Generation, Pointer
from recoup.ports import ObjectInfo, ObjectStore

GRACE = timedelta(days=1)
_PER_REQUEST = 1000


@dataclass(frozen=True, slots=True)
class Rules:
    """When something is old enough; `live_runs` are those whose attempts are still open."""

    now: datetime
    keep_generations: int = 3
    keep_days: int = 30
    live_runs: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Garbage:
    """One key that may go, and why, in a sentence."""

    key: str
    size_bytes: int
    because: str


@dataclass(frozen=True, slots=True)
class GarbagePlan:
    """What `collect` would delete; `kept` says in sentences what was left alone because it is unclear."""

    rules: Rules
    items: tuple[Garbage, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """How much room it frees."""
        return sum(item.size_bytes for item in self.items)


@dataclass(slots=True)
class _Partition:
    """Everything that lies in one partition's folders."""

    dataset: str
    key: str
    partition: str
    data: dict[str, list[ObjectInfo]] = field(default_factory=dict)
    manifests: dict[str, ObjectInfo] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


def garbage(
    store: ObjectStore,
    now: datetime,
    keep_generations: int = 3,
    keep_days: int = 30,
    live_runs: AbstractSet[str] = frozenset(),
) -> GarbagePlan:
    """Look through the whole lake; deletes nothing. `now` is aware."""
    rules = Rules(now, max(1, keep_generations), keep_days, frozenset(live_runs))
    items: list[Garbage] = []
    kept: list[str] = []
    for place, infos in _by_partition(store.list("")):
        items += _leftovers(infos, rules)
        if place is not None and not infos[0].key.startswith(layout.MANIFESTS):
            partition = _looked_into(store, place, infos)
            items += _judge(store, partition, rules)
            kept += partition.kept
    return GarbagePlan(rules, tuple(items), tuple(kept))


def collect(store: ObjectStore, plan: GarbagePlan) -> GarbagePlan:
    """Delete what the plan says, as far as that still holds; returns what was deleted.

    Somebody may have rolled back to an old run since: each partition is judged again first.
    """
    done: list[Garbage] = []
    for place, group in groupby(plan.items, key=lambda item: _partition_of(item.key)):
        items = list(group)
        if place is not None:
            below = store.list(layout.partition_prefix(place.dataset, place.key, place.partition))
            still = {item.key for item in _judge(store, _looked_into(store, place, below), plan.rules)}
            items = [item for item in items if item.key in still]
        # Manifests first: data without a manifest is garbage, a manifest without data would be a lie.
        items.sort(key=lambda item: not item.key.startswith(layout.MANIFESTS))
        for start in range(0, len(items), _PER_REQUEST):
            store.delete([item.key for item in items[start : start + _PER_REQUEST]])
        done += items
    return GarbagePlan(plan.rules, tuple(done), plan.kept)


def kept_runs(pointer: Pointer, rules: Rules) -> dict[str, str]:
    """The runs of the newest generations, and of those current within the days to keep, with their digests. Pure."""
    oldest = rules.now - timedelta(days=rules.keep_days)
    kept: list[Generation] = []
    until: datetime | None = None
    for number, generation in enumerate(pointer.generations):
        if number < rules.keep_generations or until is None or until > oldest:
            kept.append(generation)
        until = _time(generation.published_at)
    # The newest last, so that it stays: a run may have been published twice.
    return {generation.run_id: generation.digest for generation in reversed(kept) if generation.run_id is not None}


def _judge(store: ObjectStore, found: _Partition, rules: Rules) -> Iterator[Garbage]:
    """What may go in one partition; notes in `found.kept` what is unclear."""
    name = f"{found.dataset} {found.partition}"
    try:
        pointer = read_pointer(store, found.dataset, found.key, found.partition)
    except CorruptError as error:
        found.kept.append(f"{name}: everything is kept, {error.message}")
        return
    digests = kept_runs(pointer, rules) if pointer else {}
    published = set(digests)
    young = {run for run in {*found.data, *found.manifests} if _newest(found, run) >= rules.now - GRACE}
    safe = published | young | (rules.live_runs & {*found.data, *found.manifests})
    if pointer is None:
        unclear = {run for run in found.manifests if run in found.data} - safe
        if unclear:
            found.kept.append(f"{name}: kept, because no pointer says which of its runs are current")
        safe |= unclear
    listed = _listed(store, found, safe, digests)
    if listed is None:
        return
    for run in sorted({*found.data, *found.manifests} - safe):
        yield from _run_garbage(found, run, listed, pointer, rules)
    for run in sorted(published - young - rules.live_runs):
        yield from _unlisted(found, run, listed)


def _run_garbage(
    found: _Partition, run: str, listed: AbstractSet[str], pointer: Pointer | None, rules: Rules
) -> Iterator[Garbage]:
    """A run that nobody keeps: its manifest and its files, unless others refer to them."""
    was_current = pointer is not None and any(g.run_id == run for g in pointer.generations)
    manifest = found.manifests.get(run)
    if manifest is not None and not was_current and _newest(found, run) >= rules.now - timedelta(days=rules.keep_days):
        return  # what failed is evidence for as long as what succeeded
    because = "it is older than the generations to keep" if was_current else "it was never published, or long ago"
    files = [info for info in found.data.get(run, []) if info.key not in listed]
    if manifest is None:
        because = "no manifest lists it"
    elif files:
        # A manifest without data is history (a step without a table, a failure): it stays.
        yield Garbage(manifest.key, manifest.size_bytes, because)
    for info in files:
        yield Garbage(info.key, info.size_bytes, because)


def _unlisted(found: _Partition, run: str, listed: AbstractSet[str]) -> Iterator[Garbage]:
    """Files in a kept run's folder that its manifest does not list: attempts that died, or woke up late."""
    for info in found.data.get(run, []):
        if info.key not in listed:
            yield Garbage(info.key, info.size_bytes, "its attempt never counted")


def _listed(store: ObjectStore, found: _Partition, runs: Iterable[str], digests: Mapping[str, str]) -> set[str] | None:
    """Every file that the manifests of these runs list; None when one of them cannot tell."""
    name = f"{found.dataset} {found.partition}"
    listed: set[str] = set()
    for run in runs:
        try:
            manifest = read_manifest(store, found.dataset, found.key, found.partition, run)
        except CorruptError as error:
            found.kept.append(f"{name}: everything is kept, {error.message}")
            return None
        if manifest is None:
            # Not written yet, or lost and about to be written again: whatever is there may be listed by it.
            listed.update(info.key for info in found.data.get(run, []))
        elif manifest.digest != digests.get(run, manifest.digest):
            # An attempt's that was written after the one that counts: it does not list what readers see.
            found.kept.append(f"{name}: everything is kept, the manifest of run {run} is not the published one")
            return None
        else:
            listed.update(output.path for output in manifest.outputs)
    return listed


def _leftovers(infos: Iterable[ObjectInfo], rules: Rules) -> Iterator[Garbage]:
    for info in infos:
        if layout.is_leftover(info.key) and info.modified_at < rules.now - GRACE:
            yield Garbage(info.key, info.size_bytes, "a write that was killed left it")


def _looked_into(store: ObjectStore, place: Place, infos: Iterable[ObjectInfo]) -> _Partition:
    """Sort what lies below a partition's folder, and look for its manifests."""
    found = _Partition(place.dataset, place.key, place.partition)
    for info in infos:
        here = layout.place_of(info.key)
        if here is not None and here.kind is PlaceKind.DATA:
            found.data.setdefault(here.run_id, []).append(info)
    for info in store.list(layout.manifests_prefix(place.dataset, place.key, place.partition)):
        here = layout.place_of(info.key)
        if here is not None and here.kind is PlaceKind.MANIFEST:
            found.manifests[here.run_id] = info
    return found


def _by_partition(infos: Iterable[ObjectInfo]) -> Iterator[tuple[Place | None, list[ObjectInfo]]]:
    """One partition's keys at a time: a listing is in order, so they stand together."""
    place: Place | None = None
    prefix = ""
    together: list[ObjectInfo] = []
    for info in infos:
        if not (prefix and info.key.startswith(prefix)):
            if together:
                yield place, together
            together, prefix = [], ""
            place = _partition_of(info.key)
            if place is not None and not info.key.startswith(layout.MANIFESTS):
                prefix = layout.partition_prefix(place.dataset, place.key, place.partition)
        together.append(info)
    if together:
        yield place, together


def _partition_of(key: str) -> Place | None:
    """The partition that a key belongs to, whether it is data, pointer or manifest; None for a leftover."""
    place = None if layout.is_leftover(key) else layout.place_of(key)
    return place and Place(PlaceKind.POINTER, place.dataset, place.key, place.partition)


def _time(text: str) -> datetime | None:
    """None, which keeps, when it cannot be read."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _newest(found: _Partition, run: str) -> datetime:
    manifest = found.manifests.get(run)
    infos = [*found.data.get(run, []), *([manifest] if manifest else [])]
    return max(info.modified_at for info in infos)
