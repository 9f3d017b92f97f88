"""What a source has that is asked in SQL: one question for each partition, or one for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recoup.app.outside import Outside
from recoup.app.presence import Presence
from recoup.model.errors import ConfigError, RecoupError
from recoup.model.partition import PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.sql import Sql, key_columns, of_one, of_whole, ordinals_of_key


def sql_presence(source: str, sql: Sql, partitions: Partitioning, wanted: PartitionSet, outside: Outside) -> Presence:
    """Which of the wanted partitions are there, with their versions where the probe tells them."""
    present, versions = [], {}
    try:
        for ordinal, there, version in _answers(sql, partitions, wanted, outside) if wanted else ():
            if there:
                present.append(ordinal)
                if version is not None:
                    versions[ordinal] = version
    except RecoupError as error:
        raise type(error)(f"source {source!r}: {error.message}", error.remedy or "mend its probe") from error
    here = PartitionSet.of(present) & wanted
    return Presence(here, {ordinal: version for ordinal, version in versions.items() if ordinal in here})


def _answers(
    sql: Sql, partitions: Partitioning, wanted: PartitionSet, outside: Outside
) -> Iterator[tuple[int, bool, str | None]]:
    database = outside.database(sql.connection)
    if sql.asks_once:
        keys = key_columns(partitions)
        for row in database.rows(sql.probe, of_whole(partitions, wanted)):
            there, version = _answer(row[keys:], "the key, a count and, if you like, a version")
            yield from ((ordinal, there, version) for ordinal in ordinals_of_key(partitions, row[:keys]))
        return
    for ordinal in wanted:
        for answer in database.rows(sql.probe, of_one(partitions, partitions.name(ordinal)))[:1]:
            yield ordinal, *_answer(answer, "a count and, if you like, a version")


def _answer(columns: Sequence[object], wanted: str) -> tuple[bool, str | None]:
    match columns:
        case [there]:
            return bool(there), None
        case [there, version]:
            return bool(there), str(version)
        case _:
            raise ConfigError("its probe gives too many or too few columns", f"select {wanted}")
