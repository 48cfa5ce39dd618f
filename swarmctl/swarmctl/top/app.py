"""The screen of `swarmctl top`: the agents, a pane with one agent's output, facts or all events, the keys."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import ClassVar, TypeVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Button, ContentSwitcher, Footer, Input, Static

from swarm_store.errors import SwarmError
from swarm_store.events import REGISTRY

from . import picture
from .about import About
from .agents import AgentTable
from .bar import PaneBar
from .events import Timeline
from .listing import Listing
from .output import OutputPane
from .source import Source, Stopped
from .steering import Steering
from .watch import Glance, LinesWatch, News, OutputWatch, Piece, RegistryWatch, Watch

T = TypeVar("T")
SMALL = 20  # rows of a terminal below which the table and the pane take turns
HISTORY = 1000  # events of one agent that are shown


class Told(Message):
    """Something that a thread has to tell: what is to be done with it, in the screen's own thread."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act


class Top(App[None]):
    """The swarm of a source, live."""

    TITLE = "swarmctl top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #head { height: 1; text-style: bold; }
    #trouble { height: auto; max-height: 3; color: ansi_red; display: none; }
    #trouble.told { display: block; }
    #agents { height: 2fr; }
    #bar { height: 1; }
    #panes { height: 3fr; }
    #panes > * { height: 1fr; }
    #filter { display: none; height: 1; }
    .small #panes, .small #bar { display: none; }
    .small.pane #panes { display: block; height: 1fr; }
    .small.pane #bar { display: block; }
    .small.pane #agents { display: none; }
    .pane #agents { display: none; }
    ModalScreen { align: center middle; background: transparent; }
    .dialog { width: 90%; max-width: 76; height: auto; border: round ansi_default; padding: 0 1;
              background: ansi_default; }
    .dialog Horizontal { height: auto; margin-top: 1; }
    .dialog Button { margin-right: 2; }
    .hint { text-style: dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", priority=True),  # before what is typed after it
        Binding("enter", "open", "Open", show=False),
        Binding("escape", "leave", "Back", show=False),
        Binding("1", "pane('output')", "Output", show=False),
        Binding("2", "pane('about')", "Agent", show=False),
        Binding("3", "pane('events')", "Events", show=False),
        Binding("z", "zoom", "Zoom"),
        Binding("n", "spawn", "New"),
        Binding("c", "cancel", "Cancel"),
        Binding("S", "signal", "Signal"),
        Binding("r", "restart", "Restart"),
        Binding("y", "answer('approve')", "Approve", show=False),
        Binding("D", "answer('deny')", "Deny", show=False),
        Binding("q,ctrl+c", "quit", "Quit"),
    ]

    def __init__(self, source: Source, *, ended: bool) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours, so that light stays light; NO_COLOR takes all
        self.theme = "ansi-dark"
        self.failure: SwarmError | None = None
        self._source = source
        self._ended = ended
        self._troubles: dict[str, str] = {}
        self._agents = RegistryWatch(source, self._trouble("registry"), self._tells(self._news), ended=ended)
        self._lines = LinesWatch(source, self._trouble("lines"), self._tells(self._glances))
        self._output = OutputWatch(source, self._trouble("output"), self._tells(self._piece))
        self._steering = Steering(self, source)
        self._shown = ""  # the id of the agent that the panes are about
        self._is_loaded = False
        self._head = Text()

    @property
    def _main(self) -> Screen[object]:
        """The screen below whatever is asked."""
        return self.screen_stack[0]

    # The screen

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="trouble", markup=False)
        yield AgentTable(ended=self._ended)
        yield PaneBar(id="bar", markup=False)
        with ContentSwitcher(initial="output", id="panes"):
            yield OutputPane(self._output.show)
            yield About()
            yield Timeline(self._name_of)
        yield Input(placeholder="part of an id, name, state, label or command", id="filter", compact=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.table = self._main.query_one(AgentTable)
        self.pane = self._main.query_one(OutputPane)
        self.about = self._main.query_one(About)
        self.timeline = self._main.query_one(Timeline)
        self.table.focus()
        self._say()
        for watch in (self._agents, self._lines, self._output):
            self._start(watch)
        self.set_interval(1.0, self.table.tick)
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.exit)

    def _start(self, watch: Watch) -> None:
        self.run_worker(lambda: self._run(watch), thread=True)

    def _run(self, watch: Watch) -> None:
        try:
            watch.run()
        except SwarmError as error:
            self.failure = error
            self.post_message(Told(self.exit))

    def on_unmount(self) -> None:
        for watch in (self._agents, self._lines, self._output):
            watch.stop()

    def on_resize(self, event: Resize) -> None:
        self._main.set_class(event.size.height < SMALL, "small")

    def _say(self) -> None:
        """The lines above the table and above the pane."""
        table = self.table
        counts = picture.summary(table.known.values()) if self._is_loaded else "reading…"
        chosen = f"  filter: {table.words}" if table.words else ""
        head = Text(f"swarmctl top  {counts or 'no agents'}{chosen}", no_wrap=True, overflow="ellipsis", end="")
        head.append(f"  {self._source.where}", "dim")
        if head != self._head:
            self._head = head
            self._main.query_one("#head", Static).update(head)
        one = table.known.get(self._shown)
        pane = self._main.query_one(ContentSwitcher).current or ""
        about = (
            ""
            if one is None or pane == "events"
            else f"{one.name or one.id}  {self._how() if pane == 'output' else ''}"
        )
        self._main.query_one(PaneBar).show(pane, about)

    def _how(self) -> str:
        if not self.pane.is_followed:
            return "scrolled back: f follows"
        return "live: more comes than is shown, scroll back for all" if self.pane.left_out else "live"

    def _name_of(self, agent_id: str) -> str:
        one = self.table.known.get(agent_id)
        return one.title if one else agent_id

    # What the threads tell

    def _tells(self, take: Callable[[T], None]) -> Callable[[T], None]:
        def tell(news: T) -> None:
            self.post_message(Told(lambda: take(news)))

        return tell

    def _trouble(self, who: str) -> Callable[[str], None]:
        return self._tells(lambda words: self._have_trouble(who, words))

    def on_told(self, told: Told) -> None:
        told.act()

    def _have_trouble(self, who: str, words: str) -> None:
        self._troubles[who] = words
        told = next((one for one in self._troubles.values() if one), "")
        line = self._main.query_one("#trouble", Static)
        line.update(told)
        line.set_class(bool(told), "told")

    def _news(self, news: News) -> None:
        self._is_loaded = True
        self.table.learn(news.agents, whole=news.whole)
        self.timeline.learn(news.events, whole=news.whole)
        if self._shown in news.agents or news.whole:
            self._look_up()
        self._say()

    def _glances(self, glances: list[Glance]) -> None:
        for glance in glances:
            known = self.table.known.get(glance.agent_id)
            if known is not None and glance.agent is not None:
                known = picture.seen(glance.agent, known)
            if known is not None:
                self.table.glance(picture.with_output(known, glance.chunks))
        self._say()

    def _piece(self, piece: Piece) -> None:
        self.pane.take(piece)

    # What follows what

    @on(Listing.Moved, "#agents")
    def _follow_cursor(self) -> None:
        self._lines.look_at(self.table.on_screen())
        one = self.table.selected
        if one is not None and one.id != self._shown:
            self._shown = one.id
            self.pane.show(one.id)
            self._look_up()
            self._say()

    @on(OutputPane.Changed)
    def _output_changed(self) -> None:
        self._say()

    def _look_up(self) -> None:
        """Read anew what is known of the agent that is shown, if that is on the screen."""
        if self._main.query_one(ContentSwitcher).current == "about" and self._shown:
            self.run_worker(self._read_about, thread=True, exclusive=True, group="about")

    def _read_about(self) -> None:
        agent_id = self._shown
        connection = self._source.connect(lambda words: None)
        try:
            agent = connection.agent(agent_id)
            history = connection.read(REGISTRY, key=agent_id, limit=HISTORY, backwards=True)[::-1]
        except Stopped:
            return
        finally:
            connection.close()
        self.post_message(Told(lambda: self.about.show(agent, history)))

    # The keys

    def action_pane(self, pane: str) -> None:
        """Show a pane; where there is one already, it keeps the keys."""
        switcher = self._main.query_one(ContentSwitcher)
        has_keys = not self.table.has_focus
        switcher.current = pane
        if self._main.has_class("small"):
            self._main.add_class("pane")
            has_keys = True
        if has_keys:
            self._main.query_one(f"#{pane}").focus()
        self._look_up()
        self._say()

    def action_open(self) -> None:
        """Give the keys to the pane; on a small terminal it takes the table's place."""
        if self._main.has_class("small"):
            self._main.add_class("pane")
        self._main.query_one(f"#{self._main.query_one(ContentSwitcher).current}").focus()

    def action_leave(self) -> None:
        """From the pane or the filter to the table, from there to all agents."""
        line = self._main.query_one("#filter", Input)
        if self.table.has_focus or line.has_focus:
            line.value = ""
        line.display = False
        self._main.remove_class("pane")
        self.table.focus()

    def action_zoom(self) -> None:
        """Give the pane the whole screen, or the table its place again."""
        if self._main.has_class("pane"):
            self.action_leave()
        else:
            self._main.add_class("pane")
            self.action_open()

    @on(AgentTable.Ended)
    def _want_ended(self) -> None:
        self._agents.want_ended()

    def action_filter(self) -> None:
        line = self._main.query_one("#filter", Input)
        self._main.remove_class("pane")
        line.display = True
        self._main.set_focus(line)  # at once, so that what is typed next is typed there

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key does what it does: where text is typed, or something is asked, `/` is a character."""
        return action != "filter" or not isinstance(self.focused, Input | Button)

    @on(Input.Changed, "#filter")
    def _filter(self, event: Input.Changed) -> None:
        self.table.words = event.value
        self.table.choose()
        self._say()

    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        self._main.query_one("#filter", Input).display = False
        self.table.focus()

    # What is done to agents

    def action_spawn(self) -> None:
        self._steering.spawn()

    def action_cancel(self) -> None:
        if one := self.table.selected:
            self._steering.cancel(one)

    def action_signal(self) -> None:
        if one := self.table.selected:
            self._steering.signal(one)

    def action_restart(self) -> None:
        if one := self.table.selected:
            self._steering.restart(one)

    def action_answer(self, verb: str) -> None:
        if one := self.table.selected:
            self._steering.answer(one, verb)
