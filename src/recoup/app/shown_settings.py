"""The verb config show: every setting with its origin, and without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recoup.app.configuration.origin import DEFAULT, Origin
from recoup.app.configuration.spec import SETTINGS
from recoup.app.settings import Settings
from recoup.model.redact import Redact

Value = str | int | float | list[str] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One value; those of tables by `pools.api`."""

    name: str
    value: Value
    origin: Origin

    @property
    def text(self) -> str:
        """The value as people read it; empty where there is none."""
        if isinstance(self.value, float):
            return f"{self.value:g}"
        return ", ".join(self.value) if isinstance(self.value, list) else str(self.value or "")


def shown(settings: Settings, redact: Redact) -> Iterator[Shown]:
    """What was chosen, then every setting; connections as they are written, with their variables not filled in."""
    for name in ("config", "environment"):
        value = getattr(settings, name)
        yield Shown(name, None if value is None else redact(str(value)), settings.origin.get(name, DEFAULT))
    for name, setting in SETTINGS.items():
        value = getattr(settings, name)
        if setting.is_table:
            for key, inner in value.items():
                yield Shown(f"{name}.{key}", _plain(inner, redact), settings.origin.get(f"{name}.{key}", DEFAULT))
        else:
            yield Shown(name, _plain(value, redact), settings.origin.get(name, DEFAULT))


def _plain(value: object, redact: Redact) -> Value:
    if isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple):
        return [redact(str(item)) for item in value]
    return redact(str(value))
