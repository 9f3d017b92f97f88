"""Files that are handed over together: a zip, or a folder, which is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from recoup.model.errors import UsageError

ZIP = ".zip"


def write_bundle(target: Path, files: Mapping[str, bytes]) -> None:
    """A zip where its name says so; UsageError where something is there already, or nothing can be written."""
    if target.exists():
        raise UsageError(f"{target} exists already", "name another file or folder with -o; nothing is overwritten")
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.suffix == ZIP:
            _zip(beside, target.stem, files)
        else:
            _folder(beside, files)
        beside.rename(target)
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror or error}"
        raise UsageError(message, "name another file or folder with -o") from error
    finally:
        _remove(beside)


def _zip(place: Path, folder: str, files: Mapping[str, bytes]) -> None:
    """All below one folder: who unpacks it beside other things finds it again."""
    with zipfile.ZipFile(place, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{folder}/{name}", data)


def _folder(place: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _remove(place: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
