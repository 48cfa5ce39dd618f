"""Wake-ups: ringing, sleeping, and leaving nothing behind."""

from __future__ import annotations

import os

import pytest

from support.facts import note
from support.programs import Program, run
from swarm_store.bells import ALL, Bell, ring, sweep, wait
from swarm_store.errors import LogUnusable
from swarm_store.home import Home
from swarm_store.log import Log

LISTENER = """
from swarm_store.bells import Bell, wait
bell = Bell(home, sys.argv[1])
say("listening")
say(wait([bell], 60))
bell.close()
"""


@pytest.fixture(autouse=True)
def prepared(home: Home) -> None:
    """Bells hang in a directory of the home."""
    home.prepare()


def test_a_ring_wakes_a_sleeping_process(home: Home) -> None:
    """A process that sleeps on a bell wakes when another rings it."""
    with Program(home, LISTENER, "agents/a") as listener:
        assert listener.line() == "listening"
        ring(home, ["agents/a"])
        assert listener.end() == "True\n"


def test_a_ring_wakes_every_listener(home: Home) -> None:
    """Several listeners of one stream, in one process or more, all wake."""
    bells = [Bell(home, "s") for _ in range(3)]
    run(home, "from swarm_store.bells import ring; ring(home, ['s'])")
    assert [wait([bell], 0) for bell in bells] == [True] * 3
    for bell in bells:
        bell.close()


def test_a_ring_is_heard_once(home: Home) -> None:
    """Many rings before the sleep are one wake, and then there is silence."""
    with Bell(home, "s") as bell:
        assert not wait([bell], 0)
        for _ in range(3):
            ring(home, ["s"])
        assert wait([bell], 0)
        assert not wait([bell], 0)


def test_a_ring_before_the_sleep_is_not_lost(home: Home) -> None:
    """Whoever listens before reading misses nothing that comes while it reads."""
    with Bell(home, "s") as bell:
        ring(home, ["s"])
        assert wait([bell], 60)


def test_only_the_rung_bell_wakes(home: Home) -> None:
    """A ring of another stream, or of one with a similar name, wakes nobody else; one of several bells is enough."""
    names = ["agents/a", "agents/b", "agents%2Fa", "agents", ALL]
    bells = {name: Bell(home, name) for name in names}
    for name in names:
        ring(home, [name])
        assert [one for one in names if wait([bells[one]], 0)] == [name]
    ring(home, ["agents"])
    assert wait(bells.values(), 0)
    assert not wait(bells.values(), 0)
    for bell in bells.values():
        bell.close()


def test_a_listener_that_does_not_answer_costs_nothing(home: Home) -> None:
    """Rings for a sleeper that never wakes neither block nor raise once its pipe is full, and it still wakes."""
    with Bell(home, "s") as bell:
        with pytest.raises(BlockingIOError):
            while True:
                os.write(bell.file, bytes(4096))
        ring(home, ["s"])
        assert wait([bell], 0)
        assert not wait([bell], 0)


def test_no_listener_costs_no_file(home: Home, log: Log) -> None:
    """Writing to streams that nobody listens to makes nothing in the bells' directory."""
    log.append("agents/a", [note(1)])
    assert os.listdir(home.bells) == []


def test_nothing_is_left_of_a_listener(home: Home) -> None:
    """The last of several listeners takes the bell's directory away; until then the others hear."""
    first, second = Bell(home, "s"), Bell(home, "s")
    first.close()
    ring(home, ["s"])
    assert wait([second], 0)
    second.close()
    assert os.listdir(home.bells) == []


def test_a_dead_listener_is_swept_by_the_next_ring(home: Home) -> None:
    """What a killed listener leaves is removed by the writer, without touching the living."""
    with Program(home, LISTENER, "s") as listener, Bell(home, "s") as living:
        assert listener.line() == "listening"
        listener.kill()
        (directory,) = os.listdir(home.bells)
        assert len(os.listdir(os.path.join(home.bells, directory))) == 2
        ring(home, ["s"])
        assert len(os.listdir(os.path.join(home.bells, directory))) == 1
        assert wait([living], 0)
    assert os.listdir(home.bells) == []


