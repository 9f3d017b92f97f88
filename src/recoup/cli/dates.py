"""A line for each partition that is over, for the log of a run that nobody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from recoup.app.prepare import Planned
from recoup.cli.text import number
from recoup.engine.work import Settled, Status
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.plan import Verb

_WORDS: Final = {Status.SUCCEEDED: "✅ Success", Status.FAILED: "❌ Failed", Status.BLOCKED: "❌ Blocked"}

TOLD_IN_FULL: Final = 20
"""So many partitions are told step by step; of more, a line each says which steps ended badly."""
_WORST: Final = (Status.SUCCEEDED, Status.BLOCKED, Status.FAILED)
"""A step that failed has failed, though its table is blocked by that."""


class Dates:
    """Which partitions of a plan are complete; what was published before counts too."""

    def __init__(self, planned: Planned) -> None:
        graph, plan = planned.prepared.graph, planned.plan
        self._nodes = graph.nodes
        self._alike = [node.partitions.identity() for node in graph.nodes]
        blocked = ((node.index, plan.of(node.index, Verb.BLOCK)) for node in graph.nodes)
        self._blocked = {index: ordinals for index, ordinals in blocked if ordinals}
        open_ = [(group.node, group.ordinals) for group in plan.groups]
        asked, left = self._partitions([*open_, *plan.kept]), self._partitions(open_)
        self.total = sum(map(len, asked))
        self.complete = self.total - sum(map(len, left))
        self._bad = 0

    def lines(self, settled: Iterable[Settled]) -> Iterator[str]:
        """`2023-11-15  done  14/327`; where something did not succeed, how each step ended, and a warning."""
        for one in settled:
            node = self._nodes[one.node]
            name, blocked = node.partitions.name(one.ordinal), self._blocked_of(one)
            good = not blocked and all(end is Status.SUCCEEDED for _, end in one.outcomes)
            self.complete += good
            count = f"{number(self.complete)}/{number(self.total)}"
            if good:
                yield f"{name}  done  {count}"
                continue
            yield from self._bad_lines(f"{_word(node)} {name}", self._ends((*one.outcomes, *blocked)), count)

    def _bad_lines(self, name: str, ends: Mapping[str, Status], count: str) -> Iterator[str]:
        self._bad += 1
        if self._bad <= TOLD_IN_FULL:
            yield from (f"[{step}] {_WORDS[end]}" for step, end in ends.items())
            yield f"⚠️ {name} had failures  {count}"
        else:
            bad = ", ".join(f"{step} {end.name.lower()}" for step, end in ends.items() if end is not Status.SUCCEEDED)
            yield f"⚠️ {name} had failures ({bad})  {count}"

    def _blocked_of(self, one: Settled) -> list[tuple[int, Status]]:
        """What could not even be planned of this partition."""
        alike = self._alike[one.node]
        blocked = (index for index, ordinals in self._blocked.items() if one.ordinal in ordinals)
        return [(index, Status.BLOCKED) for index in blocked if self._alike[index] == alike]

    def _ends(self, outcomes: Iterable[tuple[int, Status]]) -> dict[str, Status]:
        """The worse end of a step and its tables, in the order of the graph."""
        ends: dict[str, Status] = {}
        for index, end in sorted(outcomes):
            step = self._step(self._nodes[index]).name
            ends[step] = max(end, ends.get(step, end), key=_WORST.index)
        return ends

    def _step(self, node: Node) -> Node:
        return self._nodes[node.edges[0].parent] if node.kind is NodeKind.DELIVERY else node

    def _partitions(self, of_nodes: Iterable[tuple[int, PartitionSet]]) -> list[PartitionSet]:
        """Those of each partitioning: steps of one share them."""
        found: dict[int, PartitionSet] = {}
        for index, ordinals in of_nodes:
            if self._nodes[index].is_made:
                first = self._alike.index(self._alike[index])
                found[first] = found.get(first, EMPTY) | ordinals
        return list(found.values())


def _word(node: Node) -> str:
    """`Date`, `Hour`, `Member`: one of what its partitions are."""
    grain = node.partitions.grain
    return "Date" if grain == "days" else grain.removesuffix("s").capitalize()
