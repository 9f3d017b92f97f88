"""Partitions that are missing because a person left them out, and by which backfill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final

from recoup.app.bound import Bound
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import RecoupError
from recoup.model.graph import Node
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.touching import touching

LOOKED_AT: Final = 100
"""So many of the newest backfills that left something out."""
LeftOut = tuple[str, PartitionSet]
"""By which backfill, and what, in the pipeline's own partitions."""
_EXCLUDING: Final = """
SELECT backfill_id, json_extract(request, '$.exclude') FROM backfills
WHERE pipeline = ? AND json_array_length(request, '$.exclude') > 0 ORDER BY backfill DESC LIMIT ?
"""


def left_out(reader: LedgerReader, known: Bound, now: datetime) -> list[LeftOut]:
    """Of what several left out the newest one is told."""
    found, told = list[LeftOut](), EMPTY
    for backfill_id, keys in reader.query(_EXCLUDING, (known.pipeline.name, LOOKED_AT)):
        ordinals = EMPTY
        for key in json.loads(keys):
            with suppress(RecoupError):  # the pipeline does not know it any more
                ordinals |= known.graph.anchor.window(key, key, now)
        if more := ordinals - told:
            found.append((f"left out of {backfill_id} by --exclude", more))
            told |= more
    return found


def missing_so(
    node: Node, missing: PartitionSet, found: list[LeftOut], known: Bound, now: datetime
) -> Iterator[LeftOut]:
    """The same of what a step lacks, in its own partitions."""
    for text, ordinals in found:
        own = (touching(ordinals, known.graph.anchor, node.partitions, now) or EMPTY) & missing
        if own:
            yield text, own
