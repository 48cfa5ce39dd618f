"""The table of agents: what is known of them comes here, and what is chosen of it is drawn."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from swarm_store.clock import now
from swarm_store.fold import Agent

from . import picture
from .listing import Listing
from .picture import Seen


class AgentTable(Listing):
    """The agents; the cursor stays with its agent when the others move."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "toggle_ended", "Ended too"),
        Binding("s", "next_sort", "Sort"),
        Binding("R", "turn", "Turn the order", show=False),
    ]
    HEADING = 1

    class Ended(Message):
        """The ended ones are to be shown too."""

    def __init__(self, *, ended: bool) -> None:
        super().__init__(id="agents")
        self.ended = ended
        self.words = ""
        self.sort = picture.SORTS[0]
        self.backwards = False
        self.known: dict[str, Seen] = {}
        self._shown: list[Seen] = []
        self._place: dict[str, int] = {}
        self._ages: list[str] = []
        self._selected = ""

    def count(self) -> int:
        return len(self._shown)

    def row(self, index: int) -> Text:
        return picture.cells(self._shown[index], picture.columns(self.size.width), now())

    def heading(self) -> Text:
        return picture.heading(picture.columns(self.size.width), self.sort, self.backwards)

    @property
    def selected(self) -> Seen | None:
        """The agent under the cursor."""
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    def on_screen(self) -> list[str]:
        """The ids of the agents that are drawn."""
        return [self._shown[index].id for index in self.drawn()]

    def learn(self, agents: dict[str, Agent | None], *, whole: bool) -> None:
        """Take up what is new of the registry; `whole`: and forget what is not in it."""
        before = self.known
        if whole:
            self.known = {}
        for agent_id, agent in agents.items():
            if agent is None:
                self.known.pop(agent_id, None)
            else:
                self.known[agent_id] = picture.seen(agent, before.get(agent_id))
        self.choose()

    def glance(self, one: Seen) -> None:
        """Take up what an agent shows beyond the registry; the rows stay in their order."""
        self.known[one.id] = one
        index = self._place.get(one.id)
        if index is not None:
            self._shown[index] = one
            self.refresh_row(index)

    def choose(self) -> None:
        """Choose and sort anew."""
        self._shown = picture.chosen(
            self.known.values(),
            ended=self.ended,
            words=self.words,
            sort=self.sort,
            backwards=self.backwards,
            kept=self._selected,  # whoever is looked at does not vanish when it ends
        )
        self._place = {one.id: index for index, one in enumerate(self._shown)}
        self.move_to(self._place.get(self._selected, self.cursor))

    def move_to(self, index: int) -> None:
        super().move_to(index)
        self._selected = self.selected.id if self.selected else self._selected

    def tick(self) -> None:
        """Draw the rows anew whose age is another."""
        time, drawn = now(), self.drawn()
        ages = [picture.age(self._shown[index], time) for index in drawn]
        if len(ages) != len(self._ages):
            self.refresh()
        else:
            for index, old, new in zip(drawn, self._ages, ages, strict=True):
                if old != new:
                    self.refresh_row(index)
        self._ages = ages

    def sort_by(self, sort: str) -> None:
        """Sort by that; again turns the order."""
        self.backwards = not self.backwards if sort == self.sort else False
        self.sort = sort
        self.choose()

    def action_toggle_ended(self) -> None:
        self.ended = not self.ended
        if self.ended:
            self.post_message(self.Ended())
        self.choose()

    def action_next_sort(self) -> None:
        place = picture.SORTS.index(self.sort)
        self.backwards = False
        self.sort = picture.SORTS[(place + 1) % len(picture.SORTS)]
        self.choose()

    def action_turn(self) -> None:
        self.sort_by(self.sort)

    def on_click(self, event: events.Click) -> None:
        if event.y >= self.HEADING:
            return super().on_click(event)
        left = event.x
        for column in picture.columns(self.size.width):
            if left <= column.width:
                return self.sort_by(column.sort)
            left -= column.width + 1
        return None
