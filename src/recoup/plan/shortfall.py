"""What is missing for a partition to be made: the defensive check, in one sentence. Planner and engine share it."""

from __future__ import annotations

from collections.abc import Sequence

from recoup.model.graph import Node
from recoup.model.partition import PartitionSet
from recoup.model.pipeline import Source
from recoup.model.relation import Edge, Newest

NAMED_RANGES = 3
TOO_LATE = "(what is there was made later than run_as_of)"
"""How a shortfall ends of what is there, but was not known yet."""


def shortfall(edge: Edge, parent: Node, lacking: PartitionSet, there: int, expected: int) -> str:
    """Why an input is not enough: `weather: 0 of 24 there, 18 needed; missing 2013-12-31T00…2013-12-31T23 (24)`."""
    if edge.is_single:
        return f"{parent.name} {_lacks(parent)} {', '.join(_few(parent, lacking))}"
    if isinstance(edge.relation, Newest):
        return f"no partition of {parent.name} is there"
    counted = f"{parent.name}: {there} of {expected} there, {edge.needed(expected)} needed"
    return f"{counted}; missing {', '.join(_few(parent, lacking))}"


def same_shortfall(parent: Node) -> str:
    """The reason that a whole group shares whose own partition is not there."""
    match parent.source:
        case None:
            return f"{parent.name} is not there"
        case Source(sql=None):
            return f"{parent.name} has no such partition"
        case _:
            return f"{parent.name} has 0 rows of it"


def waived_shortfall(parent: Node) -> str:
    """The reason of those whose input will never be there."""
    return f"{parent.name} is waived"


def is_shortfall(reason: str, parent: Node) -> bool:
    """Whether a reason is one of the sentences above about this parent, and nothing more."""
    begins = (f"{parent.name}: ", f"{parent.name} {_lacks(parent)} ", f"nothing of {parent.name} is there yet")
    whole = (same_shortfall(parent), f"no partition of {parent.name} is there")
    return reason in whole or (reason.startswith(begins) and not reason.endswith(TOO_LATE))


def _lacks(parent: Node) -> str:
    match parent.source:
        case None:
            return "is missing"
        case Source(sql=None):
            return "has no"
        case _:
            return "has 0 rows of"


def _few(parent: Node, lacking: PartitionSet) -> Sequence[str]:
    texts = parent.partitions.ranges_text(lacking)
    more = len(texts) - NAMED_RANGES
    # One more is named: that takes no more room than to count it.
    return texts if more <= 1 else [*texts[:NAMED_RANGES], f"and {more} more ranges"]
