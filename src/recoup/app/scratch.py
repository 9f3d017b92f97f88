"""A copy of the ledger to try something with: whatever is written there is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from recoup.app.lost_ledger import refuse_lost
from recoup.app.workspace import Workspace
from recoup.ledger.connection import connect
from recoup.ledger.leases import void_dead
from recoup.ledger.migrate import copy_ledger
from recoup.ledger.writer import Ledger

_NOBODY: Final = 0


@dataclass(frozen=True, slots=True)
class Scratch:
    """The same project with another ledger; locks and logs lie beside that one."""

    workspace: Workspace
    ledger: Ledger


@contextmanager
def scratch(workspace: Workspace) -> Iterator[Scratch]:
    """For the block; an empty one where there is no ledger yet."""
    refuse_lost(workspace.settings)
    with TemporaryDirectory(prefix="recoup-") as folder:
        path = Path(folder, "ledger.db")
        if workspace.settings.ledger.exists():
            source = connect(workspace.settings.ledger, write=False)
            try:
                copy_ledger(source, path)
            finally:
                source.close()
        ledger = Ledger(path, workspace.clock)
        try:
            with ledger.transaction() as tx:  # what dead controllers were at, nobody is at
                void_dead(tx, workspace.settings.ledger, _NOBODY)
            yield Scratch(Workspace(replace(workspace.settings, ledger=path), workspace.clock), ledger)
        finally:
            ledger.close()


def remove_empty(folder: Path, root: Path) -> None:
    """This folder and those around it, as long as nothing is in them."""
    with suppress(OSError):
        while folder != root and root in folder.parents:
            if folder.exists():
                folder.rmdir()  # refuses where something is inside
            folder = folder.parent
