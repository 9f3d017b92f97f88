"""Looking after the lake: `gc`, `view` and `adopt`.

For the command line: `gc(workspace, keep_generations=3, keep_days=30, yes=…) -> Collected`, `view(workspace, dataset,
name=…) -> View` with its `sql` and `files`, `adopt(workspace) -> Adopted`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import timedelta

from recoup.app.datasets import Dataset, datasets
from recoup.app.reading import Wanted, parts_of
from recoup.app.workspace import Workspace
from recoup.lake.data_files import uri_of
from recoup.lake.gc import Garbage, GarbagePlan, collect, garbage
from recoup.lake.layout import Place, PlaceKind, manifest, place_of
from recoup.lake.owner import adopt as adopt_lake
from recoup.lake.pointers import pointers_below
from recoup.lake.view import view_sql
from recoup.ledger.facts import NodeId, Published
from recoup.ledger.reader import LedgerReader
from recoup.ledger.restore import raise_tokens
from recoup.ledger.transaction import Transaction
from recoup.model.errors import CorruptError, PartitionError

KEEP_GENERATIONS = 3
KEEP_DAYS = 30


@dataclass(frozen=True, slots=True)
class Collected:
    """What would be deleted, or (`done`) was; `kept` says in sentences what was left alone because it is unclear.

    `publications` counts those that cannot be rolled back to, or read as of their time, any more.
    """

    plan: GarbagePlan
    publications: int
    done: bool

    @property
    def files(self) -> int:
        """How many keys."""
        return len(self.plan.items)

    @property
    def size_bytes(self) -> int:
        """How much room it frees."""
        return self.plan.size_bytes

    @property
    def kept(self) -> tuple[str, ...]:
        """What was left alone, and why."""
        return self.plan.kept


@dataclass(frozen=True, slots=True)
class View:
    """What a dataset shows now: the text of a DuckDB view, and the files alone."""

    dataset: str
    sql: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adopted:
    """The lake is this ledger's, at this epoch; `strangers` names what others published that it does not know."""

    lake: str
    ledger_id: str
    epoch: int
    token: int
    strangers: tuple[str, ...]


def gc(
    workspace: Workspace, *, keep_generations: int = KEEP_GENERATIONS, keep_days: int = KEEP_DAYS, yes: bool = False
) -> Collected:
    """Find what nothing refers to any more; with `yes`, delete it.

    The ledger has the last word: what it shows, keeps or is about to publish stays, whatever a manifest says, and so
    does what it does not know. It takes note before anything is deleted.
    """
    with workspace.ledger() as ledger:
        store = workspace.own_store(ledger)
        reader = LedgerReader(ledger.path, ledger.db)
        newest = _newest_token(reader)
        found = garbage(store, workspace.clock.now(), keep_generations, keep_days, frozenset(_live_runs(reader)))
        judged = _Judging(reader, found).judged()
        if not yes:
            return Collected(judged.plan, len(judged.gone), done=False)
        with ledger.transaction() as tx:
            # Whoever has begun anything with a partition since may have gone back to what we would take.
            judged = judged.without(_begun_since(tx, newest))
            _take_note(tx, workspace.who, judged)
        return Collected(collect(store, judged.plan), len(judged.gone), done=True)


def view(workspace: Workspace, dataset: str, *, name: str | None = None) -> View:
    """For readers from outside, who must not glob run folders: what is current, as SQL and as a list of files."""
    found, parts = parts_of(workspace, dataset, Wanted())
    store = workspace.store()
    files = tuple(uri_of(store, file.path) for part in parts for file in part.files)
    return View(found.name, view_sql(name or found.name, files), files)


def adopt(workspace: Workspace) -> Adopted:
    """Claim the lake for this ledger: its epoch rises above everybody's, and its tokens above all that were seen."""
    with workspace.ledger() as ledger:
        store = workspace.store()
        highest, strangers = 0, []
        known = _nonces(LedgerReader(ledger.path, ledger.db))
        for place, pointer in pointers_below(store):
            if isinstance(pointer, CorruptError):
                strangers.append(pointer.message)
                continue
            highest = max(highest, pointer.high_seq, pointer.current.token)
            if pointer.current.run_id is not None and pointer.current.nonce not in known:
                strangers.append(f"{place.dataset} {place.partition} shows run {pointer.current.run_id}")
        owner = adopt_lake(store, ledger.ledger_id, ledger.epoch)
        with ledger.transaction() as tx:
            tx.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (str(owner.epoch),))
            token = raise_tokens(tx, highest)
            tx.event("lake adopted", data={"who": workspace.who, "epoch": owner.epoch, "token": token})
        return Adopted(store.url, ledger.ledger_id, owner.epoch, token, tuple(strangers))


