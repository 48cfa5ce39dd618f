"""Cgroups as files, of either version: where a process is, what limits it there, and a cgroup of our own for a run.

Without systemd a run that is limited gets one below the cgroup of whoever launches it, where that is writable.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OUR_TASKS = 2  # the daemon and its keeper live in the run's cgroup too, beside what the agent may have
HOLDER_TASKS = 1  # and so does what holds its input, if it takes any
LIMITS = {"memory": "memory", "cpu": "cpu", "tasks": "pids"}  # limit → the controller that enforces it
_PARENT = "swarmctl"
_PERIOD = 100_000  # microseconds in which a share of the CPUs is measured out
_MOVE_SECONDS = 0.5  # for killed processes to be gone
_FILES = {  # controller → the file of its limit, by version
    "memory": {1: "memory.limit_in_bytes", 2: "memory.max"},
    "cpu": {1: "cpu.cfs_quota_us", 2: "cpu.max"},
    "pids": {1: "pids.max", 2: "pids.max"},
}
_OOM_FILES = ("memory.events", "memory.oom_control")  # version 2, version 1


def paths(pid: int) -> dict[str, str]:
    """Where the process is: controller → cgroup in that hierarchy; version 2 is the controller "". Empty if gone."""
    found: dict[str, str] = {}
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                found |= dict.fromkeys(controllers.split(","), path)
    except OSError:
        pass
    return found


def places(pid: int, limits: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """For each controller that `limits` need and that is there: the directory of the process's cgroup, and version."""
    known = paths(pid)
    found: dict[str, tuple[str, int]] = {}
    for point, version, options in _mounts():
        for controller in (LIMITS[name] for name in limits):
            if version == 1 and controller in options and controller in known:
                found[controller] = (os.path.normpath(point + known[controller]), 1)
            elif version == 2 and controller not in known and controller in _controllers(point + known.get("", "/")):
                found[controller] = (os.path.normpath(point + known.get("", "/")), 2)
    return found


def _mounts() -> list[tuple[str, int, list[str]]]:
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.split(" ") for line in file]
    kinds = {"cgroup": 1, "cgroup2": 2}
    return [(line[1], kinds[line[2]], line[3].split(",")) for line in lines if line[2] in kinds]


def _controllers(directory: str) -> list[str]:
    return (_read(os.path.join(directory, "cgroup.controllers")) or "").split()


def enforces(pid: int, limits: dict[str, Any]) -> bool:
    """Whether all of `limits` are in force on the cgroups that the process is in."""
    found = places(pid, limits)
    return all(controller in found and _is_limited(controller, *found[controller]) for controller in _needed(limits))


def _needed(limits: dict[str, Any]) -> list[str]:
    return [LIMITS[name] for name in limits]


def _is_limited(controller: str, directory: str, version: int) -> bool:
    value = (_read(os.path.join(directory, _FILES[controller][version])) or "max").split()[0]
    return value not in ("max", "-1") and int(value) < 1 << 60


def memory_directory(pid: int) -> list[str]:
    """Where the kernel counts what was killed for want of memory: a list of one, or of none."""
    return [directory for directory, _ in places(pid, {"memory": 0}).values()]


def has_killed_for_memory(directories: list[str]) -> bool:
    """Whether the kernel has killed a process of these cgroups for want of memory."""
    for directory in directories:
        for name in _OOM_FILES:
            for line in (_read(os.path.join(directory, name)) or "").splitlines():
                if line.startswith("oom_kill ") and line.split()[1] != "0":
                    return True
    return False


def make(mark: str, pid: int, limits: dict[str, Any]) -> list[str] | None:
    """Put the process into cgroups of its own that enforce `limits`; their directories, or None where it cannot be."""
    found = places(os.getpid(), limits)
    if len(found) < len(limits):
        return None
    made: list[str] = []
    try:
        for name, amount in limits.items():
            directory, version = found[LIMITS[name]]
            base = os.path.join(_above_runs(directory), _PARENT)
            group = os.path.join(base, mark)
            if group not in made:
                _make_directory(base, group, LIMITS[name] if version == 2 else None)
                made.append(group)
            elif version == 2:
                _hand_down(base, LIMITS[name])
            _write(os.path.join(group, _FILES[LIMITS[name]][version]), _value(name, amount, version))
            if name == "cpu" and version == 1:
                _write(os.path.join(group, "cpu.cfs_period_us"), str(_PERIOD))
        if enter(made, pid):
            return made
    except OSError:
        pass
    remove(made)
    return None


def _above_runs(directory: str) -> str:
    """An agent that spawns agents is not their limit: their cgroups are beside its own, not below."""
    return directory.partition(f"/{_PARENT}/")[0]


def _make_directory(base: str, group: str, controller: str | None) -> None:
    """Make both, whoever removes the upper one meanwhile because it is empty; and remove what others have left."""
    for chance in range(10):
        try:
            os.makedirs(base, exist_ok=True)
            _sweep(base)
            if controller:
                _hand_down(os.path.dirname(base), controller)
                _hand_down(base, controller)
            os.mkdir(group)
            return
        except FileNotFoundError:
            if chance == 9:
                raise


def _hand_down(directory: str, controller: str) -> None:
    _write(os.path.join(directory, "cgroup.subtree_control"), f"+{controller}")


def _sweep(base: str) -> None:
    """Remove what is empty: of runs that left processes behind which have ended since."""
    for name in os.listdir(base):
        group = os.path.join(base, name)
        if os.path.isdir(group) and _read(os.path.join(group, "cgroup.procs")) == "":
            _remove_directory(group)


def _value(name: str, amount: float, version: int) -> str:
    if name == "cpu":
        quota = int(amount * _PERIOD)
        return str(quota) if version == 1 else f"{quota} {_PERIOD}"
    return str(int(amount) + (OUR_TASKS if name == "tasks" else 0))


def enter(directories: list[str], pid: int) -> bool:
    """Put the process into these cgroups; whether that was possible."""
    try:
        for directory in directories:
            _write(os.path.join(directory, "cgroup.procs"), str(pid))
    except OSError:
        return False
    return True


def remove(directories: list[str]) -> None:
    """Leave these cgroups, and remove those that are empty; what a run has left running keeps its own."""
    deadline = time.monotonic() + _MOVE_SECONDS
    me = str(os.getpid())
    for directory in directories:
        base = os.path.dirname(directory)
        if me in (_read(os.path.join(directory, "cgroup.procs")) or "").split():
            enter([os.path.dirname(base)], os.getpid())
        while not _remove_directory(directory) and time.monotonic() < deadline:
            time.sleep(0.005)
        _remove_directory(base)


def _remove_directory(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except OSError:
        return not os.path.exists(directory)
    return True


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
