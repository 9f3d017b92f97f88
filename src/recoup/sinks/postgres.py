"""A table in PostgreSQL: each partition arrives in one transaction, together with the record of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from recoup.model import errors
from recoup.model.keys import sides_of
from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery, Held
from recoup.sinks.delivered import delivered_frame
from recoup.sinks.postgres_changes import Changes, delete
from recoup.sinks.postgres_check import complaints
from recoup.sinks.postgres_counts import row_counts
from recoup.sinks.postgres_partition import check_partition
from recoup.sinks.postgres_record import Record
from recoup.sinks.postgres_rehearsal import rehearse
from recoup.sinks.postgres_rows import Arrived
from recoup.sinks.postgres_server import begin, begin_reading, connect, lock, meaning_of
from recoup.sinks.postgres_table import Table

if TYPE_CHECKING:
    from recoup.sinks.postgres_sql import Connection


class PostgresSink:
    """One table; its connection opens with the first use and stays until `close` or an error."""

    def __init__(self, spec: Mapping[str, Any], url: str) -> None:
        self._spec = Postgres.from_json(spec)
        self._url = url
        self._record = Record(self._spec)
        self._connection: Connection | None = None
        self._has_record = False

    def deliver(self, delivery: Delivery) -> Held:
        """Make the table hold this run; when it does already, nothing is written, or only a newer token."""
        with self._closing_on_error():
            connection = self._open()
            before = self._recorded(connection, delivery)
            if before == Held(delivery.run_id, delivery.token, delivery.digest, before.rows if before else 0):
                return before
            begin(connection)
            self._take_turns(connection, delivery)
            held = self._project(connection, delivery)
            self._commit(connection, delivery, held)
            return held

    def held(self, dataset: str, partition: str) -> Held | None:
        """What the record says; a table that somebody has dropped holds nothing."""
        with self._closing_on_error():
            connection = self._open()
            return self._record.read(connection, dataset, partition) if self._has_record else None

    def counts(
        self,
        key: str,
        partitions: Sequence[str],
        *,
        only_whether: bool = False,
        wait: bool = True,  # noqa: ARG002 - a server lets everybody in
    ) -> Mapping[str, int]:
        """The rows that are there, by the partition's columns."""
        with self._closing_on_error():
            connection = self._open()
            begin_reading(connection)
            table = Table.found(connection, self._spec)
            found = row_counts(connection, table, key.split("/"), partitions, only_whether=only_whether)
            connection.execute("COMMIT")
            return found

    def check(self) -> list[str]:
        """What stands in the way of a delivery, with the remedy: connection, schema, table, grants."""
        try:
            with self._closing_on_error():
                return complaints(self._open(), self._spec)
        except errors.RecoupError as error:
            return [f"{error.message}: {error.remedy}"]

    def rehearse(self, delivery: Delivery) -> list[str]:
        """Everything but the change: the rows are staged, and asked whether the table's columns can hold them."""
        try:
            with self._closing_on_error():
                connection = self._open()
                begin(connection)
                rehearse(connection, self._spec, delivery)
                connection.execute("ROLLBACK")
        except errors.RecoupError as error:
            return [f"{error.message}: {error.remedy}"]
        return []

    def close(self) -> None:
        """Let go of the connection; an open transaction is undone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._url, self._spec.name)
            self._has_record = self._record.is_there(self._connection)
        return self._connection

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        """An open transaction ends with its connection; the next use begins with a new one."""
        try:
            yield
        except BaseException as error:
            self.close()
            if meaning := meaning_of(error, self._spec):
                raise meaning from error
            raise

    def _recorded(self, connection: Connection, delivery: Delivery) -> Held | None:
        return self._record.read(connection, delivery.dataset, delivery.partition) if self._has_record else None

    def _take_turns(self, connection: Connection, delivery: Delivery) -> None:
        """Deliveries of one partition of a table go one after the other, wherever they come from."""
        lock(connection, *self._spec.schema_and_name, *sides_of(delivery.key, delivery.partition).values())

    def _project(self, connection: Connection, delivery: Delivery) -> Held:
        if not self._has_record:
            self._record.create(connection)
        before = self._record.read(connection, delivery.dataset, delivery.partition)
        if before and before.token > delivery.token:
            newer = f"token {before.token}, newer than {delivery.token}"
            message = f"{self._spec.name} holds {delivery.partition} under {newer}"
            raise errors.FencedError(message, "nothing is to be done: somebody else has taken over")
        if before and not delivery.anew and _same_rows(before, delivery):
            held = Held(delivery.run_id, delivery.token, delivery.digest, before.rows)
            self._record.write(connection, delivery, held)
            return held
        rows, columns = self._replace_rows(connection, delivery)
        held = Held(delivery.run_id, delivery.token, delivery.digest, rows)
        self._record.write(connection, delivery, held, columns)
        return held

    def _replace_rows(self, connection: Connection, delivery: Delivery) -> tuple[int, Sequence[str]]:
        """How many rows the partition has from now on, and which columns they fill."""
        table, partition = Table.found(connection, self._spec), sides_of(delivery.key, delivery.partition)
        check_partition(connection, table.columns, partition, self._spec.name)
        if delivery.run_id is None or not delivery.files:
            delete(connection, table, partition)
            return 0, ()
        frame = delivered_frame(delivery)
        arrived = Arrived.checked(frame, partition, self._spec, delivery.member_key)
        table = table.widened(connection, arrived, delivery.dataset)
        arrived.stage(connection)
        table.check_types(connection, arrived)
        Changes(connection, table, partition, arrived).make()
        return len(frame), list(arrived.wanted)

    def _commit(self, connection: Connection, delivery: Delivery, held: Held) -> None:
        """Commit; when the answer does not come, the record tells whether it happened."""
        try:
            connection.execute("COMMIT")
            self._has_record = True
        except Exception as error:
            if not connection.broken and not connection.closed:
                raise  # the server said no
            self.close()
            if self._settled(delivery, error) != held:
                raise

    def _settled(self, delivery: Delivery, error: Exception) -> Held | None:
        """What the record says once the transaction that broke has come to its end on the server, too."""
        try:
            connection = self._open()
            begin(connection)
            self._take_turns(connection, delivery)
            self._has_record = self._record.is_there(connection)
            return self._recorded(connection, delivery)
        except Exception as unread:  # noqa: BLE001 - whatever it is, nothing was learnt
            message = f"{self._spec.name}: whether {delivery.partition} was committed is unknown: {unread}"
            raise errors.CommitUnknownError(message, "deliver it again when the server answers") from error
        finally:
            with suppress(Exception):
                self.close()


def _same_rows(before: Held, delivery: Delivery) -> bool:
    """Whether the table shows these bytes already, be it from another run."""
    if before.run_id is None or delivery.run_id is None:
        return before.run_id == delivery.run_id
    return before.digest == delivery.digest and (bool(delivery.digest) or before.run_id == delivery.run_id)
