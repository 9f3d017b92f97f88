"""The pools that deliveries take their slots of: the lane of an embedded database, or the connection of a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recoup.model.graph import Graph, NodeKind
from recoup.model.pipeline import SinkSpec
from recoup.model.pool import Pool

LANE_AHEAD: Final = 16
"""How many deliveries are claimed for a lane that carries them out one by one: it keeps busy, and little is claimed."""
DELIVERIES_AT_ONCE: Final = 8
"""To one server, unless its pool says otherwise: with a thousand threads it would run out of connections."""


def lanes_of(graph: Graph) -> frozenset[str]:
    """Those of its embedded databases."""
    return frozenset(sink.lane for sink in _sinks(graph) if sink.lane)


def with_deliveries(graph: Graph, pools: Mapping[str, Pool]) -> dict[str, Pool]:
    """The pools that are declared, and those of its tables."""
    servers = {sink.pool for sink in _sinks(graph) if sink.pool}
    usual = dict.fromkeys(servers, Pool(slots=DELIVERIES_AT_ONCE))
    return {**usual, **pools, **dict.fromkeys(lanes_of(graph), Pool(slots=LANE_AHEAD))}


def _sinks(graph: Graph) -> list[SinkSpec]:
    return [node.sink for node in graph.nodes if node.sink and node.kind is NodeKind.DELIVERY]
