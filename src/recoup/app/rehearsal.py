"""A table is asked whether it could hold what a step made; nothing is delivered."""

from __future__ import annotations

from recoup.app.checks import Check
from recoup.app.plugins import open_sink
from recoup.app.settings import Settings
from recoup.lake.data_files import uri_of
from recoup.ledger.facts import Publication
from recoup.model.graph import Node
from recoup.ports import Delivery, ObjectStore


def table_name(delivery: Node) -> str:
    """`warehouse.sales`: the table, without the step that fills it."""
    return delivery.name.partition("@")[2] or delivery.name


def delivery_of(store: ObjectStore, step: Node, made: Publication, run_id: str | None) -> Delivery:
    """A step's partition on its way to a table."""
    side = step.partitions.member_side
    return Delivery(
        dataset=step.name,
        key=step.partitions.key,
        partition=step.partitions.name(made.ordinal),
        run_id=run_id,
        token=made.token,
        digest=made.digest,
        files=tuple(uri_of(store, file.path) for file in made.files),
        storage_options=store.storage_options(),
        member_key=side.key if side else None,
    )


def rehearsed(settings: Settings, name: str, delivery: Node, rows: Delivery, fine: str) -> Check:
    """What the table says of these rows; `fine` is the evidence when it would take them."""
    assert delivery.sink is not None
    sink = open_sink(delivery.sink.to_json(), settings)
    try:
        complaints = sink.rehearse(rows)
    finally:
        sink.close()
    if complaints:
        return Check(name, "fail", "; ".join(complaints), "mend the table, or the step, before a run delivers to it")
    return Check(name, "pass", fine)
