"""What a worker is made of: the pipeline, the lake and the sinks, opened from plain JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recoup.app.loading import load_pipeline
from recoup.app.plugins import open_sink
from recoup.engine.attempt import AttemptPerformer
from recoup.lake.stores import from_description
from recoup.model.graph import Graph
from recoup.model.redact import redactor


def make(setup: Mapping[str, Any]) -> AttemptPerformer:
    """Called once in each worker; an import that fails is told to the controller in one sentence."""
    root = Path(setup["root"])
    graph = Graph.of(load_pipeline(setup["pipeline"], root))
    return AttemptPerformer(
        graph,
        lambda: from_description(setup["lake"]),
        lambda spec: open_sink(spec, root),
        root,
        redactor(os.environ),
    )
