"""SIGKILL at any moment of writing: what was acknowledged is there, once, and the log goes on."""

from __future__ import annotations

import json
import random

from support.facts import is_dense, note, notes
from support.programs import Program, run
from swarm_store import health
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Producer

# Goes on after the last sequence that the log has, and says each before and after it is in.
WRITER = """
from swarm_store import transaction as module
module.CHECKPOINT_BYTES, module.CHECKPOINT_SECONDS = 1 << 17, 0
with Log(home) as log:
    n = log.sequence("s", "p")
    say("open", n)
    while True:
        n += 1
        chunk = output_written("stdout", 1, n, b"x" * (n * 997 % 20000))
        with log.transaction(durable=n % 7 == 0) as transaction:
            transaction.append("s", [note(n), chunk], producer=Producer("p", 0, n))
            transaction.append("t", [note(n)])
        say(n)
"""


def test_a_writer_is_killed_again_and_again(home: Home) -> None:
    """After each kill the log is sound, what was acknowledged is there, and the last one repeated is not doubled."""
    acknowledged = 0
    for _ in range(15):
        with Program(home, WRITER) as writer:
            word, begun = writer.line().split()
            assert (word, int(begun) >= acknowledged) == ("open", True)
            heard = [writer.line() for _ in range(random.randrange(40))]
            acknowledged = max(map(int, [begun, *heard, *writer.kill()]))
        with Log(home) as log:
            last = log.sequence("s", "p")
            assert last in (acknowledged, acknowledged + 1)
            if last:
                assert log.append("s", [note(last)], producer=Producer("p", 0, last)).duplicate
            records = log.read("s", limit=1 << 20)
            assert is_dense(records)
            assert notes(record for record in records if record.type == "note:taken") == list(range(1, last + 1))
            chunks = [record for record in records if record.payload is not None]
            assert [chunk.payload for chunk in chunks] == [b"x" * (n * 997 % 20000) for n in range(1, last + 1)]
            assert notes(log.read("t", limit=1 << 20)) == list(range(1, last + 1))
            assert health.integrity(log) == []


def test_a_killed_writer_does_not_harm_the_others(home: Home, log: Log) -> None:
    """While one process after another is killed, a writer that lives loses nothing and is never refused."""
    mine = 0
    for _ in range(8):
        with Program(home, WRITER) as victim:
            victim.line()
            for _ in range(random.randrange(10)):
                log.append("mine", [note(mine)])
                mine += 1
                victim.line()
            victim.kill()
        log.append("mine", [note(mine)])
        mine += 1
    assert notes(log.read("mine")) == list(range(mine))
    assert is_dense(log.read("s", limit=1 << 20))
    assert health.integrity(log) == []


# Forks a process for each statement of some work, which dies by SIGKILL just before that statement, and looks at the
# log afterwards; it says what it found after each death, and "whole" once the work has reached its end.
DYING = """
import json, signal, sqlite3
import swarm_store.schema
from swarm_store import health, opening, transaction as module
from swarm_store.log import Log
from swarm_store.home import Home
module.CHECKPOINT_BYTES = module.CHECKPOINT_SECONDS = 0

class Deadly(sqlite3.Connection):
    left = 1 << 30

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.set_trace_callback(self.count)

    @classmethod
    def count(cls, statement):
        cls.left -= 1
        if cls.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

connect = sqlite3.connect
def deadly_connect(*given, **named):
    return connect(*given, factory=Deadly, **named)

def die_at_each_statement(work, check):
    for n in range(1, 200):
        process = os.fork()
        if process == 0:
            opening.sqlite3 = type("driver", (), {"connect": staticmethod(deadly_connect), "Error": sqlite3.Error})
            work(n)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        assert status in (0, signal.SIGKILL), status
        say(json.dumps([status == 0, check()]))
        if status == 0:
            break
"""


def test_a_log_survives_the_death_of_its_maker(home: Home) -> None:
    """Killed before any statement of the creation, it leaves what the next process makes a whole log of."""
    code = """
places = (Home(os.path.join(home.path, str(n))) for n in range(200))

def work(n):
    Deadly.left = n
    Log(place).close()

def check():
    global place
    with Log(place) as log:
        log.append("s", [note(1)])
        found = [log.query("PRAGMA auto_vacuum")[0][0], log.query("PRAGMA journal_mode")[0][0],
                 len(log.read("s")), len(log.fact("log")), health.integrity(log)]
    place = next(places)
    return found

place = next(places)
die_at_each_statement(work, check)
"""
    deaths = [json.loads(line) for line in run(home, DYING + code).splitlines()]
    assert [finished for finished, _ in deaths] == [False] * (len(deaths) - 1) + [True]
    assert len(deaths) > 20
    assert [found for _, found in deaths] == [[2, "wal", 1, 36, []]] * len(deaths)


def test_a_transaction_is_whole_or_not_at_all(home: Home) -> None:
    """Killed before any statement of an append to two streams, both have it or neither; its retry comes once."""
    code = """
Log(home).close()

def append(log, n):
    with log.transaction() as transaction:
        transaction.append("s", [note(n)], producer=Producer("p", 0, n))
        transaction.append("t", [output_written("stdout", 1, n, b"x"), note(n)])

attempt = 0
def work(n):
    log = Log(home)
    Deadly.left = n
    append(log, n)

def check():
    global attempt
    attempt += 1
    with Log(home) as log:
        s = [record.data["n"] for record in log.read("s")]
        t = [record.data["n"] for record in log.read("t") if record.payload is None]
        if log.sequence("s", "p") < attempt:
            append(log, attempt)
        again = log.append("s", [note(attempt)], producer=Producer("p", 0, attempt)).duplicate
        return [s == t, len(s), again, [record.data["n"] for record in log.read("s")], health.integrity(log)]

die_at_each_statement(work, check)
"""
    deaths = [json.loads(line) for line in run(home, DYING + code).splitlines()]
    assert [finished for finished, _ in deaths] == [False] * (len(deaths) - 1) + [True]
    assert len(deaths) > 10
    for n, (_, (same, before, again, after, problems)) in enumerate(deaths, 1):
        assert (same, again, after, problems) == (True, True, list(range(1, n + 1)), [])
        assert before in (n - 1, n)
    committed = [before == n for n, (_, (_, before, *_)) in enumerate(deaths, 1)]
    assert committed == sorted(committed), "there is one statement from which on it is in the log"
    assert committed.count(True) >= 2, "it died between the commit and the checkpoint as well"