def test_dead_listeners_are_swept_without_a_ring(home: Home) -> None:
    """What killed listeners leave where nobody rings any more is removed; who lives hears nothing of it."""
    with Program(home, LISTENER, "agents/a") as one, Program(home, LISTENER, "agents/b") as other:
        for listener in (one, other):
            assert listener.line() == "listening"
        one.kill()
        other.kill()
        half_made = os.path.join(home.bells, "agents%2Fb", f".{other.pid}.2")
        os.mkfifo(half_made)
        with Bell(home, "agents/b") as bell:
            sweep(home)
            assert os.listdir(home.bells) == ["agents%2Fb"]
            assert len(os.listdir(os.path.join(home.bells, "agents%2Fb"))) == 1
            assert not wait([bell], 0)
            ring(home, ["agents/b"])
            assert wait([bell], 10)
    assert os.listdir(home.bells) == []


def test_a_bell_of_dead_listeners_alone_is_taken_down(home: Home) -> None:
    """The directory goes with the last dead listener in it."""
    with Program(home, LISTENER, "s") as listener:
        assert listener.line() == "listening"
        listener.kill()
    ring(home, ["s"])
    assert os.listdir(home.bells) == []


def test_what_a_dead_process_with_our_pid_left_is_no_obstacle(home: Home) -> None:
    """A half-made listener of the same name is replaced."""
    with Bell(home, "s") as probe:
        directory = os.path.dirname(probe._path)
        count = int(probe._path.rpartition(".")[2])
        os.mkfifo(os.path.join(directory, f".{os.getpid()}.{count + 1}"))
        with Bell(home, "s") as bell:
            ring(home, ["s"])
            assert wait([bell], 0)
    assert os.listdir(home.bells) == []


def test_every_append_rings_its_stream_and_the_whole_log(home: Home, log: Log) -> None:
    """A commit rings each stream it wrote and the bell of all; one that fails, or writes nothing, rings none."""
    bells = [Bell(home, name) for name in ("a", "b", "c", ALL)]
    with log.transaction() as transaction:
        transaction.append("a", [note(1)])
        transaction.append("b", [note(2)])
        assert not wait(bells, 0), "rung before the commit"
    assert [wait([bell], 0) for bell in bells] == [True, True, False, True]
    with pytest.raises(RuntimeError), log.transaction() as transaction:
        transaction.append("a", [note(3)])
        raise RuntimeError
    with log.transaction():
        pass
    assert not wait(bells, 0)
    for bell in bells:
        bell.close()


def test_a_ring_never_raises(home: Home) -> None:
    """Whatever stands where a listener should be, or is missing, the commit has happened and the writer goes on."""
    os.mkdir(os.path.join(home.bells, "s"))
    os.mkdir(os.path.join(home.bells, "s", "1.1"))
    os.symlink("/nowhere", os.path.join(home.bells, "s", "2.2"))
    ring(home, ["s", "x" * 300])
    os.rename(home.bells, home.bells + "-gone")
    ring(home, ["s"])


def test_where_no_bell_can_hang_it_is_said(home: Home) -> None:
    """A bells directory that is none is a clear error for the listener."""
    os.rmdir(home.bells)
    with open(home.bells, "w"):
        pass
    with pytest.raises(LogUnusable, match="cannot listen"):
        Bell(home, "s")


def test_listeners_come_and_go_while_others_ring(home: Home) -> None:
    """Ringing while listeners appear and vanish beside one that stays neither fails nor leaves anything behind."""
    ringer = """
from swarm_store.bells import ring
say("ringing")
while os.path.exists(sys.argv[1]):
    ring(home, ["s"])
"""
    flag = os.path.join(home.path, "flag")
    with open(flag, "w"):
        pass
    with Program(home, ringer, flag) as program, Bell(home, "s"):
        assert program.line() == "ringing"
        for _ in range(300):
            with Bell(home, "s") as bell:
                assert wait([bell], 30)
        os.unlink(flag)
        program.end()
    assert os.listdir(home.bells) == []
