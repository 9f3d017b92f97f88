"""Limits of memory in a plan: whose are raised, and where nobody can hold a step to its own."""

from __future__ import annotations

from recoup.app.prepare import Planned
from recoup.model.errors import UsageError
from recoup.model.graph import NodeKind
from recoup.model.pipeline import Step
from recoup.model.size import memory_text

HOLDS_LIMITS = "processes"
"""The executor whose attempts have memory of their own."""


def limited(planned: Planned) -> dict[str, int]:
    """The steps that the plan runs and that have a limit, as they declare it."""
    nodes = (planned.prepared.graph.nodes[index] for index in {g.node for g in planned.plan.groups})
    steps = [node.step for node in nodes if node.kind is NodeKind.STEP and node.step and planned.plan.of(node.index)]
    return {step.name: step.memory_bytes for step in _in_order(steps) if step.memory_bytes is not None}


def raised(planned: Planned) -> dict[str, tuple[int, int]]:
    """Those that may take more this time: what they declare, and what it is now."""
    asked = planned.plan.request.memory_bytes or 0
    return {name: (own, asked) for name, own in limited(planned).items() if own < asked}


def refuse_idle_memory(planned: Planned) -> None:
    """A limit that would change nothing is a misunderstanding."""
    asked = planned.plan.request.memory_bytes
    if asked is None or not planned.plan.actions or raised(planned):
        return
    message = f"--memory {memory_text(asked)} raises nothing: no step of this plan has a limit below that"
    raise UsageError(message, "leave it out; a step's own limit is @pipeline.step(memory=…)")


def refuse_memory_without_processes(planned: Planned, executor: str) -> None:
    """Threads share what they take."""
    if planned.plan.request.memory_bytes is not None and executor != HOLDS_LIMITS:
        message = f"--memory is for worker processes: the executor {executor} cannot hold an attempt to a limit"
        raise UsageError(message, f"run it with --executor {HOLDS_LIMITS}")


def unheld(planned: Planned, executor: str) -> str:
    """What a person should know of an executor that cannot hold the steps to their limits; nothing where it can."""
    names = ", ".join(limited(planned))
    if not names or executor == HOLDS_LIMITS:
        return ""
    return f"the executor {executor} holds nobody to a memory limit; worker processes do: {names}"


def _in_order(steps: list[Step[..., object]]) -> list[Step[..., object]]:
    return sorted(steps, key=lambda step: step.name)
