"""What an agent's command finds around it: environment, session, files, signals, and nothing of the daemon's."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from support.cli import Swarm
from support.looking import until


def report(swarm: Swarm, code: str, *options: str, cwd: Path | None = None, **env: str) -> str:
    """What a Python agent prints."""
    agent = swarm.spawn(*options, "--", "python", "-c", f"import os, sys, signal\n{code}", cwd=cwd, **env)
    assert swarm.run("wait", agent).status == 0, swarm.logs(agent)
    return swarm.logs(agent).decode().strip()


def environment_of(swarm: Swarm, agent: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(swarm.logs(agent))
    return found


DUMP = ("--", "python", "-c", "import json, os; print(json.dumps(dict(os.environ)))")


def test_it_knows_who_it_is(swarm: Swarm) -> None:
    """The child gets its home, id, name, parent and depth; without name and parent these are empty."""
    agent = swarm.spawn("--name", "me", *DUMP)
    anonymous = swarm.spawn(*DUMP)
    swarm.ok("wait", agent, anonymous)
    found = environment_of(swarm, agent)
    assert (found["SWARM_HOME"], found["SWARM_AGENT_ID"]) == (str(swarm.home), agent)
    assert (found["SWARM_AGENT_NAME"], found["SWARM_PARENT_ID"], found["SWARM_DEPTH"]) == ("me", "", "0")
    assert environment_of(swarm, anonymous)["SWARM_AGENT_NAME"] == ""


def test_an_agent_that_spawns_is_the_parent(swarm: Swarm) -> None:
    """An agent that spawns an agent is its parent, one less deep, in the environment and in the registry."""
    outer = swarm.ended("swarmctl spawn --name kid -- sh -c 'echo $SWARM_PARENT_ID $SWARM_DEPTH'")
    swarm.ok("wait", "kid")
    assert swarm.logs("kid").decode().split() == [outer, "1"]
    known = swarm.agent("kid")
    assert (known["parent"], known["depth"]) == (outer, 1)
    assert swarm.agent(outer)["parent"] is None


def test_who_does_not_say_whose_it_is_is_the_agents_still(swarm: Swarm) -> None:
    """What an agent spawns without SWARM_AGENT_ID, or with nothing in it, is its child by the mark of its run."""
    script = "env -u SWARM_AGENT_ID swarmctl spawn --name a -- true; SWARM_AGENT_ID= swarmctl spawn --name b -- true"
    outer = swarm.ended(script)
    assert [(swarm.agent(one)["parent"], swarm.agent(one)["depth"]) for one in "ab"] == [(outer, 1)] * 2


def test_depth_has_a_cap(swarm: Swarm) -> None:
    """A spawn that would be deeper than the cap is refused and registers nothing; the cap can be raised."""
    swarm.spawn("--", "true", SWARM_DEPTH="1", SWARM_MAX_DEPTH="2")
    assert "SWARM_MAX_DEPTH" in swarm.refused(1, "spawn", "--", "true", SWARM_DEPTH="2", SWARM_MAX_DEPTH="2")
    assert len(swarm.json("list", "--all")) == 1


def test_the_environment_is_the_callers(swarm: Swarm) -> None:
    """The child has the caller's variables, those for Python among them, and none that the daemon needed."""
    agent = swarm.spawn(*DUMP, MINE="mine", PYTHONPATH="/some/where", PYTHONUTF8="1")
    swarm.ok("wait", agent)
    found = environment_of(swarm, agent)
    assert (found["MINE"], found["PYTHONPATH"], found["PYTHONUTF8"]) == ("mine", "/some/where", "1")
    assert found["PATH"] == swarm.env["PATH"]
    assert "SWARM_DAEMON" not in found
    assert {name for name in found if name.startswith("PYTHON")} == {"PYTHONPATH", "PYTHONUTF8"}


def test_it_has_a_session_of_its_own(swarm: Swarm) -> None:
    """The child leads a session and a process group of its own, without a terminal."""
    code = "print(os.getpid() == os.getsid(0) == os.getpgid(0)); print(os.path.exists('/dev/tty') and tty())"
    tty = "def tty():\n try: return bool(os.open('/dev/tty', os.O_RDWR))\n except OSError: return False\n"
    assert report(swarm, tty + code).split() == ["True", "False"]


def test_umask_and_directory_are_the_callers(swarm: Swarm) -> None:
    """The child has the umask and the directory from which it was spawned."""
    swarm.shell("umask 027; swarmctl spawn --name u -- sh -c 'umask; pwd; touch made'")
    swarm.ok("wait", "u")
    assert swarm.logs("u").decode().split() == ["0027", str(swarm.cwd)]
    assert (swarm.cwd / "made").stat().st_mode & 0o777 == 0o640