_Where = tuple[NodeId, int]
"""A partition, as the ledger names it."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What may go of one partition: keys, and the publications whose files they are; None: of no partition."""

    where: _Where | None
    items: tuple[Garbage, ...]
    gone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    found: GarbagePlan
    parts: tuple[_Part, ...]
    notes: tuple[str, ...]

    @property
    def plan(self) -> GarbagePlan:
        items = tuple(item for part in self.parts for item in part.items)
        return replace(self.found, items=items, kept=(*self.found.kept, *self.notes))

    @property
    def gone(self) -> list[int]:
        return [token for part in self.parts for token in part.gone]

    def without(self, partitions: AbstractSet[_Where]) -> _Judged:
        return replace(self, parts=tuple(part for part in self.parts if part.where not in partitions))


@dataclass(frozen=True, slots=True)
class _Judging:
    """The lake's own judgement, held against the ledger."""

    reader: LedgerReader
    found: GarbagePlan

    def judged(self) -> _Judged:
        known = datasets(self.reader)
        parts: list[_Part] = []
        notes: dict[str, None] = {}
        for place, group in _by_place(self.found.items).items():
            where = None if place is None else _where(known, place)
            if place is not None and where is None:
                notes[f"{place.dataset}: everything is kept, because the ledger does not know it"] = None
                continue
            history = [] if where is None else self._history(*where)
            protected = set(self._protected(place, history))
            own = tuple(item for item in group if item.key not in protected)
            keys = {item.key for item in own}
            gone = tuple(r.publication.token for r in history if any(f.path in keys for f in r.publication.files))
            parts.append(_Part(where, own, gone))
        return _Judged(self.found, tuple(parts), tuple(notes))

    def _history(self, node: NodeId, ordinal: int) -> list[Published]:
        """All that the partition showed or is about to show."""
        intents = [row for row in self.reader.open_intents(node) if row.publication.ordinal == ordinal]
        return intents + self.reader.history(node, ordinal)

    def _protected(self, place: Place | None, history: Sequence[Published]) -> Iterator[str]:
        """Files and manifests of the generations to keep, newest first, as the lake counts them too."""
        rules = self.found.rules
        oldest = (rules.now - timedelta(days=rules.keep_days)).timestamp()
        intents = sum(row.state == "intent" for row in history)
        for number, row in enumerate(history):
            kept = number - intents < rules.keep_generations or row.state != "past"
            if row.state == "collected" or not (kept or (row.superseded_at or oldest) > oldest):
                continue
            yield from (file.path for file in row.publication.files)
            if place is not None and row.run_id is not None:
                yield manifest(place.dataset, place.key, place.partition, row.run_id)


def _where(known: Mapping[str, Dataset], place: Place) -> _Where | None:
    """None when the ledger does not know the partition."""
    dataset = known.get(place.dataset)
    if dataset is None or dataset.key != place.key:
        return None
    try:
        return dataset.node, dataset.partitions.ordinal(place.partition)
    except PartitionError:
        return None


def _newest_token(reader: LedgerReader) -> int:
    return int(reader.query("SELECT coalesce(max(token), 0) FROM attempts")[0][0])


def _begun_since(tx: Transaction, token: int) -> frozenset[_Where]:
    """Partitions that an attempt or a rollback was begun for after this token."""
    return frozenset(tx.execute("SELECT node, ordinal FROM attempts WHERE token > ?", (token,)))


def _take_note(tx: Transaction, who: str, judged: _Judged) -> None:
    for token in judged.gone:
        tx.execute("UPDATE publications SET state = 'collected' WHERE token = ? AND state = 'past'", (token,))
    data = {
        "who": who,
        "keys": len(judged.plan.items),
        "bytes": judged.plan.size_bytes,
        "publications": len(judged.gone),
    }
    tx.event("lake collected", data=data)


def _by_place(items: Iterable[Garbage]) -> dict[Place | None, list[Garbage]]:
    """By partition; None holds what belongs to none, such as what a write left that was killed."""
    found: dict[Place | None, list[Garbage]] = {}
    for item in items:
        place = place_of(item.key)
        found.setdefault(place and replace(place, kind=PlaceKind.POINTER, run_id="", attempt=0), []).append(item)
    return found


def _live_runs(reader: LedgerReader) -> Iterator[str]:
    rows = reader.query(
        "SELECT r.run_id FROM attempts a JOIN runs r USING (run) WHERE a.state = 'running'"
        " UNION SELECT r.run_id FROM publications p JOIN runs r USING (run) WHERE p.state = 'intent'"
    )
    return (str(row[0]) for row in rows)


def _nonces(reader: LedgerReader) -> set[str]:
    return {str(row[0]) for row in reader.query("SELECT nonce FROM publications WHERE nonce <> ''")}
