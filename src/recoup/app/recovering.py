"""The verb recover for several pipelines: who makes what others lack comes first."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from recoup.app.following import due
from recoup.app.memory_limits import HOLDS_LIMITS
from recoup.app.recover import Recovering, Recovery, with_coming
from recoup.app.recover_asked import Asked
from recoup.app.recover_look import Looked, looked
from recoup.app.recover_lost import Lost, lost
from recoup.app.recover_needs import lacking
from recoup.app.recover_taken import taken_back
from recoup.app.recover_waits import Waits, paused_of
from recoup.app.retry import Insisted
from recoup.app.unknown_word import unknown_word
from recoup.app.workspace import Workspace
from recoup.ledger.pools import pauses
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.errors import RecoupError, UsageError
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.plan import Verb

_EVER = """
SELECT 1 FROM attempts WHERE failure IS NOT NULL
AND json_extract(failure, '$.fingerprint') >= ? AND json_extract(failure, '$.fingerprint') < ? LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What is to be done, pipeline by pipeline, in an order that works."""

    recoveries: tuple[Recovery, ...]
    asked: Asked
    ended: tuple[str, ...]
    """Causes that were named and have come to an end since."""
    errors: Mapping[str, RecoupError]
    due: tuple[str, ...] = ()
    """Pipelines that follow others, and are to run, or to go on, because of what those have published."""

    @property
    def is_doing(self) -> bool:
        """Whether there is anything in it for recoup to do."""
        return bool(self.due) or any(one.planned.plan.actions for one in self.recoveries)


def recoveries(
    workspace: Workspace,
    words: Sequence[str],
    *,
    start: str | None = None,
    end: str | None = None,
    steps: Sequence[str] = (),
    insisted: Insisted | None = None,
    executor: str | None = None,
) -> Recovered:
    """Decide, and change nothing; without words about everything."""
    asked = Asked.of(
        workspace.settings, words, start=start, end=end, steps=tuple(steps), insisted=insisted or Insisted()
    )
    most = machine_memory_bytes() if (executor or workspace.settings.executor) == HOLDS_LIMITS else 0
    errors: dict[str, RecoupError] = {}
    names = _that_load(workspace, asked, errors)
    with workspace.ledger_for(names[0]) as ledger:
        found = _All(workspace, ledger, asked, errors, most).decided(names)
    return replace(found, due=due(workspace))


def machine_memory_bytes() -> int:
    """All that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _is_partition(looked: Looked, word: str) -> bool:
    with suppress(RecoupError):
        return bool(looked.prepared.graph.anchor.window(word, word, looked.snapshot.now))
    return False


def _that_load(workspace: Workspace, asked: Asked, errors: dict[str, RecoupError]) -> list[str]:
    """One that cannot be loaded hides no other."""
    names = []
    for name in asked.pipelines:
        try:
            workspace.pipeline(name)
            names.append(name)
        except RecoupError as error:
            errors[name] = error
    if not names:
        raise next(iter(errors.values()))
    return names


@dataclass
class _All:
    workspace: Workspace
    ledger: Ledger
    asked: Asked
    errors: dict[str, RecoupError]
    most_memory_bytes: int
    """What the machine has; 0 where no attempt can be held to a limit."""
    looks: dict[str, Looked] = field(default_factory=dict)
    losses: dict[str, Lost] = field(default_factory=dict)
    more: dict[str, dict[str, PartitionSet]] = field(default_factory=dict)
    done: dict[str, Recovery] = field(default_factory=dict)
    waits: Waits = field(init=False)

    def decided(self, names: Sequence[str]) -> Recovered:
        """The pipelines that were asked about, and before them those that make what they lack."""
        with self.ledger.transaction() as tx:
            self.waits = Waits(tx.now, paused_of(pauses(tx)))
        for name in names:
            self._try(name, self._look)
        if not self.looks and self.asked.partitions and not self.asked.is_named:
            raise unknown_word(self.workspace.settings, self.errors.values(), ("a pipeline", "a cause"))
        ended = self._settle_words()
        for name in [name for name in names if name in self.looks]:
            self._try(name, lambda name: self._decide(name, frozenset()))
        if not self.done:
            raise next(iter(self.errors.values()))
        return Recovered(tuple(self.done.values()), self.asked, ended, self.errors)

    def _try(self, name: str, act: Callable[[str], object]) -> None:
        try:
            act(name)
        except RecoupError as error:
            self.errors[name] = error

    def _look(self, name: str) -> Looked:
        if name not in self.looks:
            pipeline, _ = self.workspace.pipeline(name)
            self.looks[name] = looked(self.workspace, self.ledger, name, self.asked.request(pipeline.name))
        return self.looks[name]

    def _settle_words(self) -> tuple[str, ...]:
        """Which words are causes; those that were some, and are none any more."""
        groups = [cause.group for one in self.looks.values() for cause in one.causes]
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        now = {word for word in self.asked.unsure if any(group.startswith(word) for group in groups)}
        ended = tuple(w for w in self.asked.unsure if w not in now and reader.query(_EVER, (w, w + "g")))
        for word in self.asked.unsure:
            if (
                word not in now
                and word not in ended
                and not any(_is_partition(one, word) for one in self.looks.values())
            ):
                message = f"there is no cause {word}, and no partition"
                raise UsageError(message, "`recoup why` names what is wrong now, by cause")
        self.asked = self.asked.settled([*groups, *ended])
        return ended

    def _decide(self, name: str, above: frozenset[str]) -> Recovery:
        """With what others lack of it; and before it, what it lacks of others."""
        one, coming = self._look(name), {}
        first = self._recovery(one)
        blocks = [group for group in first.planned.plan.groups if group.verb is Verb.BLOCK]
        for index, (missing, _) in lacking(one, blocks, NodeKind.DATASET).items():
            dataset = one.prepared.graph.nodes[index].name
            owner = self._owner(dataset)
            if owner is not None and owner not in above | {name}:
                wanted = self.more.setdefault(owner, {})
                wanted[dataset] = wanted.get(dataset, EMPTY) | missing
                made = self._decide(owner, above | {name})
                coming[index] = made.planned.plan.of(made.graph.node(dataset).index)
        self.done[name] = self._recovery(with_coming(one, coming)) if coming else first
        return self.done[name]

    def _recovery(self, one: Looked) -> Recovery:
        graph = one.prepared.graph
        more = {graph.node(dataset).index: wanted for dataset, wanted in self.more.get(one.name, {}).items()}
        only_more = one.name not in self.asked.pipelines
        asked = Asked() if only_more else self.asked
        if one.name not in self.losses:
            self.losses[one.name] = lost(self.workspace, self.ledger, one, asked)
        return Recovering(
            one,
            self.asked,
            self.waits,
            self.losses[one.name],
            more,
            taken_back(self.ledger, one, asked),
            only_more=only_more,
            most_memory_bytes=self.most_memory_bytes,
        ).recovery()

    def _owner(self, dataset: str) -> str | None:
        """The pipeline of recoup.toml that makes it."""
        for name in self.workspace.settings.pipelines:
            with suppress(RecoupError):
                if dataset in self.workspace.pipeline(name)[0].steps:
                    return name
        return None
