"""A pointer as the ledger remembers it: what is served, and put back, where its file is corrupt or gone."""

from __future__ import annotations

from collections.abc import Sequence

from recoup.engine.inflight import iso
from recoup.ledger.facts import NodeId, Published
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.manifest import POINTER_GENERATIONS, Generation, Pointer


def remembered_pointer(
    dataset: str, partition: str, history: Sequence[Published], ledger_id: str, epoch: int
) -> Pointer | None:
    """From a partition's history, newest first; None when it never had a pointer."""
    rows = [row for row in history if row.publication.nonce]
    if not rows:
        return None
    generations = tuple(_generation(row) for row in rows[:POINTER_GENERATIONS])
    return Pointer(dataset, partition, ledger_id, epoch, rows[0].publication.token, generations)


def remembered(ledger: Ledger, dataset: str, partition: str, node: NodeId, ordinal: int) -> Pointer | None:
    """The same, with the history read from the ledger."""
    history = LedgerReader(ledger.path, ledger.db).history(node, ordinal)
    return remembered_pointer(dataset, partition, history, ledger.ledger_id, ledger.epoch)


def _generation(row: Published) -> Generation:
    publication = row.publication
    return Generation(
        number=row.generation,
        run_id=row.run_id,
        token=publication.token,
        seq=publication.token,
        digest=publication.digest,
        published_at=iso(row.published_at),
        run_as_of=iso(publication.run_as_of),
        nonce=publication.nonce,
        reason=publication.reason,
    )
