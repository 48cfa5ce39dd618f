"""Which agents `top` shows, in which order and in which words."""

from __future__ import annotations

import pytest

from swarm_store import events
from swarm_store.clock import SECOND
from swarm_store.events import Record
from swarm_store.fold import Agent, fold
from swarmctl.top import picture
from swarmctl.top.picture import Seen, chosen, seen


def agent(number: int, *, name: str | None = None, ended: bool = False, **said: object) -> Agent:
    """An agent that was spawned `number` seconds after the epoch."""
    spawned = {"name": name, "command": ["make", str(number)], "cwd": "/", **said}
    happened = [(events.AGENT_SPAWNED, spawned)]
    if ended:
        happened.append((events.AGENT_START_FAILED, {"outcome": "failed", "exit_code": 1, "reason": "no"}))
    id, time = f"id{number}", number * SECOND
    records = [Record(n, "registry", n, time, type, id, data, None) for n, (type, data) in enumerate(happened)]
    return fold(records)[id]


def shown(
    agents: list[Seen], *, ended: bool = False, words: str = "", sort: str = "newest", kept: str = ""
) -> list[str]:
    return [one.id for one in chosen(agents, ended=ended, words=words, sort=sort, backwards=False, kept=kept)]


AGENTS = [seen(one) for one in (agent(1, name="b"), agent(2, ended=True), agent(3, name="a", labels={"team": "web"}))]


def test_the_living_come_first() -> None:
    """The newest is first, and what has ended is below what lives, where it is shown at all."""
    assert shown(AGENTS) == ["id3", "id1"]
    assert shown(AGENTS, ended=True) == ["id3", "id1", "id2"]


def test_whoever_is_looked_at_stays() -> None:
    """An agent that ends while the cursor is on it does not vanish."""
    assert shown(AGENTS, kept="id2") == ["id3", "id1", "id2"]


def test_every_word_must_occur() -> None:
    """A filter's words are looked for in id, name, status, labels and command, in any order and case."""
    assert shown(AGENTS, words="WEB make") == ["id3"]
    assert shown(AGENTS, words="make nothing") == []
    assert shown(AGENTS, words="spawned") == ["id3", "id1"]


def test_sorting_by_name() -> None:
    """By name, those without one come last."""
    assert shown([*AGENTS, seen(agent(9))], sort="name") == ["id3", "id1", "id9"]


@pytest.mark.parametrize("width", range(1, 200, 7))
def test_a_row_fits(width: int) -> None:
    """Whatever the width, a row is as wide as its columns, and the last line has what is left."""
    layout = picture.columns(width)
    row = picture.cells(AGENTS[0], layout, 10 * SECOND)
    assert row.cell_len == sum(column.width + 1 for column in layout)
    if width >= 40:
        assert row.cell_len == width + 1  # the space after the last column falls off the edge


def test_the_last_line() -> None:
    """The last line that is not empty is shown, whichever stream it is of."""
    data = {"run": 1, "start": 0, "end": 9, "lines": 2}
    chunks = [
        Record(1, "agents/x", 0, 5, events.STDOUT_WRITTEN, None, data, b"first\nlast\n"),
        Record(2, "agents/x", 1, 7, events.STDERR_WRITTEN, None, data, b"\n\n"),
    ]
    one = picture.with_output(AGENTS[0], chunks)
    assert one.last is not None and one.last.plain == "last"
    assert (one.last_stream, one.last_time) == ("stdout", 5)


def test_runs() -> None:
    """Each run of an agent as it was at its end, the last one first."""
    spawned = {"name": None, "command": ["x"], "cwd": "/"}
    failed = {"outcome": "failed", "exit_code": 127, "reason": "not found"}
    again = {"run": 2, "reason": "request", "restarts": 0, "spawner": None}
    happened = [(events.AGENT_SPAWNED, spawned), (events.AGENT_START_FAILED, failed), (events.AGENT_RESTARTED, again)]
    history = [Record(n, "registry", n, 0, type, "x", data, None) for n, (type, data) in enumerate(happened)]
    assert [(run["run"], run["state"], run["exit_code"]) for run in picture.runs(history)] == [
        (2, "spawned", None),
        (1, "failed", 127),
    ]
