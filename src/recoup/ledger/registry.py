"""What the ledger knows of a pipeline: its datasets, the ids of members, which partitions are expected or there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from recoup.ledger import planes
from recoup.ledger.facts import NodeId
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import PartitionError, PipelineError, RefusedError
from recoup.model.keys import quoted
from recoup.model.member_names import check_members
from recoup.model.partition import ROW_BITS, PartitionSet

NOBODY = ""
"""Whose a dataset is that somebody reads and no pipeline has made yet."""


def register_node(
    tx: Transaction, ledger: Ledger, *, name: str, pipeline: str, kind: str, label: str, partitioning: Mapping[str, Any]
) -> NodeId:
    """The id of a dataset; refused when another pipeline makes it, or when it was made with other partitions.

    To plan is to change nothing: what was only planned so far is taken as it is declared now.
    """
    row = tx.execute("SELECT node, pipeline, partitioning FROM nodes WHERE name = ?", (name,)).fetchone()
    text = json.dumps(partitioning, sort_keys=True)
    if row is None:
        node = ledger.next_row("nodes", "node")
        tx.execute("INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?)", (node, name, pipeline, kind, label, text))
        return NodeId(node)
    node, owner, known = row
    if (owner, known) != (pipeline, text) and _is_untouched(tx, node, owner, kind):
        tx.forget_node(node)
        columns = "name = ?, pipeline = ?, kind = ?, label = ?, partitioning = ?"
        tx.execute(f"UPDATE nodes SET {columns} WHERE node = ?", (name, pipeline, kind, label, text, node))  # noqa: S608 - our own columns
        return NodeId(node)
    if owner != pipeline and kind != "source":
        message = f"dataset {name!r} belongs to pipeline {owner!r} already"
        raise PipelineError(message, f"rename the step in {pipeline!r}: a dataset has one maker")
    _check_partitioning(name, known, partitioning)
    tx.execute("UPDATE nodes SET label = ? WHERE node = ? AND label <> ?", (label, node, label))
    return NodeId(node)


def register_dataset(tx: Transaction, ledger: Ledger, name: str, partitioning: Mapping[str, Any]) -> NodeId:
    """The id of a dataset that another pipeline makes, or will make."""
    row = tx.execute("SELECT node, partitioning FROM nodes WHERE name = ?", (name,)).fetchone()
    text = json.dumps(partitioning, sort_keys=True)
    if row is None:
        node = ledger.next_row("nodes", "node")
        tx.execute("INSERT INTO nodes VALUES (?, ?, ?, 'dataset', ?, ?)", (node, name, NOBODY, name, text))
        return NodeId(node)
    _check_partitioning(name, row[1], partitioning)
    return NodeId(row[0])


def _is_untouched(tx: Transaction, node: int, owner: str, kind: str) -> bool:
    """Whether nobody has ever tried to make it, or waived any of it; a source: anything of whose pipeline it was."""
    own = "SELECT 1 FROM attempts WHERE node = :node UNION ALL SELECT 1 FROM waivers WHERE node = :node LIMIT 1"
    of_pipeline = "SELECT 1 FROM attempts JOIN nodes USING (node) WHERE pipeline = :owner LIMIT 1"
    asked = of_pipeline if kind == "source" else own
    return tx.execute(asked, {"node": node, "owner": owner}).fetchone() is None


def _check_partitioning(name: str, known: str, declared: Mapping[str, Any]) -> None:
    if known != json.dumps(declared, sort_keys=True):
        before, now = _in_words(json.loads(known)), _in_words(declared)
        message = f"dataset {name!r} has partitions {before} and is now declared {now}"
        raise PipelineError(message, "give the step a new name: old and new partitions cannot share one dataset")


def _in_words(identity: Mapping[str, Any]) -> str:
    """`daily by dt (UTC)`."""
    if "time" in identity:
        return f"{_in_words(identity['time'])} and {_in_words(identity['members'])}"
    zone = f" ({identity['tz']})" if "tz" in identity else ""
    return f"{identity['kind']} by {identity['key']}{zone}"


def register_members(tx: Transaction, key: str, members: Iterable[str]) -> dict[str, int]:
    """Ids by member, in their order; new ones are appended, ids are never given twice.

    All datasets whose partitions have this key share them, so that one pipeline can read another one's cells.
    """
    known = dict(tx.execute("SELECT member, id FROM members WHERE scope = ? ORDER BY id", (key,)).fetchall())
    if new := check_members(members, known):
        given = "SELECT id FROM members WHERE scope = :key UNION ALL SELECT id FROM former_members WHERE scope = :key"
        highest = tx.execute(f"SELECT coalesce(max(id), -1) FROM ({given})", {"key": key}).fetchone()[0]  # noqa: S608 - as above
        for number, member in enumerate(new, start=highest + 1):
            known[member] = number
            tx.execute("INSERT INTO members VALUES (?, ?, ?)", (key, member, number))
    return known


def remove_member(tx: Transaction, key: str, member: str) -> None:
    """Take out a member of which there is nothing; its id stays its own for good. PartitionError when there is."""
    row = tx.execute("SELECT id FROM members WHERE scope = ? AND member = ?", (key, member)).fetchone()
    if row is None:
        raise PartitionError(f"{quoted(member)} is no member of {key}", "`recoup members ls` names those that are")
    places = list(_places(tx, key, row[0]))
    for node, name, span in places:
        if what := _known_of(tx, node, span):
            message = f"{quoted(member)} of {key} stays: {name} has {what} of it"
            raise RefusedError(message, "what was made keeps its member; waive the partitions that nobody wants")
    for node, _, span in places:
        tx.forget_ordinals(node, span)
    tx.execute("INSERT INTO former_members VALUES (?, ?, ?)", (key, row[0], member))
    tx.execute("DELETE FROM members WHERE scope = ? AND member = ?", (key, member))


def _places(tx: Transaction, key: str, member: int) -> Iterator[tuple[NodeId, str, range]]:
    """The datasets whose partitions name the member, and which of them are the member's."""
    for node, name, text in tx.execute("SELECT node, name, partitioning FROM nodes").fetchall():
        identity = json.loads(text)
        if identity.get("members", {}).get("key") == key:
            yield node, name, range(member << ROW_BITS, member + 1 << ROW_BITS)
        elif identity["key"] == key:
            yield node, name, range(member, member + 1)


