"""supervisord, circus and pm2, each set up for speed as its documentation says, and listening on unix sockets alone.

How each was set up is said in HOW, which docs/benchmarks.md shows.
"""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

from . import install
from .readings import children
from .scene import Scene
from .tools import Job, Tool

HOW = """
Each listens on a unix socket alone and is set up for speed as its documentation says. supervisord: startsecs=0
(otherwise `start` waits a second), autorestart off, stderr joined to stdout, no log of idle programs, minfds no higher
than it needs (each child closes that many), log level warn. circus: no statistics daemon, log level warning, no warm-up
delay, respawn off. pm2: fork mode, interpreter none, no vizion (it looks for a repository), no automation (a module in
the agent), autorestart off, logs of idle jobs to /dev/null, its version check off. Where output is measured, each
writes it to a file without rotation and without timestamps: stdout_logfile, FileStream, out_file. Only for the rows
of the supervisor is their restarting on (autorestart=true, respawn = True), all else of it at its default.
"""
_PATIENCE = 120.0  # seconds for a peer to have started all its jobs


class Peer(Tool):
    """A tool with one master process, whose children are the agents."""

    master = 0

    def own_processes(self) -> list[int]:
        return [self.master]

    def output(self, job: Job) -> Path:
        """The file that a kept job's output goes to."""
        return self.home / f"{job.name}.out"

    def follow_command(self, job: Job) -> list[str]:
        """Through the kernel's own wake-up on the log file: nothing of the peers' that follows a file is quicker."""
        return ["tail", "-n", "10", "-F", str(self.output(job))]

    def await_children(self, count: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while len(children(self.master)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} has started {len(children(self.master))} of {count}")
            time.sleep(0.02)

    def await_answer(self, command: list[str], sign: Path) -> None:
        """Wait for the socket `sign`, then for an answer."""
        deadline = time.monotonic() + _PATIENCE
        while not sign.exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not listen")
            time.sleep(0.02)
        self.run(command, check=False)


class Supervisord(Peer):
    name = "supervisord"

    def __init__(self, place: Scene) -> None:
        super().__init__(place)
        self._bin = install.python_peers()
        self._config = self.home / "supervisord.conf"
        self._control = [str(self._bin / "supervisorctl"), "-c", str(self._config)]

    def up(self, running: list[Job], ready: list[Job] = []) -> None:  # noqa: B006 - never changed
        socket = self.home / "socket"
        head = f"""[unix_http_server]
file={socket}
[supervisord]
logfile={self.home}/supervisord.log
pidfile={self.home}/supervisord.pid
childlogdir={self.home}
loglevel=warn
minfds={1024 + 3 * (len(running) + len(ready))}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{socket}
"""
        parts = [self._program(job, True) for job in running] + [self._program(job, False) for job in ready]
        self._config.write_text(head + "".join(parts))
        program = [str(self._bin / "supervisord"), "--nodaemon", "-c", str(self._config)]
        self.master = self.place.start(program, self.env).pid
        self.await_answer(self.list_command(), socket)
        self.await_children(len(running))

    def _program(self, job: Job, autostart: bool) -> str:
        log = self.output(job) if job.kept else "NONE"
        return f"""[program:{job.name}]
command={shlex.join(job.command)}
autostart={str(autostart).lower()}
autorestart={str(job.restarted).lower()}
startsecs=0
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=0
"""

    def list_command(self) -> list[str]:
        return [*self._control, "status"]

    def start_command(self, job: Job) -> list[str]:
        return [*self._control, "start", job.name]

    def stop_command(self, job: Job) -> list[str]:
        return [*self._control, "stop", job.name]


class Circus(Peer):
    name = "circus"

    def __init__(self, place: Scene) -> None:
        super().__init__(place)
        self._bin = install.python_peers()
        self._control = [str(self._bin / "circusctl"), "--timeout", "60", "--endpoint", f"ipc://{self.home}/control"]

    def up(self, running: list[Job], ready: list[Job] = []) -> None:  # noqa: B006 - never changed
        head = f"""[circus]
endpoint = ipc://{self.home}/control
pubsub_endpoint = ipc://{self.home}/events
statsd = False
loglevel = warning
logoutput = {self.home}/circus.log
warmup_delay = 0
"""
        known = [self._watcher(job, True) for job in running]
        known += [self._watcher(job, False) for job in ready if job.kept]  # any other is added as it is started
        config = self.home / "circus.ini"
        config.write_text(head + "".join(known))
        self.master = self.place.start([str(self._bin / "circusd"), str(config)], self.env).pid
        self.await_answer(self.list_command(), self.home / "control")
        self.await_children(len(running))

    def _watcher(self, job: Job, autostart: bool) -> str:
        stream = ["stdout_stream.class = FileStream", f"stdout_stream.filename = {self.output(job)}"]
        return "\n".join([
            f"[watcher:{job.name}]",
            f"cmd = {shlex.join(job.command)}",
            f"autostart = {autostart}",
            f"respawn = {job.restarted}",
            "graceful_timeout = 1",
            *(stream if job.kept else []),
            "",
        ])  # fmt: skip

    def list_command(self) -> list[str]:
        return [*self._control, "list"]

    def start_command(self, job: Job) -> list[str]:
        if job.kept:  # only a configured watcher has a stream
            return [*self._control, "start", job.name]
        return [*self._control, "add", "--start", job.name, shlex.join(job.command)]

    def stop_command(self, job: Job) -> list[str]:
        return [*self._control, "rm", "--waiting", job.name]


class Pm2(Peer):
    name = "pm2"

    def __init__(self, place: Scene) -> None:
        super().__init__(place)
        self._program = str(install.pm2())
        self.env = {"PM2_HOME": str(self.home), "PM2_DISABLE_VERSION_CHECK": "true", "PM2_DISCRETE_MODE": "true"}

    def up(self, running: list[Job], ready: list[Job] = []) -> None:  # noqa: B006 - never changed
        self.run([self._program, "ping"])  # starts its daemon
        self.master = int((self.home / "pm2.pid").read_text())
        if running:
            config = self.home / "ecosystem.json"
            config.write_text(json.dumps({"apps": [self._app(job) for job in running]}))
            self.run([self._program, "start", str(config)])
            self.await_children(len(running))

    def _app(self, job: Job) -> dict[str, object]:
        log = str(self.output(job)) if job.kept else "/dev/null"
        return {
            "name": job.name,
            "script": job.command[0],
            "args": job.command[1:],
            "interpreter": "none",
            "exec_mode": "fork",
            "autorestart": job.restarted,
            "vizion": False,
            "automation": False,
            "pmx": False,
            "merge_logs": True,
            "out_file": log,
            "error_file": "/dev/null",
        }

    def list_command(self) -> list[str]:
        return [self._program, "list"]

    def start_command(self, job: Job) -> list[str]:
        log = str(self.output(job)) if job.kept else "/dev/null"
        how = ["--interpreter", "none", "--no-autorestart", "--no-vizion", "--no-automation", "--merge-logs"]
        where = ["-o", log, "-e", "/dev/null"]
        return [
            self._program,
            "start",
            "--silent",
            job.command[0],
            "--name",
            job.name,
            *how,
            *where,
            "--",
            *job.command[1:],
        ]

    def stop_command(self, job: Job) -> list[str]:
        return [self._program, "delete", job.name]

    def follow_command(self, job: Job) -> list[str]:
        return [self._program, "logs", job.name, "--raw", "--lines", "10"]


def peers() -> list[type[Peer]]:
    """Those that are there: pm2 needs Node."""
    install.python_peers()
    return [Supervisord, Circus, *([Pm2] if install.pm2() is not None else [])]
