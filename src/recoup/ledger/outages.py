"""What is out of reach: sources, or steps that ask somebody outside by themselves, after all tries and probes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.ledger.transaction import Transaction
from recoup.model.failure import FailureKind


class Outage(NamedTuple):
    """One that is not over; `message` is what the last probe met."""

    node: NodeId
    since: float
    kind: FailureKind
    message: str


def outages(reader: LedgerReader) -> dict[NodeId, Outage]:
    """All of them, by their dataset."""
    rows = reader.query("SELECT node, since, kind, message FROM outages ORDER BY since")
    return {NodeId(node): Outage(NodeId(node), since, FailureKind(kind), told) for node, since, kind, told in rows}


def begin_outage(tx: Transaction, node: NodeId, kind: FailureKind, message: str) -> Outage:
    """From now on; of one that goes on, the message is the newest."""
    outage = Outage(node, tx.now, kind, message)
    tx.execute(
        "INSERT INTO outages VALUES (?, ?, ?, ?) ON CONFLICT (node) DO UPDATE SET"
        " kind = excluded.kind, message = excluded.message",
        (node, outage.since, kind.value, message),
    )
    return outage


def end_outages(tx: Transaction, nodes: Iterable[NodeId]) -> None:
    """Something was answered there."""
    for node in nodes:
        tx.execute("DELETE FROM outages WHERE node = ?", (node,))