def test_stdin_is_empty(swarm: Swarm) -> None:
    """Without --stdin the child reads /dev/null, and nothing of the caller's input is taken."""
    got = swarm.shell("echo ours | { swarmctl spawn --wait -- sh -c 'readlink /proc/self/fd/0; cat'; cat; }")
    agent, rest = got.lines
    assert rest == "ours"
    assert swarm.logs(agent) == b"/dev/null\n"


def test_no_other_file_is_open(swarm: Swarm) -> None:
    """Only stdin, stdout and stderr are open in the child, whatever the caller had open."""
    got = swarm.shell(
        "exec 7</dev/null 9>&1; swarmctl spawn --wait -- python -c \"import os; print(os.listdir('/proc/self/fd'))\""
    )
    shown = swarm.logs(got.text.strip()).decode()
    assert sorted(json.loads(shown.replace("'", '"'))) == ["0", "1", "2", "3"]  # 3 is that which lists them


def test_signals_are_at_their_defaults(swarm: Swarm) -> None:
    """In the child no signal is blocked, and SIGPIPE and SIGXFSZ, which Python ignores, are at their defaults."""
    got = swarm.run("spawn", "--wait", "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    words = swarm.logs(got.text.strip()).decode().split()
    masks = {name: int(mask, 16) for name, mask in zip(words[::2], words[1::2], strict=True)}
    assert masks["SigBlk:"] == 0
    assert not any(masks["SigIgn:"] & 1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))


def test_a_script_without_interpreter_line_runs(swarm: Swarm) -> None:
    """A script without `#!` is run as a shell would run it, by its path and from the PATH."""
    script = swarm.cwd / "my-script"
    script.write_text("echo ran $1 $0")
    script.chmod(0o755)
    by_path = swarm.run("spawn", "--wait", "--", "./my-script", "a b")
    assert swarm.logs(by_path.text.strip()).startswith(b"ran a b ")
    by_name = swarm.run("spawn", "--wait", "--", "my-script", "c", PATH=f"{swarm.cwd}:{swarm.env['PATH']}")
    assert swarm.logs(by_name.text.strip()).startswith(b"ran c ")


def test_folders_named_like_ours_do_no_harm(swarm: Swarm) -> None:
    """Modules and packages in the directory, named like ours or the library's, neither break nor enter anything."""
    for name in ("sqlite3", "os", "json", "typing", "store", "daemon", "swarm_store", "swarm_daemon"):
        module = (
            swarm.cwd / f"{name}.py"
            if name in ("sqlite3", "os", "json", "typing")
            else swarm.cwd / name / "__init__.py"
        )
        module.parent.mkdir(exist_ok=True)
        module.write_text(f"open({str(swarm.cwd / 'entered')!r}, 'a').write(__name__)\nraise SystemExit('hostile')\n")
    agent = swarm.spawn("--", "echo", "fine")
    swarm.ok("wait", agent)
    assert swarm.logs(agent) == b"fine\n"
    assert not (swarm.cwd / "entered").exists()


def test_pythonpath_reaches_the_child_and_not_the_daemon(swarm: Swarm) -> None:
    """What PYTHONPATH puts into an interpreter is put into the child and not into the daemon."""
    place = swarm.cwd / "path"
    place.mkdir()
    seen = swarm.cwd / "seen"
    (place / "sitecustomize.py").write_text(
        f"import sys\nopen({str(seen)!r}, 'a').write(' '.join(sys.orig_argv) + '\\n')\n"
    )
    agent = swarm.spawn("--", "python", "-c", "print('child')", PYTHONPATH=str(place), PYTHONHASHSEED="0")
    until(lambda: swarm.agent(agent)["state"] == "completed", "it has ended")
    entered = seen.read_text()
    assert "print('child')" in entered and "swarmctl spawn" in entered
    assert "swarm_daemon" not in entered


def test_the_daemon_keeps_nothing_of_the_callers(swarm: Swarm) -> None:
    """A daemon lives outside the caller's directory with no file of the caller's open."""
    held = swarm.cwd / "held"
    held.write_text("x")
    got = swarm.shell("swarmctl spawn -- sleep 60 8<held")
    known = swarm.agent(got.text.strip())
    for who in ("daemon", "keeper"):
        process = Path("/proc") / str(known[who]["pid"])
        links = [link.readlink() for link in (process / "fd").iterdir()]
        assert held not in links
