"""The few lines at the bottom of the terminal: what is being written, how it stands, and what is typed.

All that knows prompt_toolkit. Enter sends, Alt-Enter begins a new line; what is pasted comes whole.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import ConditionalContainer, Dimension, HSplit, Layout, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output.vt100 import Vt100_Output

from swarm_store.conversation import Approval
from swarm_store.errors import SwarmError

from .dialogue import ANSWERS, DETACH, EDIT, NOTHING, YES, Typed, meaning

if TYPE_CHECKING:
    from .conversation import Viewer

PROMPT, EDITING = "> ", "edit> "
EDIT_HINT = "Enter lets it do that instead, Ctrl-C leaves the question open"
MOST_TYPED = 6  # lines of it that are seen


class Screen:
    """Shows a viewer's state, and hands it what is typed."""

    def __init__(self, viewer: Viewer, detach_keys: bytes) -> None:
        self._viewer = viewer
        self._edited: Approval | None = None  # whose input is in the line
        self._asked: str | None = None  # the approval that was shown when the line was begun, or ""
        self._error: SwarmError | None = None
        self._buffer = Buffer(
            multiline=True,
            history=InMemoryHistory(),
            read_only=Condition(lambda: viewer.read_only),
            on_text_changed=lambda buffer: self._changed(),
        )
        output = Vt100_Output(sys.stdout, _size, enable_cpr=False)  # not every terminal answers where its cursor is
        self._app: Application[None] = Application(
            layout=Layout(self._lines()), key_bindings=self._keys(detach_keys), erase_when_done=True, output=output
        )

    def _lines(self) -> HSplit:
        live = Window(FormattedTextControl(self._live), dont_extend_height=True)
        status = Window(FormattedTextControl(self._status), height=1)
        prompt = BeforeInput(lambda: EDITING if self._edited else PROMPT)
        typed = Window(
            BufferControl(self._buffer, input_processors=[prompt]),
            height=Dimension(min=1, max=MOST_TYPED),
            wrap_lines=True,
            dont_extend_height=True,
        )
        is_live = Condition(lambda: bool(self._live()))
        return HSplit([ConditionalContainer(live, is_live), status, typed])

    def _live(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        lines = self._viewer.written.lines(self._viewer.name, size.columns - 1, max(size.rows // 2, 3))
        return [("", "\n".join(lines))] if lines else []

    def _status(self) -> StyleAndTextTuples:
        style = "bold fg:ansiyellow" if self._viewer.asked else "fg:ansibrightblack"
        text = self._viewer.note or (EDIT_HINT if self._edited else self._viewer.status())
        return [(style, text)]

    async def shown(self) -> None:
        """Until somebody leaves. Raises what the viewer left with."""
        await self._app.run_async()
        if self._error is not None:
            raise self._error

    def write(self, lines: list[str]) -> None:
        """Print whole lines above all that."""
        if not lines:
            return
        text = "\n".join(lines) + "\n"
        if self._app.is_running:
            run_in_terminal(lambda: _write(text))
        else:
            _write(text)

    def refresh(self) -> None:
        self._app.invalidate()

    def leave(self, error: SwarmError | None = None) -> None:
        """Leave the screen, with an error if there is one."""
        self._error = error
        if self._app.is_running and not self._app.is_done:
            self._app.exit()

    # -- keys

    def _keys(self, detach_keys: bytes) -> KeyBindings:
        keys = KeyBindings()
        keys.add("enter")(lambda event: self._entered())
        keys.add("escape", "enter")(lambda event: self._buffer.insert_text("\n"))
        keys.add("c-c")(lambda event: self._cancelled())
        keys.add("c-d")(self._ended)
        if detach_keys:
            keys.add(*map(_name, detach_keys))(lambda event: self.leave())
        return keys

    def _ended(self, event: KeyPressEvent) -> None:
        if self._buffer.text:
            self._buffer.delete()
        else:
            self.leave()

    def _cancelled(self) -> None:
        if self._edited is not None or self._buffer.text:
            self._edited = None
            self._clear()
        else:
            self._viewer.interrupt()

    def _clear(self, *, keep: bool = False) -> None:
        """An empty line again; what was in it is one of those that the arrow keys bring back, if it is to be kept."""
        self._buffer.reset(append_to_history=keep)
        self._asked = None  # a reset is no change of the text

    def _changed(self) -> None:
        if not self._buffer.text:
            self._asked = None
        elif self._asked is None:
            self._asked = self._viewer.asked["id"] if self._viewer.asked else ""

    def _entered(self) -> None:
        text = self._buffer.text
        if self._edited is not None:
            self._answer_edited(self._edited, text)
            return
        asked = self._viewer.asked["id"] if self._viewer.asked else ""
        wish = meaning(text, is_asked=bool(asked))
        if wish.what in ANSWERS and self._asked != asked:
            self._asked = asked
            self._viewer.note = f"{self._viewer.question()}   asked since you began to type: Enter answers it"
            self.refresh()
            return
        self._clear(keep=wish.what != NOTHING)
        if wish.what == DETACH:
            self.leave()
        elif wish.what == EDIT:
            self._edit()
        else:
            self._viewer.do(wish)

    def _edit(self) -> None:
        asked = self._viewer.asked
        if asked is None or not asked["editable"]:
            self._viewer.note = "this agent cannot be given another input"
            self.refresh()
            return
        self._edited = asked
        self._buffer.insert_text(json.dumps(asked["input"], ensure_ascii=False))

    def _answer_edited(self, asked: Approval, text: str) -> None:
        try:
            given = json.loads(text)
        except ValueError as error:
            given = error
        if not isinstance(given, dict):
            self._viewer.note = f"that is no JSON object{f': {given}' if isinstance(given, ValueError) else ''}"
            self.refresh()
            return
        self._edited = None
        self._clear()
        self._viewer.answer(asked, Typed(YES), given)


def _name(key: int) -> str:
    """What prompt_toolkit calls the key that sends this byte."""
    return "escape" if key == 27 else f"c-{chr(key + 64).lower()}" if key < 32 else chr(key)


def _size() -> Size:
    columns, rows = os.get_terminal_size()
    return Size(rows=rows, columns=columns)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
