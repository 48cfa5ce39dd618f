"""A list of which only the rows on the screen are drawn, however many there are, with a cursor."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget


class Listing(Widget, can_focus=True):
    """Rows by their number; what is a row is said by those that build on this."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000000)", "First", show=False),
        Binding("end,G", "move(1000000000)", "Last", show=False),
    ]
    HEADING = 0  # rows above the list

    cursor: reactive[int] = reactive(0, repaint=False)
    top = 0  # the first row that is drawn

    class Moved(Message):
        """The cursor is elsewhere, or other rows are on the screen."""

        def __init__(self, listing: Listing) -> None:
            super().__init__()
            self.listing = listing

        @property
        def control(self) -> Listing:
            return self.listing

    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def row(self, index: int) -> Text:
        """What is in a row."""
        raise NotImplementedError

    def heading(self) -> Text:
        """What is above the list."""
        return Text()

    @property
    def room(self) -> int:
        """How many rows are on the screen."""
        return max(1, self.size.height - self.HEADING)

    def drawn(self) -> range:
        """The numbers of the rows on the screen."""
        return range(self.top, min(self.count(), self.top + self.room))

    def move_to(self, index: int) -> None:
        """Put the cursor on a row, and that on the screen."""
        self.cursor = max(0, min(index, self.count() - 1))
        self.top = max(0, min(self.top, self.cursor, self.count() - self.room))
        self.top = max(self.top, self.cursor - self.room + 1)
        self.refresh()
        self.post_message(self.Moved(self))

    def action_move(self, rows: int) -> None:
        self.move_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        self.move_to(self.cursor + pages * max(1, self.room - 1))

    def refresh_row(self, index: int) -> None:
        """Draw one row anew, if it is on the screen."""
        if index in self.drawn():
            self.refresh(Region(0, self.HEADING + index - self.top, self.size.width, 1))

    def on_resize(self) -> None:
        self.move_to(self.cursor)

    def on_click(self, event: events.Click) -> None:
        index = self.top + event.y - self.HEADING
        if event.y >= self.HEADING and index < self.count():
            self.move_to(index)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move_to(self.cursor - 3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move_to(self.cursor + 3)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        index = self.top + y - self.HEADING
        if y < self.HEADING:
            return self._strip(self.heading(), width)
        if index >= self.count():
            return Strip.blank(width, self.rich_style)
        strip = self._strip(self.row(index), width)
        if index != self.cursor:
            return strip
        return strip.apply_style(Style(reverse=True) if self.has_focus else Style(bold=True, underline=True))

    def _strip(self, text: Text, width: int) -> Strip:
        return Strip(text.render(self.app.console)).apply_style(self.rich_style).crop_extend(0, width, self.rich_style)
