"""The accepted gaps of a pipeline, beside the lake: so that a rebuilt ledger does not ask for them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from recoup.lake import layout
from recoup.model.errors import CorruptError
from recoup.model.manifest import seal, unseal
from recoup.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class AcceptedGaps:
    """Partitions of one dataset that were accepted together; `at` is ISO 8601, UTC."""

    dataset: str
    reason: str
    who: str
    at: str
    partitions: tuple[str, ...]


def write_waivers(store: ObjectStore, pipeline: str, gaps: Sequence[AcceptedGaps]) -> None:
    """All of a pipeline's, instead of what was there."""
    store.put(layout.waivers(pipeline), seal({"waivers": [asdict(gap) for gap in gaps]}), sync=True)


def read_waivers(store: ObjectStore, pipeline: str) -> list[AcceptedGaps]:
    """As they were when somebody last waived or took back; CorruptError when the bytes are not what was written."""
    stored = store.get(layout.waivers(pipeline))
    if stored is None:
        return []
    try:
        found = unseal(stored.data)["waivers"]
        return [AcceptedGaps(**{**gap, "partitions": tuple(gap["partitions"])}) for gap in found]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{store.uri(layout.waivers(pipeline))}, which holds accepted gaps, is corrupt: {error}"
        raise CorruptError(message, "waive them again; the next `recoup waive` writes it anew") from error
