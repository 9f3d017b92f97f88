"""Which pipeline follows which: both are known, and nobody follows itself, however long the way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from recoup.app.configuration.check import nearest
from recoup.app.configuration.layers import Entries
from recoup.model.errors import ConfigError
from recoup.model.keys import quoted


def check_follows(entries: Entries) -> None:
    """ConfigError with the line of an entry that cannot be."""
    known = [keys[1] for keys in entries if keys[0] == "pipelines"]
    follows = {keys[1]: entry for keys, entry in entries.items() if keys[0] == "follows"}
    for follower, entry in follows.items():
        for name in (follower, *entry.value):
            if name not in known:
                message = f"{entry.origin}: [follows] {follower}: there is no pipeline {quoted(name)}"
                raise ConfigError(message, f"{nearest(name, known)}name those of [pipelines]")
    upstreams = {follower: entry.value for follower, entry in follows.items()}
    for follower, entry in follows.items():
        if circle := next(_ways_back(follower, upstreams, ()), None):
            message = f"{entry.origin}: [follows] goes round in a circle: {' after '.join(circle)}"
            raise ConfigError(message, "take one of these entries out")


def in_order(upstreams: Mapping[str, Sequence[str]]) -> list[str]:
    """All followers, each after those that it follows."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in upstreams and name not in done:
            for other in upstreams[name]:
                visit(other)
            done[name] = None

    for name in upstreams:
        visit(name)
    return list(done)


def _ways_back(name: str, upstreams: Mapping[str, Sequence[str]], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if name in path:
        if name == path[0]:
            yield (*path, name)
        return
    for other in upstreams.get(name, ()):
        yield from _ways_back(other, upstreams, (*path, name))
