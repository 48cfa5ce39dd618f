"""The files that let systemd run the supervisor and the server: what is in them here, where they belong, its command.

They stand in `systemd/` of a checkout and in the wheel's package. What is installed names the swarmctl in use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from swarm_store.errors import SwarmError
from swarm_store.home import locate

SUPERVISOR = "swarmctl-supervisor.service"
SERVER = "swarmctl-serve.service"
_SHIPPED_COMMAND = "/usr/bin/swarmctl"
_PACKAGE = Path(__file__).parent


class Manager:
    """The system's systemd, or the calling user's."""

    def __init__(self, *, system: bool) -> None:
        self.kind = "system" if system else "user"
        self._is_system = system

    def files(self, units: Sequence[str]) -> dict[Path, str]:
        """What is installed: path → text. The units are the first."""
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        place = "/etc/systemd/system" if self._is_system else f"{config}/systemd/user"
        files = {Path(place, unit): self._unit(unit) for unit in units}
        if not self._is_system:
            return files
        return files | {
            Path("/etc/sysusers.d/swarmctl.conf"): _shipped("sysusers.d/swarmctl.conf"),
            Path("/etc/tmpfiles.d/swarmctl.conf"): _shipped("tmpfiles.d/swarmctl.conf"),
        }

    def _unit(self, name: str) -> str:
        unit = _shipped(f"{self.kind}/{name}").replace(f"={_SHIPPED_COMMAND}", f"={_command()}", 1)
        home = _home(system=self._is_system)
        if home is None:
            return unit
        return unit.replace("\nExecStart=", f"\nEnvironment={quoted(f'SWARM_HOME={home}')}\nExecStart=", 1)

    def check(self) -> None:
        """Raises SwarmError where this manager is not there, or not ours to change."""
        if self._is_system and os.geteuid() != 0:
            raise SwarmError("only root can change the system's units", "use sudo; or --user, for your own")
        if not os.path.isdir("/run/systemd/system"):
            raise SwarmError("systemd does not run this machine", "have what does run: swarmctl supervisor run")
        if not self._is_system and not os.path.exists(f"{runtime_directory()}/systemd/private"):
            raise SwarmError(
                "you have no systemd user manager",
                f"log in as yourself (su and sudo do not start one), or: loginctl enable-linger {os.getuid()}",
            )

    def ask(self, *words: str) -> None:
        """`systemctl` with these words. Raises SwarmError with what it complains of."""
        command = ["systemctl", f"--{self.kind}", *words]
        unit = next((word for word in words if word.endswith(".service")), SUPERVISOR)
        run(command, f"journalctl {'' if self._is_system else '--user '}-u {unit} may say more")


def run(command: list[str], hint: str) -> None:
    """Run a command of systemd's quietly. Raises SwarmError with its complaint."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": runtime_directory()}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise SwarmError(f"cannot run {command[0]}: {error.strerror}", "install systemd's tools") from error
    if done.returncode:
        complaint = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise SwarmError(f"{' '.join(command)} failed: {complaint}", hint)


def runtime_directory() -> str:
    """$XDG_RUNTIME_DIR, or what it would be after a login."""
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


def quoted(word: str) -> str:
    """`word` as systemd reads it back from a unit: see systemd.syntax(7)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(escaped) & set(" \t'\"\\;") else escaped


def _shipped(name: str) -> str:
    for place in (_PACKAGE, _PACKAGE.parents[1]):  # installed; a checkout
        path = place / "systemd" / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise SwarmError(f"this installation of swarmctl lacks {name}", "install it again")


def _command() -> str:
    """The swarmctl in use, by its absolute path; a link stays one, so that an upgrade is followed."""
    found = shutil.which(sys.argv[0])
    if found is not None and os.path.basename(found) == "swarmctl":
        return _for_exec(os.path.abspath(found))
    return f"{_for_exec(sys.executable)} -m swarmctl"


def _for_exec(path: str) -> str:
    return quoted(path).replace("$", "$$")


def _home(*, system: bool) -> str | None:
    """The state directory, where it is not the one that a service of this manager finds by itself."""
    named = os.environ.get("SWARM_HOME") or (not system and os.environ.get("XDG_STATE_HOME"))
    return locate().path if named else None
