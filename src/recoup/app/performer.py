"""What a worker is made of: the pipeline, the lake and the sinks, opened from plain JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recoup.app.loading import load_pipeline
from recoup.app.plugins import open_database, open_sink
from recoup.app.settings import Settings, load_settings
from recoup.engine.attempt import AttemptPerformer
from recoup.lake.stores import from_description
from recoup.model.graph import Graph
from recoup.model.redact import redactor


def make(setup: Mapping[str, Any]) -> AttemptPerformer:
    """Called once in each worker; an import that fails is told to the controller in one sentence."""
    root = Path(setup["root"])
    pipeline = load_pipeline(setup["pipeline"], root)
    graph = Graph.of(pipeline)
    return AttemptPerformer(
        graph,
        open_store=lambda: from_description(setup["lake"]),
        open_sink=lambda spec: open_sink(spec, _settings(setup)),
        open_database=lambda name: open_database(_settings(setup), name),
        root=root,
        redact=redactor(os.environ),
        rules=(*pipeline.rules, *_settings(setup).rules),
    )


def _settings(setup: Mapping[str, Any]) -> Settings:
    """Read here, not sent: they name connections, whose passwords travel in no task."""
    return load_settings(setup["config"] and Path(setup["config"]), environment=setup["environment"])
