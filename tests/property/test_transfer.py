"""An export taken in is the log that it was made of: but for positions, whatever happened in it."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.facts import life
from swarm_store import health, registry
from swarm_store.errors import SwarmError
from swarm_store.events import Event, agent_stream, inbox_stream, output_written
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Producer
from swarm_store.transfer import export, take_in

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("life"), st.integers(0, 5), st.sampled_from(["completed", "failed", "cancelled"])),
        st.tuples(st.just("output"), st.integers(0, 5), st.binary(min_size=1, max_size=300)),
        st.tuples(st.just("asked"), st.integers(0, 5), st.dictionaries(st.text(), JSON, max_size=3)),
        st.tuples(st.just("other"), st.integers(0, 5), st.dictionaries(st.text(), JSON, max_size=3)),
    ),
    max_size=30,
)


def play(log: Log, steps: list[tuple[str, int, Any]]) -> None:
    """Write a log; an agent's id is used once."""
    ends: dict[int, int] = {}
    lived: set[int] = set()
    for kind, number, what in steps:
        agent = f"agent{number}"
        if kind == "life" and number not in lived:
            lived.add(number)
            registry.publish(log, *life(agent, name=agent, outcome=what))
        elif kind == "output":
            event = output_written("stdout", 1, ends.get(number, 0), what)
            ends[number] = event.data["end"]
            log.append(agent_stream(agent), [event], producer=Producer("run-1/stdout", 0, event.data["end"]))
        elif kind == "asked":
            log.append(inbox_stream(agent), [Event("any:thing", what, agent, None)])
        elif kind == "other":
            log.append("elsewhere", [Event("any:thing", what, None, None)])


def records(lines: list[str]) -> list[dict[str, Any]]:
    """What is to be equal: all but the header and positions."""
    made = [json.loads(line) for line in lines[1:]]
    return [{key: value for key, value in record.items() if key != "position"} for record in made]


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_a_round_trip_is_exact(steps: list[tuple[str, int, Any]]) -> None:
    """Exported, imported into an empty log and exported again: the same records; agents as they were; a sound log."""
    with tempfile.TemporaryDirectory() as place:
        homes = [Home(str(Path(place) / name)) for name in ("one", "two")]
        with Log(homes[0]) as one, Log(homes[1]) as two:
            play(one, steps)
            lines = list(export(one))
            take_in(two, io.BytesIO("".join(lines).encode()))
            assert records(list(export(two))) == records(lines)
            assert registry.agents(two, ended=True) == registry.agents(one, ended=True)
            assert health.integrity(two) == [] and health.differing(two) == []


@settings(max_examples=25, deadline=None)
@given(STEPS, st.data())
def test_a_damaged_export_is_refused_whole(steps: list[tuple[str, int, Any]], data: st.DataObject) -> None:
    """An export of which something was cut out is taken in, if it is one still, or refused with nothing written."""
    with tempfile.TemporaryDirectory() as place:
        homes = [Home(str(Path(place) / name)) for name in ("one", "two")]
        with Log(homes[0]) as one, Log(homes[1]) as two:
            play(one, steps)
            raw = "".join(export(one)).encode()
            cut = data.draw(st.integers(0, len(raw) - 1))
            length = data.draw(st.integers(1, 200))
            try:
                take_in(two, io.BytesIO(raw[:cut] + raw[cut + length :]))
            except SwarmError:
                assert two.position() == 0
            assert health.integrity(two) == [] and health.differing(two) == []
