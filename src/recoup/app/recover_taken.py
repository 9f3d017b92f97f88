"""What a person has taken out of sight: it is missing because she wanted it so, and comes back when she says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from recoup.app.recover_asked import Asked
from recoup.app.recover_look import Looked
from recoup.app.rollback_memory import who_and_why
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.recovery.recover import Need

ROLLED_BACK: Final = "rolled back"
_ADVICE: Final = "Mend what made it wrong, then have it made again."
_SHOWING_NOTHING: Final = """
SELECT reason, ordinal FROM publications
WHERE node = ? AND ordinal BETWEEN ? AND ? AND state = 'current' AND run IS NULL
"""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """By the node's index, and by whom and why."""

    places: Mapping[int, Mapping[str, PartitionSet]] = field(default_factory=dict)
    is_named: bool = False
    """Whether the command names partitions: then they are to come back."""

    def left(self) -> Iterator[tuple[int, PartitionSet]]:
        """What is a person's to bring back."""
        if not self.is_named:
            for index, by_reason in self.places.items():
                yield from ((index, ordinals) for ordinals in by_reason.values())

    def needs(self, wanted: Mapping[int, PartitionSet]) -> Iterator[Need]:
        """One for each rollback, of all its steps."""
        together: dict[str, dict[int, PartitionSet]] = {}
        for index, by_reason in {} if self.is_named else self.places.items():
            for reason, ordinals in by_reason.items():
                if own := ordinals & wanted.get(index, EMPTY):
                    together.setdefault(reason, {})[index] = own
        for reason, where in together.items():
            yield Need(ROLLED_BACK, reason, _ADVICE, "", where, is_seen=True)


def taken_back(ledger: Ledger, looked: Looked, asked: Asked) -> TakenBack:
    """Of what is missing; what somebody has tried to make since counts as tried."""
    reader = LedgerReader(ledger.path, ledger.db)
    places: dict[int, dict[str, PartitionSet]] = {}
    for step in looked.found.steps:
        node = step.node
        # A table has no publication of nothing: it follows its step.
        made = node.edges[0].parent if node.kind is NodeKind.DELIVERY else node.index
        for rollback_id, ordinals in _by_rollback(reader, looked.prepared.node_ids[made], step.missing):
            places.setdefault(node.index, {})[rollback_id] = ordinals
    told = who_and_why(reader) if places else {}
    named = {index: _united(told, by_id.items()) for index, by_id in places.items()}
    return TakenBack(named, is_named=bool(asked.partitions))


def _by_rollback(reader: LedgerReader, node: int, missing: PartitionSet) -> Iterator[tuple[str, PartitionSet]]:
    found: dict[str, list[int]] = {}
    if missing:
        for rollback_id, ordinal in reader.query(_SHOWING_NOTHING, (node, missing.first, missing.last)):
            found.setdefault(rollback_id, []).append(ordinal)
    for rollback_id, ordinals in found.items():
        if own := PartitionSet.of(ordinals) & missing:
            yield rollback_id, own


def _united(told: Mapping[str, str], by_id: Iterable[tuple[str, PartitionSet]]) -> dict[str, PartitionSet]:
    """By what is told of them."""
    found: dict[str, PartitionSet] = {}
    for rollback_id, ordinals in by_id:
        text = told.get(rollback_id, "it was rolled back")
        found[text] = found.get(text, EMPTY) | ordinals
    return found
