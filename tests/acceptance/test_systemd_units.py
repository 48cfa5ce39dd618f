"""The units as systemd reads them, and what is refused where systemd does not answer; nothing is installed here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.cli import SWARMCTL, Swarm

UNIT = "swarmctl-supervisor.service"
SERVER = "swarmctl-serve.service"


def shown(swarm: Swarm, kind: str, *options: str, home: str | None = None, config: str = "") -> dict[str, str]:
    """What `systemd show` would install: path → text."""
    state = str(swarm.home) if home is None else home
    said = swarm.ok("systemd", "show", f"--{kind}", *options, SWARM_HOME=state, XDG_CONFIG_HOME=config)
    parts = re.split(r"^# (/\S+)\n", said, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def unit_of(files: dict[str, str], name: str = UNIT) -> str:
    (found,) = (text for path, text in files.items() if path.endswith(name))
    return found


def test_show_says_what_and_where(swarm: Swarm) -> None:
    """`systemd show` prints each file with its path: the user's in their configuration, the system's in /etc."""
    assert list(shown(swarm, "user")) == [f"{swarm.cwd}/.config/systemd/user/{UNIT}"]
    assert list(shown(swarm, "user", config="/else")) == [f"/else/systemd/user/{UNIT}"]
    files = shown(swarm, "system")
    assert list(files) == [
        f"/etc/systemd/system/{UNIT}",
        "/etc/sysusers.d/swarmctl.conf",
        "/etc/tmpfiles.d/swarmctl.conf",
    ]
    assert not (swarm.cwd / ".config").exists()


@pytest.mark.parametrize("kind", ["user", "system"])
def test_the_unit_names_the_swarmctl_in_use_and_its_home(swarm: Swarm, kind: str) -> None:
    """The unit starts the very swarmctl that is called, on the home that SWARM_HOME names, else on the default one."""
    unit = unit_of(shown(swarm, kind))
    assert f"\nExecStart={SWARMCTL} supervisor run\n" in unit
    assert f"\nEnvironment=SWARM_HOME={swarm.home}\n" in unit
    odd = unit_of(shown(swarm, kind, home='/a "b" 100%'))
    assert '\nEnvironment="SWARM_HOME=/a \\"b\\" 100%%"\n' in odd
    assert "SWARM_HOME" not in unit_of(shown(swarm, kind, home=""))


@pytest.mark.parametrize("kind", ["user", "system"])
def test_the_servers_unit_comes_when_it_is_asked_for(swarm: Swarm, kind: str) -> None:
    """`--serve` adds the server's unit beside the supervisor's, with the same swarmctl and the same home."""
    assert not [path for path in shown(swarm, kind) if path.endswith(SERVER)]
    unit = unit_of(shown(swarm, kind, "--serve"), SERVER)
    assert f"\nExecStart={SWARMCTL} serve $SWARM_SERVE\n" in unit
    assert f"\nEnvironment=SWARM_HOME={swarm.home}\n" in unit


@pytest.mark.parametrize("name", [UNIT, SERVER])
@pytest.mark.parametrize("kind", ["user", "system"])
def test_the_units_are_clean(swarm: Swarm, kind: str, name: str) -> None:
    """`systemd-analyze verify` has nothing to say of the units as they are installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")
    place = swarm.cwd / kind
    place.mkdir()
    (place / name).write_text(unit_of(shown(swarm, kind, "--serve", home='/a "b" 100%'), name))
    environment = {**swarm.env, "XDG_RUNTIME_DIR": str(swarm.cwd)}  # where there was no login there is none
    command = ["systemd-analyze", f"--{kind}", "verify", str(place / name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_without_a_manager_it_is_refused(swarm: Swarm, verb: str) -> None:
    """Where the caller has no systemd to install in, one line says so and what to do, and nothing is written."""
    why = swarm.refused(1, "systemd", verb, "--user", XDG_RUNTIME_DIR=str(swarm.cwd))
    expected = "no systemd user manager" if Path("/run/systemd/system").is_dir() else "systemd does not run"
    assert expected in why
    if os.geteuid() != 0:
        assert "only root" in swarm.refused(1, "systemd", verb, "--system")
    assert not (swarm.cwd / ".config").exists()
