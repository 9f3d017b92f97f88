"""What a source answered when it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recoup.model.partition import PartitionSet


@dataclass(frozen=True, slots=True)
class Presence:
    """What is there; versions only where the source knows them."""

    present: PartitionSet
    versions: Mapping[int, str] = field(default_factory=dict)
