"""Who may write for which attempts: a controller's lease, and what happens to the attempts of one that is gone.

Every attempt holds the lease of its controller. A controller also holds a file lock: when that is free it is dead and
its lease is void at once; while it is held (the process may be stopped) the lease's expiry decides.

A lease that has run out is not lost yet: it only may be voided. Voiding and writing happen in transactions that exclude
each other, so whoever finds its row not ended inside one knows that nobody took over, renews it, and goes on.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recoup.ledger.connection import FileLock, controllers_beside
from recoup.ledger.facts import NodeId, Publication, Token
from recoup.ledger.pools import drop_shares
from recoup.ledger.reader import intents
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import FencedError

LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Left:
    """What controllers that are gone had begun: attempts that are void now, and pointers that may have moved."""

    attempts: int
    intents: Sequence[Publication]


class ControllerLease:
    """This process's right to claim; renewed by whatever it commits, and lost for good when somebody voids it."""

    def __init__(self, ledger: Ledger, who: str, lease_seconds: float = LEASE_SECONDS) -> None:
        self._ledger = ledger
        self._seconds = lease_seconds
        self._lock: FileLock | None = None
        # What it has claimed is safe for that long, so it need not give up for a command that takes its time.
        ledger.patience_seconds = max(ledger.patience_seconds, lease_seconds)
        with ledger.transaction() as tx:
            self.controller = ledger.next_row("controllers", "controller")
            self._lock = FileLock(_lock_path(ledger.path, self.controller))
            self._lock.acquire()
            tx.execute(
                "INSERT INTO controllers VALUES (?, ?, ?, ?, ?, ?, NULL)",
                (self.controller, socket.gethostname(), os.getpid(), who, tx.now, tx.now + lease_seconds),
            )
        self._renewed_at = ledger.clock.boottime()

    @property
    def renewal_due(self) -> bool:
        """A third of the lease has gone by, on the clock that goes on while the machine sleeps."""
        return self._ledger.clock.boottime() - self._renewed_at > self._seconds / 3

    def hold(self, tx: Transaction) -> None:
        """Before anything is written in a transaction: FencedError when somebody has voided us."""
        row = tx.execute("SELECT ended_at FROM controllers WHERE controller = ?", (self.controller,)).fetchone()
        if row is None or row[0] is not None:
            stood = self._ledger.clock.boottime() - self._renewed_at > self._seconds
            why = f": it stood still for longer than its lease of {self._seconds:g} s" if stood else ""
            message = f"another controller has taken over the work of this one{why}"
            raise FencedError(message, "look at `recoup backfill ls`; nothing of this one was written after that")

    def renew(self, tx: Transaction) -> None:
        """Within any transaction, however late; refused when somebody has voided it."""
        self.hold(tx)
        tx.execute(
            "UPDATE controllers SET lease_until = ? WHERE controller = ?", (tx.now + self._seconds, self.controller)
        )
        self._renewed_at = self._ledger.clock.boottime()

    def end(self, tx: Transaction) -> None:
        """An orderly end: nothing of ours is running any more."""
        self.hold(tx)
        tx.execute("UPDATE controllers SET ended_at = ? WHERE controller = ?", (tx.now, self.controller))
        drop_shares(tx, self.controller)

    def close(self) -> None:
        """Let go of the file lock, and tidy it away."""
        if self._lock is not None:
            self._lock.path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def void_dead(tx: Transaction, ledger_path: Path, me: int) -> Left:
    """Release what dead or expired controllers were running; their intents stay open until the pointers are asked."""
    voided = 0
    for controller, lease_until, host, pid in tx.execute(
        "SELECT controller, lease_until, host, pid FROM controllers WHERE ended_at IS NULL AND controller <> ?", (me,)
    ).fetchall():
        if lease_until >= tx.now and _alive(ledger_path, controller):
            continue
        tx.execute("UPDATE controllers SET ended_at = ? WHERE controller = ?", (tx.now, controller))
        drop_shares(tx, controller)
        rows = tx.execute(
            "SELECT token, node, ordinal FROM attempts WHERE controller = ? AND state = 'running'", (controller,)
        ).fetchall()
        tx.release([(Token(token), NodeId(node), ordinal) for token, node, ordinal in rows], state="lost")
        voided += len(rows)
        interrupted = tx.execute(
            "UPDATE backfills SET state = 'interrupted', ended_at = ?"
            " WHERE controller = ? AND state IN ('running', 'paused') RETURNING backfill",
            (tx.now, controller),
        ).fetchall()
        for (backfill,) in interrupted:
            tx.event("controller gone", backfill=backfill, data={"host": host, "pid": pid})
    return Left(voided, intents(tx))


def _alive(ledger_path: Path, controller: int) -> bool:
    path = _lock_path(ledger_path, controller)
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        if lock.try_acquire():
            lock.release()
            path.unlink(missing_ok=True)
            return False
        return True
    finally:
        lock.close()


def _lock_path(ledger_path: Path, controller: int) -> Path:
    return controllers_beside(ledger_path) / f"{controller}.lock"
