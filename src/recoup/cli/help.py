"""How `recoup COMMAND --help` looks: plain columns, like everything else that recoup prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recoup.cli.text import View

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_DULL = ("False", "None")


class PlainHelp:
    """What cyclopts calls for each part of a page."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """One panel: a title, and a line for each entry."""
        del options
        if not panel.entries:
            return
        lines = View(width=console.width).columns([_entry(entry) for entry in panel.entries], indent="  ")
        _print(console, "\n".join([f"{panel.title}".lower().replace("parameters", "options"), *lines, ""]))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        """The line on top."""
        del options
        text = str(usage).strip().removeprefix("Usage: ")
        _print(console, f"usage: {text}\n")

    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:
        """What the command is for."""
        del options
        if text := _text(description):
            _print(console, "\n".join([*View(width=console.width).columns([[text]]), ""]))


def _entry(entry: HelpEntry) -> list[str]:
    labels = entry.display_labels_with_metavar
    if entry.positional_label:
        labels = (entry.positional_label,)
    what = _text(entry.description)
    if entry.choices:
        what += f" One of {', '.join(entry.choices)}."
    if entry.default and entry.default not in _DULL:
        what += f" Default: {entry.default}."
    return [", ".join(labels), what]


def _text(description: object) -> str:
    text = getattr(
        description, "primary_renderable", description
    )  # cyclopts wraps rich's Text, rich's Text wraps a str
    return str(getattr(text, "plain", text) or "").strip()


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
