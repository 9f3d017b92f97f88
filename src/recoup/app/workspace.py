"""Where everything is wired: settings, clock, ledger and lake of one project."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recoup.app.clock import SystemClock
from recoup.app.connections import secret_variables
from recoup.app.loading import load_pipeline, resolve
from recoup.app.lost_ledger import REMEDY, refuse_lost
from recoup.app.outside import Outside
from recoup.app.plugins import open_database, open_sink
from recoup.app.prepare import Prepared, prepare
from recoup.app.settings import Settings, load_settings
from recoup.lake.owner import claim_owner
from recoup.lake.stores import open_store
from recoup.ledger.connection import refuse_absent, refuse_network_file_system
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.errors import LakeOwnedError, PipelineError
from recoup.model.pipeline import Pipeline
from recoup.model.redact import SECRETS_LISTED, redactor
from recoup.plan.request import Request
from recoup.ports import Clock, ObjectStore


@dataclass
class Workspace:
    """One project; ledger and lake are opened when they are first asked for."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def here(cls, config: Path | None = None, environment: str | None = None) -> Workspace:
        """The project around the current folder; from now on this process and its workers hide its secrets."""
        workspace = cls(load_settings(config, environment=environment))
        listed = os.environ.get(SECRETS_LISTED, "").split(",")
        os.environ[SECRETS_LISTED] = ",".join(sorted({*listed, *secret_variables(workspace.settings)} - {""}))
        return workspace

    @property
    def who(self) -> str:
        """Who is at the keyboard, for the history."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            user = str(os.getuid())
        return f"{user}@{socket.gethostname()}"

    def acting(self, reason: str | None = None) -> dict[str, str]:
        """Who acts and why, as the history keeps it: on one line, and without secrets."""
        text = " ".join((reason or "").split())
        return {"who": self.who, "reason": redactor(os.environ)(text)} if text else {"who": self.who}

    def pipeline(self, name: str | Pipeline) -> tuple[Pipeline, str]:
        """A pipeline by name or place, with the place that workers import it from."""
        if isinstance(name, Pipeline):
            return name, _place_of(name)
        place = resolve(self.settings, name)
        return load_pipeline(place, self.settings.root), place

    @contextmanager
    def ledger_for(self, pipeline: str | Pipeline) -> Iterator[Ledger]:
        """The ledger for writing; made on first use, once it is certain that there is such a pipeline.

        LakeOwnedError where it would be a new one for a lake that has a ledger already.
        """
        self.pipeline(pipeline)
        refuse_lost(self.settings)
        with self._opened() as ledger:
            yield ledger

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger for writing; UnreachableError where there is none."""
        refuse_absent(self.settings.ledger)
        with self._opened() as ledger:
            yield ledger

    @contextmanager
    def any_ledger(self) -> Iterator[Ledger]:
        """The ledger for writing, made on first use: for what needs no pipeline. LakeOwnedError as `ledger_for`."""
        refuse_lost(self.settings)
        with self._opened() as ledger:
            yield ledger

    @contextmanager
    def _opened(self) -> Iterator[Ledger]:
        mounts = Path("/proc/mounts")
        if mounts.exists():
            refuse_network_file_system(self.settings.ledger, mounts.read_text(errors="replace"))
        ledger = Ledger(self.settings.ledger, self.clock)
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        """The ledger for reading only; LakeOwnedError where the one that the lake belongs to is lost."""
        refuse_lost(self.settings)
        with LedgerReader(self.settings.ledger) as reader:
            yield reader

    def store(self) -> ObjectStore:
        """The lake as it is, for reading."""
        return open_store(self.settings.lake)

    def own_store(self, ledger: Ledger) -> ObjectStore:
        """The lake, once it is certain that it is this ledger's."""
        store = self.store()
        try:
            claim_owner(store, ledger.ledger_id, ledger.epoch)
        except LakeOwnedError as error:
            if ledger.is_empty:  # an empty one must not take over: it would take all that is there for missing
                error.remedy = REMEDY
            raise
        return store

    def prepared(self, ledger: Ledger, name: str | Pipeline, request: Request | None = None) -> Prepared:
        """A pipeline, ready to plan what is requested, or anything."""
        with self.outside() as outside:
            return prepare(ledger, self.pipeline(name)[0], outside, self.clock.now(), request)

    def outside(self) -> Outside:
        """Whom calendars and sources ask."""
        return Outside(
            self.settings.root,
            lambda name: open_database(self.settings, name),
            lambda spec: open_sink(spec, self.settings),
        )


def _place_of(pipeline: Pipeline) -> str:
    """Where a worker finds a pipeline that Python handed over: the module that holds it."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        for name, value in list(vars(module).items()) if file else ():
            if value is pipeline:
                return f"{file}:{name}"
    message = f"pipeline {pipeline.name!r} is not a variable of any module, so workers could not import it"
    raise PipelineError(message, "assign it at the top of a file")
