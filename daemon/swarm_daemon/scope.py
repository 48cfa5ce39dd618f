"""A scope of systemd's for each run, where it answers: a cgroup that can be looked at, limited and stopped by name.

The manager is spoken to over its own socket, which needs no message bus. Imported by whoever launches, never by a
daemon; and where there is no such socket, that is all that is found out. Nothing here fails a spawn: what cannot be had
is not had.
"""

from __future__ import annotations

import os
import pwd
import time

from . import cgroup
from .run import CGROUP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .run import Run, Spec

SECONDS = 2.0  # for the manager to do what it is asked
FORGIVEN_AFTER = 60.0  # seconds: a manager that did not answer is not asked again so soon
_MARGIN = 5.0  # seconds that a stop waits longer than the agent's own grace period
_NAME, _PATH, _INTERFACE = "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
_silent_since: float | None = None


class Refused(Exception):
    """The manager does not do it, or not in time."""


def make(run: Run, pid: int, spec: Spec) -> bool:
    """Put `pid` into a new scope of `run`, with the limits of `spec`; whether it is in it."""

    def start(manager: _Manager) -> None:
        try:
            manager.start(_name(run), _properties(run, pid, spec, [("OOMPolicy", ("s", "continue"))]))
        except Refused:  # systemd before 253 does not know that of scopes, and does not kill them whole
            manager.start(_name(run), _properties(run, pid, spec, []))

    return _ask(start) and is_in(run, pid)


def join(run: Run, pid: int) -> bool:
    """Put `pid`, a successor daemon, into the cgroup that the run has of its own; whether it has one and that was done.

    By whoever launches the successor: the daemon itself knows no systemd.
    """
    confined = run.confined()
    if confined["by"] == CGROUP:
        return cgroup.enter(confined["cgroups"], pid)
    attach = (_name(run), "", [pid])
    return _ask(lambda manager: manager.call("AttachProcessesToUnit", "ssau", attach)) and is_in(run, pid)


def _ask(what: Callable[[_Manager], object]) -> bool:
    """Have the manager do something; whether there is one, and it did it. One that hangs is left alone for a while."""
    global _silent_since
    socket = _socket()
    if socket is None or (_silent_since is not None and time.monotonic() < _silent_since + FORGIVEN_AFTER):
        return False
    try:
        with _Manager(socket) as manager:
            what(manager)
        return True
    except TimeoutError:
        _silent_since = time.monotonic()
    except (Refused, OSError, ValueError):
        pass
    return False


def is_in(run: Run, pid: int) -> bool:
    """Whether the process is in the scope of `run`."""
    return any(path.endswith(f"/{_name(run)}") for path in cgroup.paths(pid).values())


def _name(run: Run) -> str:
    return f"swarm-{run.agent_id}-{run.number}.scope"


def _socket() -> str | None:
    """The socket of the manager to ask: the system's for root, a user's only where it outlives their logging out."""
    if os.geteuid() == 0:
        path = "/run/systemd/private"
        return path if os.path.exists(path) else None
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    path = f"{runtime}/systemd/private"
    try:
        lingers = os.path.exists(path) and os.path.exists(f"/var/lib/systemd/linger/{pwd.getpwuid(os.geteuid())[0]}")
    except KeyError:
        return None
    return path if lingers else None


def _properties(run: Run, pid: int, spec: Spec, more: list[Any]) -> list[Any]:
    limits = spec.get("limits") or {}
    is_root = os.geteuid() == 0
    asked = [
        ("Description", ("s", f"swarmctl agent {run.agent_id}, run {run.number}")),
        ("Slice", ("s", "swarmctl.slice" if is_root else "app-swarmctl.slice")),
        ("PIDs", ("au", [pid])),
        ("CollectMode", ("s", "inactive-or-failed")),
        ("DelegateControllers", ("as", [])),  # into others a process cannot be moved later: see join
        ("TimeoutStopUSec", ("t", int((spec["grace"] + _MARGIN) * 1e6))),
        *more,
    ]
    if limits.get("memory"):
        asked.append(("MemoryMax", ("t", limits["memory"])))
    if limits.get("cpu"):
        asked.append(("CPUQuotaPerSecUSec", ("t", int(limits["cpu"] * 1e6))))
    if limits.get("tasks"):
        asked.append(("TasksMax", ("t", limits["tasks"] + cgroup.OUR_TASKS)))
    return asked


class _Manager:
    """A connection to systemd itself: no message bus, so no names and no greeting. Raises OSError, Refused."""

    def __init__(self, path: str) -> None:
        from jeepney.io.blocking import prep_socket
        from jeepney.low_level import Parser

        self._deadline = time.monotonic() + SECONDS
        self._socket = prep_socket(path, timeout=SECONDS)
        self._parser = Parser()
        self._serial = 0

    def __enter__(self) -> _Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def start(self, name: str, properties: list[Any]) -> None:
        """Start a transient unit, and wait until systemd is done with that."""
        (job,) = self.call("StartTransientUnit", "ssa(sv)a(sa(sv))", (name, "fail", properties, []))
        from jeepney.low_level import HeaderFields

        while True:
            message = self._next()
            if message.header.fields.get(HeaderFields.member) == "JobRemoved" and message.body[1] == job:
                if message.body[3] != "done":
                    raise Refused(f"the job ended as {message.body[3]}")
                return

    def call(self, method: str, signature: str, body: tuple[Any, ...]) -> Any:
        """What the manager answers."""
        from jeepney.low_level import HeaderFields, MessageType
        from jeepney.wrappers import DBusAddress, new_method_call

        manager = DBusAddress(_PATH, _NAME, interface=_INTERFACE)
        self._serial += 1
        request = new_method_call(manager, method, signature, body)
        self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
        self._socket.sendall(request.serialise(serial=self._serial))
        while True:
            message = self._next()
            if message.header.fields.get(HeaderFields.reply_serial) == self._serial:
                if message.header.message_type == MessageType.error:
                    raise Refused(str(message.body))
                return message.body

    def _next(self) -> Any:
        while (message := self._parser.get_next_message()) is None:
            self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
            got = self._socket.recv(65536)
            if not got:
                raise Refused("systemd has closed the connection")
            self._parser.add_data(got)
        return message
