"""`recoup completion`: what a shell needs to complete commands, options, and the names of a project."""

from __future__ import annotations

import sys
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from recoup.cli.dispatch import build
from recoup.cli.options import Common
from recoup.cli.output import Answer

_USUAL = Common()
_PLACES: Final = {
    "bash": "~/.local/share/bash-completion/completions/recoup",
    "zsh": '"${fpath[1]}/_recoup"',
    "fish": "~/.config/fish/completions/recoup.fish",
}


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Which shell.")],
    /,
    *,
    common: Common = _USUAL,
) -> Answer:
    """Print the script that completes commands, options, pipelines, steps and backfills in a shell."""
    del common  # its flags are taken, as everywhere
    script = build().generate_completion(shell=shell)
    place = f"recoup completion {shell} > {_PLACES[shell]}"
    # A start-up file that sources this must not talk to every new shell.
    return Answer(
        "completion",
        {"shell": shell, "script": script},
        lambda _view: script.splitlines(),
        next=place if sys.stdout.isatty() else "",
    )
