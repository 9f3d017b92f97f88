"""What failed of what is to be put right: by cause, and by what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from recoup.app.failed import LastAttempt
from recoup.app.recover_asked import Asked
from recoup.app.recover_look import Looked
from recoup.app.recover_lost import UNREAD, Lost
from recoup.app.recover_waits import Waits
from recoup.engine.causes import group_of
from recoup.model.failure import Failure, FailureKind, RetryClass
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.size import memory_text
from recoup.plan.edges import readers_of
from recoup.recovery.recover import Known, Treatment, Way, Wound, treatment


@dataclass(frozen=True)
class Wounds:
    """Of one pipeline; `most_memory_bytes` is 0 where no attempt is held to a limit."""

    looked: Looked
    asked: Asked
    waits: Waits
    lost: Lost
    as_of_mode: str
    most_memory_bytes: int

    def of(self, wanted: Mapping[int, PartitionSet]) -> Iterator[Wound]:
        """The newest failure of each cause tells; then what is published and cannot be read."""
        together: dict[tuple[int, str, Treatment], list[LastAttempt]] = {}
        for last in self.looked.lasts:
            if last.current.ordinal in wanted.get(last.current.node, EMPTY):
                group = group_of(last.current.failure)
                what = treatment(last.current.failure, self._known(last, group, wanted))
                together.setdefault((last.current.node, group, what), []).append(last)
        for (node, group, what), lasts in together.items():
            newest = max(lasts, key=lambda last: last.current.at)
            ordinals = PartitionSet.of(last.current.ordinal for last in lasts)
            yield Wound(node, ordinals, group, newest.current.failure, what)
        yield from self._unreadable(wanted)

    def memory_bytes(self, wounds: Iterable[Wound], doing: Mapping[int, PartitionSet]) -> int | None:
        """To which the limit is raised for those that are done; None where nothing is in the way."""
        raised = (self._raised(w.node, w.failure) for w in wounds if w.partitions & doing.get(w.node, EMPTY))
        return max(raised, default=0) or None

    def _unreadable(self, wanted: Mapping[int, PartitionSet]) -> Iterator[Wound]:
        """Of steps; what a table lacks is delivered."""
        for index, by_reason in self.lost.places.items():
            if self.looked.prepared.graph.nodes[index].kind is NodeKind.STEP:
                for reason, ordinals in by_reason.items():
                    if own := ordinals & wanted.get(index, EMPTY):
                        yield Wound(index, own, "", Failure(FailureKind.MISSING, reason), Treatment(Way.RERUN, reason))

    def _known(self, last: LastAttempt, group: str, wanted: Mapping[int, PartitionSet]) -> Known:
        failure, raised = last.current.failure, self._raised(last.current.node, last.current.failure)
        blindly = failure.retry_class is not RetryClass.NOT_BLINDLY
        return Known(
            changed="" if blindly else self.looked.changed(last),
            filled=failure.kind in UNREAD and self._is_filled(last, wanted),
            reset=failure.kind is FailureKind.QUOTA and self.waits.until(last.current) is not None,
            named=self.asked.names(group),
            forced=self.asked.insisted.force,
            apart="" if last.as_of_mode == self.as_of_mode else last.as_of_mode,
            more=memory_text(raised) if raised else "",
        )

    def _raised(self, node: int, failure: Failure) -> int:
        """Twice what was too little, as far as the machine has it; 0 where no limit is in the way."""
        step = self.looked.prepared.graph.nodes[node].step
        if failure.kind is not FailureKind.MEMORY or step is None or step.memory_bytes is None:
            return 0
        had = max(step.memory_bytes, int(failure.evidence.get("memory_limit_bytes", 0)))
        raised = min(2 * had, self.most_memory_bytes)
        return raised if raised > had else 0

    def _is_filled(self, last: LastAttempt, wanted: Mapping[int, PartitionSet]) -> bool:
        """Whether something that it reads is made before it, and was not there."""
        graph, now = self.looked.prepared.graph, self.looked.snapshot.now
        node = graph.nodes[last.current.node]
        for edge in node.edges:
            parent = graph.nodes[edge.parent]
            there = self.looked.state(parent).published - self.lost.of(parent.index)
            lacking = wanted.get(parent.index, EMPTY) - there
            if lacking and last.current.ordinal in readers_of(edge, node, parent, lacking, EMPTY, now):
                return True
        return False
