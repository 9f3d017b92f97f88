"""Paths as they would be typed here."""

from __future__ import annotations

from pathlib import Path


def from_here(path: str) -> str:
    """Relative where it lies below the current folder: shorter, and as it would be typed."""
    full, here = Path(path), Path.cwd()
    return str(full.relative_to(here)) if full.is_relative_to(here) else path
