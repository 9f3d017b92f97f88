"""What the sources have before a plan is made: by their files, by a function of the pipeline's, or in SQL."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import PurePath

from recoup.app.aside import aside
from recoup.app.outside import Outside
from recoup.app.path_patterns import PathPattern
from recoup.app.presence import Presence
from recoup.app.sql_sources import sql_presence
from recoup.model.errors import PartitionError, RecoupError, RefusedError, UnreachableError
from recoup.model.graph import Node
from recoup.model.grid import Grid
from recoup.model.member_partitionings import Dynamic
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import Partitioning


def listed(partitioning: Partitioning) -> Partitioning:
    """The same with the members that a listing names now; others are as they are."""
    side = partitioning.member_side
    if not isinstance(side, Dynamic) or side.listing is None:
        return partitioning
    try:
        with aside():
            members = side.naming(side.listing())
    except RecoupError as error:
        raise PartitionError(f"the listing of {side.key}: {error.message}", error.remedy) from error
    except Exception as error:
        message = f"the members of {side.key} could not be listed: {type(error).__name__}: {error}"
        raise UnreachableError(message, "see that the listing answers, then run the same command again") from error
    if not members.members:
        message = f"the listing of {side.key} names no members: nothing would be expected, and all would be complete"
        raise RefusedError(message, "see that the listing answers with all members there are")
    return partitioning.with_sides(partitioning.time, members) if isinstance(partitioning, Grid) else members


def is_listed(partitioning: Partitioning) -> bool:
    """Whether somebody outside must be asked which members there are."""
    side = partitioning.member_side
    return isinstance(side, Dynamic) and side.listing is not None


def presence(node: Node, wanted: PartitionSet, outside: Outside) -> Presence:
    """Ask a source about these of its partitions."""
    source = node.source
    assert source is not None
    if source.sql is not None:
        return sql_presence(source.name, source.sql, node.partitions, wanted, outside)
    if source.files is not None:
        found = _listed(PathPattern(str(PurePath(glob.escape(str(outside.root))) / source.files), node.partitions))
        return Presence(PartitionSet.of(found) & wanted)
    assert source.probe is not None
    present, versions = [], {}
    for ordinal in wanted:
        name = node.partitions.name(ordinal)
        answer = _ask(source.name, source.probe, name)
        if answer:
            present.append(ordinal)
            if isinstance(answer, str):
                versions[ordinal] = answer
    return Presence(PartitionSet.of(present), versions)


def _ask(source: str, probe: object, partition: str) -> bool | str | None:
    try:
        with aside():
            answer: bool | str | None = probe(partition)  # type: ignore[operator] # checked when the source was declared
    except RecoupError:
        raise
    except Exception as error:
        message = f"source {source!r} could not be asked about {partition}: {type(error).__name__}: {error}"
        raise UnreachableError(message, "see that the source answers, then run the same command again") from error
    return answer


def _listed(pattern: PathPattern) -> Iterator[int]:
    """The ordinals whose files exist; what matches the pattern but is no key is somebody else's file."""
    return (ordinal for _, ordinal in pattern.matched(pattern.globbed()) if ordinal is not None)
