"""The pane of one agent's output: live at its end, or scrolled back as far as its first byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from .watch import Piece, Wish
from .window import Row, Window

MARKS = {"stdout": (" ", ""), "stderr": ("┃", "red"), "": (" ", "")}


class OutputPane(Widget, can_focus=True):
    """Shows what the window holds, and wishes for more where it ends."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", "Page down", show=False),
        Binding("home,g", "first", "First byte"),
        Binding("end,G,f", "follow", "Follow"),
    ]

    class Changed(Message):
        """Something else is shown, or it is followed (no more)."""

    def __init__(self, wish: Callable[[str, Wish, int], None]) -> None:
        super().__init__(id="output")
        self._wish = wish
        self._window = Window(80)
        self._top = 0
        self._agent_id = ""
        self._is_wishing = False
        self.is_followed = True
        self.left_out = False  # more came than was shown

    def show(self, agent_id: str) -> None:
        """Show the end of an agent's output, and follow it."""
        if agent_id != self._agent_id:
            self._agent_id = agent_id
            self._window.replace([])
            self.action_follow()

    def take(self, piece: Piece) -> None:
        """Take up a piece that has come."""
        if piece.agent_id != self._agent_id or (piece.what in ("more", "skip") and not self.is_followed):
            return
        window = self._window
        place = window.place(self._top) if window.rows else None
        if piece.what == "before":
            window.prepend(piece.chunks)
        elif piece.what in ("after", "more"):
            window.append(piece.chunks)
        else:
            window.replace(piece.chunks)
            place = None
        self._top = window.find(place) if place else 0
        self._is_wishing = False
        self.left_out = self.is_followed and (piece.what == "skip" or (piece.what == "more" and self.left_out))
        self._settle()
        if piece.what == "after" and piece.is_newest and self._top >= self._bottom():
            self.action_follow()

    def action_scroll(self, rows: int) -> None:
        """Move through the output; up leaves its end, down to its end follows it again."""
        if rows > 0 and self.is_followed:
            return
        if self.is_followed:
            self.is_followed = self.left_out = False
            self._wish(self._agent_id, "hold", 0)
        self._top += rows
        self._settle()
        chunks, room = self._window.chunks, self.size.height
        if rows < 0 and self._top < room and chunks and chunks[0].offset > 0:
            self._wish_for("before", chunks[0].offset)
        elif rows > 0 and self._top + room > self._bottom():
            self._wish_for("after", chunks[-1].offset + 1 if chunks else 0)

    def action_page(self, pages: int) -> None:
        self.action_scroll(pages * max(1, self.size.height - 1))

    def action_first(self) -> None:
        """Go to the first byte."""
        self.is_followed = False
        self._wish_for("first", 0)

    def action_follow(self) -> None:
        """Go to the end, and follow."""
        self.is_followed = True
        self.left_out = False
        self._wish_for("end", 0)

    def on_resize(self) -> None:
        window = self._window
        place = window.place(self._top) if window.rows else None
        window.resize(max(1, self.size.width - 2))
        self._top = window.find(place) if place else 0
        self._settle()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_scroll(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_scroll(3)

    def render_line(self, y: int) -> Strip:
        width, index = self.size.width, self._top + y
        rows = self._window.rows
        if index >= len(rows):
            text = Text("no output yet", "dim") if not rows and y == 0 and self._agent_id else Text()
        else:
            text = self._marked(rows[index])
        return Strip(text.render(self.app.console)).apply_style(self.rich_style).crop_extend(0, width, self.rich_style)

    def _marked(self, row: Row) -> Text:
        mark, colour = MARKS[row.stream]
        marked = Text(end="")
        marked.append(mark, Style.parse(colour) if colour else None)
        marked.append_text(row.text)
        return marked

    def _bottom(self) -> int:
        """The first row on the screen when the last one is; the pane has no height while another is shown."""
        return max(0, len(self._window.rows) - max(1, self.size.height))

    def _settle(self) -> None:
        bottom = self._bottom()
        self._top = bottom if self.is_followed else max(0, min(self._top, bottom))
        self.refresh()
        self.post_message(self.Changed())

    def _wish_for(self, wish: Wish, offset: int) -> None:
        if self._agent_id and not (self._is_wishing and wish in ("before", "after")):
            self._is_wishing = True
            self._wish(self._agent_id, wish, offset)
