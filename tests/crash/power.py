"""A power cut, from the trace of a run: what was not synced is gone, files and entries alike."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

from tests.crash.project import Project

LAKE = "lake/"


def cut(project: Project, *, killed: bool) -> list[str]:
    """Take away all of the lake that was not durable; the answer is what went.

    A file is durable once it and the entries of all folders above it were synced after they were made. Who was killed
    did not carry out the last point of its trace. The ledger syncs what it commits; of its clock only the boot is new.
    """
    lines = project.trace()[: -1 if killed else None]
    lost = [path for path in _undurable(project, lines) if (project.folder / path).exists()]
    for path in lost:
        place = project.folder / path
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    with closing(connect(project.ledger)) as db, db:
        db.execute("UPDATE meta SET value = json_set(value, '$.boot', 'before') WHERE key LIKE 'manifests:%'")
    return lost


def _undurable(project: Project, lines: list[str]) -> list[str]:
    dirty: set[str] = set()
    made: set[str] = set()
    for line in lines:
        _, kind, what = line.split(" ", 2)
        path = what.removeprefix(f"{project.folder}/")
        match kind:
            case "mkdir" | "create":
                made.add(path)
            case "write":
                dirty.add(path)
            case "rename" | "link":
                made.add(path)
                if _source(path, dirty):
                    dirty.add(path)
            case "sync" if path == str(project.folder):
                made = {entry for entry in made if "/" in entry}
            case "sync" if (project.folder / path).is_dir():
                made = {entry for entry in made if str(Path(entry).parent) != path}
            case "sync":
                dirty.discard(path)
            case _:
                pass  # it changes no file of the lake, or takes one away
    return sorted(path for path in made | dirty if path.startswith(LAKE))


def _source(target: str, dirty: set[str]) -> bool:
    """Whether what a file was written as beside its place is not synced."""
    place = Path(target)
    return any(Path(path).parent == place.parent and Path(path).name.startswith(f".{place.name}.") for path in dirty)
