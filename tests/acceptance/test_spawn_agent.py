"""`swarmctl spawn --agent`: what is asked for is checked whole before anything is registered."""

from __future__ import annotations

import json

import pytest

from support.cli import Swarm
from swarm_store import events
from swarm_store.home import Home
from swarm_store.log import Log

CAT = "acp:cat"  # it speaks no ACP, so that its agent waits for ever, with its turn in the inbox


def records(swarm: Swarm, agent: str) -> list[events.Record]:
    with Log(Home(str(swarm.home)), write=False) as log:
        return log.read(events.inbox_stream(agent))


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("--agent", "no-such", "hi"), 2, "no such kind of agent: 'no-such'"),
        (("--agent", "acp:no-such-program", "hi"), 127, "no-such-program"),
        (("--agent", CAT), 2, "needs a prompt"),
        (("--agent", CAT, " "), 2, "needs a prompt"),
        (("--agent", CAT, "fix", "it"), 2, "a prompt is one word, and these are 2"),
        (("--agent", CAT, "hi", "--", "--model", "m"), 2, "a prompt is one word, and these are 3"),
        (("--agent", CAT, "hi", "--modl", "m"), 2, "--modl"),
        (("--agent", CAT, "hi", "--model"), 2, "'--model' requires an argument"),
        (("--agent", CAT, "--approve", "maybe", "hi"), 2, "no such policy for approvals: 'maybe'"),
        (("--agent", CAT, "--allow", "Bash(", "hi"), 2, "not a rule: 'Bash('"),
        (("--agent", CAT, "--approval-timeout", "soon", "hi"), 2, "not a duration: 'soon'"),
        (("--agent", CAT, "--approval-timeout", "0", "hi"), 2, "would deny all"),
        (("--agent", CAT, "--session", "", "hi"), 2, "bad session: ''"),
        (("--agent", CAT, "--prompt-file", "no-such", "hi"), 2, "exclude each other"),
        (("--agent", CAT, "--prompt-file", "no-such"), 2, "cannot read no-such"),
        (("--agent", CAT, "--prompt-file", ""), 2, "the file of a prompt has a name"),
        (("--agent", CAT, "--input", "hi"), 2, "--agent excludes --input"),
        (("--allow", "Bash", "--", "true"), 2, "--allow needs --agent"),
        (("--stay", "--", "true"), 2, "--stay needs --agent"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_wishes_register_nothing(swarm: Swarm, args: tuple[str, ...], status: int, said: str) -> None:
    """What cannot be spawned is refused in one line with its status, and no agent is there."""
    assert said in swarm.refused(status, "spawn", *args)
    assert swarm.json("list", "--all") == []
    agents = swarm.home / "agents"
    assert not agents.exists() or not list(agents.iterdir())


def test_a_prompt_is_a_turn_in_the_inbox(swarm: Swarm) -> None:
    """The agent's row has its kind, and as its command that and the prompt's first line; its inbox has the whole."""
    agent = swarm.spawn("--agent", CAT, "--model", "m", "--approve", "never", "Fix it.\nAll of it.")
    shown = swarm.agent(agent)
    assert shown["command"] == [CAT, "Fix it."]
    assert (shown["kind"], shown["model"], shown["approve"]) == (CAT, "m", "never")
    sent = records(swarm, agent)[0]
    assert (sent.type, sent.payload) == ("turn:sent", b"Fix it.\nAll of it.")
    assert "@" in sent.data["by"]


def test_options_may_follow_the_prompt(swarm: Swarm) -> None:
    """Of an agent of a kind options stand before its prompt or after it; what follows `--` is the prompt."""
    agent = swarm.spawn("--agent", CAT, "Fix it.", "--model", "m", "--name", "fixer", "--approve", "never")
    shown = swarm.agent(agent)
    assert (shown["name"], shown["model"], shown["approve"]) == ("fixer", "m", "never")
    assert records(swarm, agent)[0].payload == b"Fix it."
    agent = swarm.spawn("--agent", CAT, "--model", "n", "--", "--model")
    assert (swarm.agent(agent)["model"], records(swarm, agent)[0].payload) == ("n", b"--model")


def test_options_after_a_command_are_its_own(swarm: Swarm) -> None:
    """Also those that spawn has, and --agent."""
    agent = swarm.spawn("--name", "mine", "echo", "--agent", CAT, "--name", "other", "--")
    shown = swarm.agent(agent)
    assert (shown["name"], shown["command"]) == ("mine", ["echo", "--agent", CAT, "--name", "other", "--"])


@pytest.mark.parametrize("how", ["-", "--prompt-file=-", "--prompt-file=prompt", "--from"])
def test_a_prompt_of_megabytes(swarm: Swarm, how: str) -> None:
    """A prompt of 2 MB comes whole from standard input or a file, and is on no command line and in no spec."""
    text = "Read this.\n" + "ö" * (1 << 20)
    (swarm.cwd / "prompt").write_text(text)
    (swarm.cwd / "jobs").write_text(json.dumps({"agent": CAT, "prompt_file": "prompt", "approval_timeout": "5m"}))
    given = ("--from", "jobs") if how == "--from" else ("--agent", CAT, how)
    agent = swarm.ok("spawn", *given, input=text.encode()).strip()
    assert records(swarm, agent)[0].payload == text.encode()
    assert (swarm.home / "agents" / agent / "spec.json").stat().st_size < 64 << 10


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"agent": CAT}, "needs a prompt"),
        ({"agent": CAT, "prompt": "hi", "command": ["true"]}, "has no command"),
        ({"command": ["true"], "stay": True}, "stay is of an agent of a kind"),
        ({"agent": CAT, "prompt": "hi", "approve": "maybe"}, "approve"),
        ({"agent": CAT, "prompt": "hi", "prompt_file": "x"}, "prompt_file is instead"),
        ({"agent": CAT, "prompt_file": ""}, "the file of a prompt has a name"),
        ({"agent": CAT, "prompt_file": "a\0b"}, "the file of a prompt has a name"),
        ({"agent": "no-such", "prompt": "hi"}, "no such kind"),
        ({"agent": "acp:no-such-program", "prompt": "hi"}, "no-such-program"),
    ],
    ids=str,
)
def test_bad_jobs_register_nothing(swarm: Swarm, job: dict[str, object], said: str) -> None:
    """A line of a job file that cannot be is named, and none of the file's agents is spawned."""
    (swarm.cwd / "jobs").write_text('{"command": ["true"]}\n' + json.dumps(job))
    error = swarm.refused(2, "spawn", "--from", "jobs")
    assert "jobs:2" in error and said in error
    assert swarm.json("list", "--all") == []
