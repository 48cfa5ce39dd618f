"""The hot path is lean: what a verb and a daemon load is what every call and every agent pays for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from support.cli import Swarm
from support.terminal import Terminal

HEAVY = {"sqlalchemy", "pydantic", "pydantic_core", "asyncio", "textual", "mcp", "swarmctl.mcp", "apprise"}
OF_AGENTS = ("swarmctl.host", "swarmctl.kinds", "swarmctl.prompting", "swarm_daemon.prompted")  # of a kind
NOT_IN_A_DAEMON = {
    "jeepney",
    "pwd",
    "typing",
    "re",
    "json",
    "enum",
    "dataclasses",
    "datetime",
    "pathlib",
    "contextlib",
    "subprocess",
}
SPY = """
import os, sys
leave = os._exit
def tell(status):
    loaded = sorted(sys.modules)
    import json
    with open(os.environ["TOLD"], "w") as file:
        json.dump(loaded, file)
    leave(status)
os._exit = tell
from swarmctl.entry import main
sys.argv[0] = "swarmctl"
main()
"""


def loaded_by(swarm: Swarm, *args: str) -> set[str]:
    """The modules that a call of swarmctl has loaded when it ends."""
    told = swarm.cwd / "told"
    got = swarm.command(["python", "-c", SPY, *args], input=None, cwd=None, TOLD=str(told))
    assert got.status == 0, got
    return set(json.loads(told.read_text()))


@pytest.mark.parametrize(
    "args",
    [
        ("spawn", "--label", "a=b", "--", "true"),
        ("list",),
        ("list", "--all", "--json"),
        ("logs", "AGENT"),
        ("logs", "--json", "AGENT"),
        ("wait", "AGENT"),
        ("cancel", "--all"),
    ],
    ids=" ".join,
)
def test_hot_verbs_load_nothing_heavy(swarm: Swarm, args: tuple[str, ...]) -> None:
    """In a pipe, the hot verbs load neither SQLAlchemy nor pydantic nor asyncio nor rich, and nothing of AI agents."""
    agent = swarm.ended("echo x")
    loaded = loaded_by(swarm, *(agent if arg == "AGENT" else arg for arg in args))
    assert "swarmctl.app" in loaded
    assert not loaded & (HEAVY | {"rich"})
    assert not [name for name in loaded if name.startswith(OF_AGENTS)]
    assert "jeepney" not in loaded or Path("/run/systemd/private").exists() or os.geteuid() != 0


def test_a_table_on_a_terminal_may_load_rich(swarm: Swarm) -> None:
    """On a terminal `list` loads rich, and still nothing heavy: so the other tests would see it."""
    told = swarm.cwd / "told"
    terminal = Terminal(swarm, "env", f"TOLD={told}", "python", "-c", SPY, "list")
    terminal.read()
    assert terminal.process.wait(20) == 0
    terminal.close()
    loaded = set(json.loads(told.read_text()))
    assert "rich" in loaded and not loaded & HEAVY


def test_a_verb_loads_only_itself(swarm: Swarm) -> None:
    """A verb does not load the modules of the others."""
    commands = {name for name in loaded_by(swarm, "list") if name.startswith("swarmctl.commands.")}
    assert commands == {"swarmctl.commands.list_agents", "swarmctl.commands.options"}


def test_a_daemon_loads_next_to_nothing(swarm: Swarm) -> None:
    """The main module of a daemon, in a daemon's own environment, loads none of what costs memory."""
    daemon = Path("/proc") / str(swarm.agent(swarm.spawn("--", "sleep", "60"))["daemon"]["pid"])
    pairs = (pair.partition("=") for pair in (daemon / "environ").read_text().split("\0") if pair)
    environment = {name: value for name, _, value in pairs}
    flags = (daemon / "cmdline").read_text().split("\0")[:4]
    assert flags[1:] == ["-P", "-S", "-s"]
    code = "import sys, swarm_daemon.main; print(*sorted(sys.modules))"
    got = swarm.command(["env", "-i", *(f"{k}={v}" for k, v in environment.items()), *flags, "-c", code])
    assert got.status == 0, got
    loaded = set(got.text.split())
    assert "swarm_daemon.agent" in loaded
    assert not loaded & {"swarm_daemon.input", "swarm_daemon.holder", "swarm_daemon.aftermath"}  # what few need
    assert not loaded & {"swarm_daemon.terminal", "swarm_daemon.signalling", "termios"}  # and those in a terminal
    assert not loaded & (NOT_IN_A_DAEMON | HEAVY | {"rich", "typer", "psutil"})


def test_the_host_of_a_terminal_loads_less(swarm: Swarm) -> None:
    """What holds an agent's terminal, in its own environment, loads nothing of the store, and next to nothing else."""
    host = Path("/proc") / str(swarm.agent(swarm.spawn("--tty", "--", "sleep", "60"))["child"]["pid"])
    pairs = (pair.partition("=") for pair in (host / "environ").read_text().split("\0") if pair)
    environment = {name: value for name, _, value in pairs}
    flags = (host / "cmdline").read_text().split("\0")[:4]
    assert flags[1:] == ["-P", "-S", "-s"]
    code = "import sys, swarm_daemon.terminal_host; print(*sorted(sys.modules))"
    got = swarm.command(["env", "-i", *(f"{k}={v}" for k, v in environment.items()), *flags, "-c", code])
    assert got.status == 0, got
    loaded = set(got.text.split())
    assert {name for name in loaded if name.startswith("swarm_")} == {
        "swarm_daemon",
        "swarm_daemon.signals",
        "swarm_daemon.terminal_host",
        "swarm_daemon.terminal_modes",
        "swarm_daemon.terminal_protocol",
        "swarm_daemon.terminal_questions",
    }
    assert not loaded & (NOT_IN_A_DAEMON | HEAVY | {"signal", "socket", "sqlite3"})


def test_kinds_are_listed_without_what_drivers_need(swarm: Swarm) -> None:
    """Where the extra `agents` is not installed kinds are listed all the same, and one that needs it is refused."""
    hide = "import sys\nfor name in ('acp', 'httpx2', 'mcp', 'openai'): sys.modules[name] = None\n"
    run = f"{hide}sys.argv[0] = 'swarmctl'\nfrom swarmctl.entry import main\nsys.exit(main())"
    listed = swarm.command([sys.executable, "-c", run, "agents", "list", "--json"])
    assert listed.status == 0, listed
    assert {"claude", "codex", "openai"} <= {one["kind"] for one in json.loads(listed.out)}
    for kind in ("api:ollama", "acp:cat"):
        refused = swarm.command([sys.executable, "-c", run, "spawn", "--agent", kind, "--model", "m", "hello"])
        assert (refused.status, refused.out) == (1, b"")
        assert refused.error == "swarmctl: swarmctl[agents] is not installed; pip install 'swarmctl[agents]'\n"
