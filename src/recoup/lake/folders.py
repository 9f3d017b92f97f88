"""Folders below a local root: made when a file needs them, never a link, durable when asked."""

# Paths are strings on the way of every write: a Path costs as much as the system call.
# ruff: noqa: PTH102

from __future__ import annotations

import os
import stat

from recoup.lake.disk import LINK_REMEDY, sync_folder
from recoup.model.errors import UsageError

_REMEMBERED = 20_000


class Folders:
    """What one process knows about its folders.

    Knowing that a folder is there, and real, saves a look at each of its parents per write. A folder's *entry* is
    durable once its parent was synced after we first saw it: somebody else may have made it a moment ago.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen = {root}
        self._durable = {root}
        self._loose: set[str] = set()
        self._trusting = True

    def make(self, folder: str) -> None:
        """Make it with all its parents; UsageError when one of them is a link, which could lead anywhere."""
        if folder in self._seen:
            return
        self.make(folder.rpartition("/")[0])
        try:
            os.mkdir(folder)
        except FileExistsError:
            _refuse_link(folder)
        else:
            self._durable.discard(folder)
            self._loose.add(folder)
        self._remember(folder)

    def check(self, folder: str) -> None:
        """Refuse a folder that is, or lies behind, a link; FileNotFoundError when it is not there."""
        if folder in self._seen:
            return
        self.check(folder.rpartition("/")[0])
        _refuse_link(folder)
        self._remember(folder)

    def forget(self) -> None:
        """Look again: something that was there is gone."""
        self._seen = {self._root}
        self._durable = {self._root}

    def sync(self, folder: str, *, trusted: bool = False) -> None:
        """Make the folder's entries durable, and its own entry, and those of its parents.

        `trusted` says that folders which this process did not make are durable already.
        """
        sync_folder(folder)
        while folder not in self._durable:
            if trusted and self._trusting and folder not in self._loose:
                return
            parent = folder.rpartition("/")[0]
            sync_folder(parent)
            self._durable.add(folder)
            self._loose.discard(folder)
            folder = parent

    def _remember(self, folder: str) -> None:
        # Forgetting costs system calls and fsyncs later on, never correctness.
        if len(self._seen) > _REMEMBERED:
            self.forget()
        if len(self._loose) > _REMEMBERED:
            self._loose.clear()
            self._trusting = False
        self._seen.add(folder)


def _refuse_link(path: str) -> None:
    if stat.S_ISLNK(os.lstat(path).st_mode):
        message = f"{path} is a symbolic link, and a lake follows none below its root"
        raise UsageError(message, LINK_REMEDY)
