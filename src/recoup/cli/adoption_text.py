"""What was adopted, or would be, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from recoup.app.adoption import Adoption
from recoup.cli.text import View, clean, counted, ranges, size

_SHOWN: Final = 5


def adoption_json(found: Adoption) -> dict[str, Any]:
    """Figures, and ranges as people read them."""
    return {
        "done": found.done,
        "pipeline": found.pipeline,
        "step": found.step,
        "count": found.count,
        "partitions": list(found.partitions),
        "files": found.files,
        "rows": found.rows,
        "size_bytes": found.size_bytes,
        "published": list(found.published),
        "unexpected": list(found.unexpected),
        "running": list(found.running),
        "strangers": list(found.strangers),
    }


def adoption_lines(found: Adoption, view: View) -> Iterator[str]:
    """What was left alone, and why; then the sum."""
    for why, texts in (
        ("published already", found.published),
        ("not expected", found.unexpected),
        ("running", found.running),
    ):
        if texts:
            yield f"left alone, {why}: {ranges(texts, view)}"
    shown = found.strangers if view.width is None else found.strangers[:_SHOWN]
    yield from (f"left alone, names no partition: {clean(path)}" for path in shown)
    if more := len(found.strangers) - len(shown):
        yield f"and {counted(more, 'more file')}"
    if not found.count:
        yield f"{found.step}: nothing is left to adopt"
        return
    what = f"{counted(found.count, 'partition')}, {counted(found.rows, 'row')}"
    if found.files:
        what += f", {counted(found.files, 'file')}, {size(found.size_bytes)}"
    where = ranges(found.partitions, view, found.count)
    if not found.done:
        yield f"nothing has been changed: {found.step} {where} would be adopted: {what}"
        return
    yield f"{found.step} {where} adopted: {what}"
    if found.has_sink:
        yield f"its table follows with the next `recoup run {found.pipeline}`"
