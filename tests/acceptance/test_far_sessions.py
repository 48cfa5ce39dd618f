"""Sessions through a server: approvals, turns and what was said are as they are on the machine itself."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import hosted
from support.cli import Result, Swarm, output_of, read_until, swarm_in
from support.far import Far, far_from
from support.looking import until
from swarm_store.home import Home
from swarm_store.log import Log

# What is another each time: ids, times, ages, and by which token something was done.
NEW = (
    (re.compile(rb"\b[a-z0-9]{8}\b"), b"ID"),
    (re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+Z"), b"TIME"),
    (re.compile(rb'"(ID|offset)": \d+'), b"PLACE"),
    (re.compile(rb"\b\ds\b"), b"AGE"),
    (re.compile(rb" \(token admin\)"), b""),
    (re.compile(rb" +"), b" "),
)
Scenario = Callable[[Swarm], list[Result]]


@pytest.fixture
def far(swarm: Swarm) -> Iterator[Far]:
    """The command line at a distance from `swarm`."""
    with far_from(swarm) as far:
        yield far


@contextmanager
def log_of(swarm: Swarm) -> Iterator[Log]:
    """The log that a swarm's agents are in."""
    near = swarm.near if isinstance(swarm, Far) else swarm
    with Log(Home(str(near.home))) as log:
        yield log


def asking(swarm: Swarm) -> list[Result]:
    with log_of(swarm) as log:
        ids = []
        for name, command in (("a", "git push"), ("b", "rm x"), ("c", "ls")):
            agent = hosted.spawn(log, f"ask {command}\nsay done", name=name, stay=True)
            ids.append(hosted.asked(log, agent["id"])["id"])
        got = [
            swarm.run("approvals"),
            swarm.run("approvals", "b"),
            swarm.run("approvals", "b", "--json"),
            swarm.run("approvals", "nonesuch"),
            swarm.run("approve", ids[0]),
            swarm.run("approve", ids[0]),
            swarm.run("deny", ids[1], "--message", "No\x1b[31m!", "--json"),
            swarm.run("deny", ids[1][:7]),
            swarm.run("approve", ids[2], "--always", "--edit", '{"command": "ls -l"}'),
            swarm.run("approve", "nonesuch"),
            swarm.run("approve", ids[2], "--edit", "[]"),
        ]
        for name in "abc":
            hosted.completed(log, swarm.agent(name)["id"], 1)
    return [*got, swarm.run("approvals"), swarm.run("approvals", "--all")]


def talking(swarm: Swarm) -> list[Result]:
    with log_of(swarm) as log:
        hosted.spawn(log, "say one", name="a", stay=True)
        hosted.spawn(log, "say one", name="ended")
        swarm.run("wait", "ended")
    swarm.spawn("--name", "command", "--", "sleep", "600")
    return [
        swarm.run("send", "--wait", "a", "say two"),
        swarm.run("send", "--wait", "--json", "a", "say three"),
        swarm.run("send", "--wait", "a", "-", input="say \N{SNOWMAN}\nend failed".encode()),
        swarm.run("send", "--json", "a", "say later"),
        swarm.run("send", "--wait", "ended", "say again"),
        swarm.run("send", "--wait", "ended", "die"),
        swarm.run("send", "--wait", "--timeout", "0.3s", "a", "wait"),
        swarm.run("interrupt", "a"),
        swarm.run("send", "--wait", "a", "say over"),
        swarm.run("interrupt", "a"),
        swarm.run("send", "a", ""),
        swarm.run("send", "a", "--close"),
        swarm.run("send", "nonesuch", "x"),
        swarm.run("send", "--wait", "command", "x"),
        swarm.run("interrupt", "command"),
        swarm.run("wait", "command"),
    ]


def spending(swarm: Swarm) -> list[Result]:
    with log_of(swarm) as log:
        for name, used in (("a", "use 100 20 3000"), ("b", "use 7 1 -")):
            agent = hosted.spawn(log, f"{used}\nsay done", name=name, stay=True, labels={"team": name})["id"]
            hosted.completed(log, agent, 1)
    words = ["", "a", "b --by model", "--by kind --json", "--by day", "--by label --label team", "--label team --json"]
    words += ["a b --json", "nonesuch", "--by label", "--by nonesuch"]
    return [*(swarm.run("usage", *one.split()) for one in words), shown(swarm.run("show", "a"))]


def shown(result: Result) -> Result:
    """What `show` says of the session alone: the rest is of the machine."""
    out = result.out.decode().splitlines(keepends=True)
    return result._replace(out="".join(out[[line.split()[0] for line in out].index("session") :]).encode())


def logging(swarm: Swarm) -> list[Result]:
    with log_of(swarm) as log:
        for name in ("a", "b"):
            hosted.spawn(log, "think hm\ntool ls\nuse 100 20 3000\nsay one\\ntwo", "say three", name=name)
            swarm.run("wait", name)
    swarm.ended("echo out", "--name", "command")
    words = ["a", "-f a", "-n 3 a", "-n 0 a", "-n 1000 a", "a b", "-n 2 a b command", "--json a", "-n 2 --json a"]
    words += [
        "--json -f a",
        "--raw a",
        "--since 1h a",
        "--since 0s a",
        "--run 1 a",
        "--run 2 a",
        "--raw --json a command",
    ]
    words += ["-f -n 2 a command", "--stream stderr a", "--until 1h a", "-f --since 1h a"]
    return [swarm.run("logs", *one.split()) for one in words]


def masked(result: Result) -> Result:
    """Without what is new each time."""
    out, err = result.out, result.err
    for new, word in NEW:
        out, err = new.sub(word, out), new.sub(word, err)
    return Result(result.status, out, err)


@pytest.mark.parametrize("scenario", [asking, talking, spending, logging])
def test_the_same_as_on_the_machine(swarm: Swarm, tmp_path: Path, scenario: Scenario) -> None:
    """What the verbs of sessions do, say and exit with through a server is what they do on the machine."""
    with far_from(swarm) as far:
        there = list(map(masked, scenario(far)))
    (tmp_path / "beside").mkdir()
    with swarm_in(tmp_path / "beside", None) as near:
        assert there == list(map(masked, scenario(near)))


def test_approvals_are_followed(far: Far) -> None:
    """`approvals -f` through a server shows what is asked, and what becomes of it, over a server that is killed."""
    following = far.start("approvals", "-f", "--json")
    with log_of(far) as log:
        first = hosted.spawn(log, "ask one\nsay done")["id"]
        asked = hosted.asked(log, first)["id"]
        got = read_until(following.stdout, b"\n")
        far.kill_server()
        far.start_server()
        far.near.ok("deny", asked, "--message", "no")
        got += read_until(following.stdout, b'"denied"')
    following.send_signal(signal.SIGINT)
    rest = output_of(following)
    states = [(one["id"], one["state"]) for one in map(json.loads, (got + rest.out).splitlines())]
    assert states[0] == (asked, "pending") and (asked, "denied") in states


def test_a_turn_says_what_it_waits_for(far: Far) -> None:
    """`send --wait` through a server says what is asked meanwhile, and ends with the answer."""
    with log_of(far) as log:
        agent = hosted.spawn(log, "say one", stay=True)["id"]
        sending = far.start("send", "--wait", agent, "ask git push\nsay pushed")
        approval = hosted.asked(log, agent)["id"]
        assert read_until(sending.stderr, b"\n").decode().endswith(f"git push; swarmctl approve {approval}, or deny\n")
        far.ok("approve", approval)
        assert output_of(sending).out == b"pushed\n"
        until(lambda: not far.run("approvals").out, "nothing is asked any more")
