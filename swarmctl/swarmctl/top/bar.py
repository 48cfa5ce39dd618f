"""The line between the table and the pane."""

from __future__ import annotations

from rich.text import Text
from textual.events import Click
from textual.widgets import Static

PANES = ("output", "about", "events")


class PaneBar(Static):
    """The names of the panes, and what the one that is shown is about."""

    def show(self, pane: str, about: str) -> None:
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        for number, name in enumerate(PANES, 1):
            text.append(f" {number} {name} ", "reverse bold" if name == pane else "")
        text.append(f"  {about}")
        self.update(text)

    def on_click(self, event: Click) -> None:
        at = 0
        for number, name in enumerate(PANES, 1):
            at += len(f" {number} {name} ")
            if event.x < at:
                self.app.call_later(self.app.run_action, f"pane({name!r})")
                return