def _known_of(tx: Transaction, node: NodeId, span: range) -> str:
    """What there is that names these partitions; empty for nothing."""
    for table, what in (("publications", "published partitions"), ("attempts", "attempts"), ("waivers", "waived gaps")):
        asked = f"SELECT 1 FROM {table} WHERE node = ? AND ordinal BETWEEN ? AND ? LIMIT 1"  # noqa: S608 - named above
        if tx.execute(asked, (node, span.start, span.stop - 1)).fetchone():
            return what
    return ""


def record_expected(
    tx: Transaction,
    pipeline: str,
    node: NodeId,
    expected: PartitionSet,
    spans_over: Callable[[range], Iterable[tuple[NodeId, range]]],
) -> None:
    """The calendar's mask as it was when the plan was made; what read a span that is another one now becomes stale.

    It is recorded by the pipeline that the node belongs to: a source may be known to others, with other calendars.
    """
    if tx.execute("SELECT 1 FROM nodes WHERE node = ? AND pipeline = ?", (node, pipeline)).fetchone() is None:
        return
    old = tx.plane(node, planes.EXPECTED)
    # Nothing is known of an older mask at the first plan, and after a rebuild: then only what is shown can have left.
    changed = old ^ expected if old else tx.plane(node, planes.PUBLISHED) - expected
    tx.set_plane(node, planes.EXPECTED, as_chunks(expected))
    is_read_by_name = tx.is_read_by_name(node)
    for run in changed.ranges():
        touched = list(spans_over(run))
        for reader, ordinals in touched:
            tx.mark_stale(reader, ordinals)
        if touched or is_read_by_name:
            _note_change(tx, node, run, is_read_by_name=is_read_by_name)


def _note_change(tx: Transaction, node: NodeId, ordinals: range, *, is_read_by_name: bool) -> None:
    for ordinal in ordinals:
        tx.execute("INSERT OR REPLACE INTO calendar_changes VALUES (?, ?, ?)", (node, ordinal, tx.now))
        if is_read_by_name:
            tx.mark_who_read(node, ordinal)


def record_presence(
    tx: Transaction,
    node: NodeId,
    asked: PartitionSet,
    present: PartitionSet,
    versions: Mapping[int, str],
    readers: Mapping[int, list[tuple[NodeId, range]]],
) -> None:
    """What a source has of those that it was asked about; dependents of a version that changed become stale.

    What another pipeline, with another calendar, was told about others still holds.
    """
    tx.set_plane(node, planes.PUBLISHED, as_chunks(tx.plane(node, planes.PUBLISHED) - asked | present))
    known = dict(tx.execute("SELECT ordinal, version FROM observations WHERE node = ?", (node,)).fetchall())
    rows = []
    for ordinal, version in versions.items():
        if known.get(ordinal) != version:
            rows.append((node, ordinal, version, tx.now))
            for reader, ordinals in readers.get(ordinal, ()):
                tx.mark_stale(reader, ordinals)
            tx.mark_who_read(node, ordinal)
    for row in rows:
        tx.execute("INSERT OR REPLACE INTO observations VALUES (?, ?, ?, ?)", row)


def as_chunks(ordinals: PartitionSet) -> dict[int, int]:
    """A set as the plane cache keeps it."""
    return {index: int.from_bytes(chunk, "little") for index, chunk in ordinals.chunks()}
