"""How a run's daemon is launched: detached from whoever launches it, with a handshake that tells the outcome.

The daemon's interpreter sees nothing of the user's: a clean environment, no site packages, no current directory on its
path (-P, -S, -s). The user's environment, PYTHON* and all, goes to the child through the spec.
"""

from __future__ import annotations

import os
import resource
import select
import shutil
import stat
import sys
from _thread import allocate_lock

import swarm_store
from swarm_store.codec import decode
from swarm_store.errors import CannotStart, WrongUsage

from . import confine
from .child import NOT_EXECUTABLE, NOT_FOUND
from .run import Run
from .signals import signal
from .tree import DAEMON_MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from swarm_store.home import Home

    from .run import Spec

HANDSHAKE_SECONDS = 60.0  # a machine that starts hundreds at once may need many of them
DEFAULT_GRACE = 10.0
_OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]  # as this process began: a server allows itself more
_launched: set[int] = set()  # keepers and successors: this process's children until they end
_reaping = allocate_lock()  # so that no thread signals what another has just reaped
_ahead: dict[str, Interpreter] = {}  # by the id of the agent that each is for
_INTERPRETER = (sys.executable, "-P", "-S", "-s")
# Python ignores the first two; with the third ignored the kernel would keep no exit status.
_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "LD_LIBRARY_PATH")


def make_spec(
    command: list[str],
    *,
    cwd: str,
    env: dict[str, str],
    umask: int,
    stdin: str | None = None,
    timeout: float | None = None,
    grace: float | None = None,
    silence: float | None = None,
    on_silence: str = "mark",
    limits: dict[str, Any] | None = None,
    input: bool = False,
    tty: bool = False,
    size: Sequence[int] = (24, 80),
) -> Spec:
    """What a run is started from; times in seconds, `size` rows and columns of its terminal, if it has one.

    Raises CannotStart or WrongUsage for what cannot be started.
    """
    if not os.path.isdir(cwd):
        raise WrongUsage(f"there is no directory {cwd}", "name another with --cwd")
    if stdin is not None:
        _check_stdin(stdin)
    check_command(command[0], cwd, env)
    return {
        "command": command,
        "cwd": cwd,
        "env": env,
        "umask": umask,
        "stdin": None if stdin is None else os.path.abspath(stdin),
        "timeout": timeout,
        "grace": DEFAULT_GRACE if grace is None else grace,
        "silence": silence,
        "on_silence": on_silence,
        "limits": limits or None,
        "input": input,
        "tty": tty,
        "size": size,
        "open_files": _OPEN_FILES,  # a supervisor that restarts it has more
    }


def _check_stdin(path: str) -> None:
    if not (os.path.isfile(path) or _is_device(path)) or not os.access(path, os.R_OK):
        raise WrongUsage(f"not a file that can be read: {path}", "name another with --stdin, or - for our own")


def _is_device(path: str) -> bool:
    """/dev/null, say; but opening a FIFO would wait for a writer that may never come."""
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        return False


def check_command(name: str, cwd: str, env: dict[str, str]) -> None:
    """Raises CannotStart where `name` is plainly not there (127) or not executable (126), as a shell would."""
    if "/" in name:
        path = os.path.join(cwd, name)
        found = path if os.path.exists(path) else None
        usable = os.path.isfile(path) and os.access(path, os.X_OK)
    else:
        search = env.get("PATH", os.defpath)
        usable = shutil.which(name, path=search) is not None
        found = shutil.which(name, mode=os.X_OK if usable else os.F_OK, path=search)
    if found is None:
        raise CannotStart(f"command not found: {name}", "give its path, or look at PATH", NOT_FOUND)
    if not usable:
        if os.path.isdir(found):
            raise CannotStart(f"is a directory: {found}", "name a program", NOT_EXECUTABLE)
        raise CannotStart(f"not executable: {found}", f"chmod +x {found}, or name its interpreter", NOT_EXECUTABLE)
    interpreter = _interpreter(os.path.join(cwd, found))
    if interpreter and not os.path.exists(os.path.join(cwd, interpreter)):
        raise CannotStart(f"{found} wants an interpreter that is not there: {interpreter}", "correct its #!", NOT_FOUND)


def _interpreter(path: str) -> str | None:
    """What a script's first line names; None where it is no script, or cannot be read."""
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        return None
    words = first[2:].split(None, 1)
    return os.fsdecode(words[0]) if first.startswith(b"#!") and words else None


class Interpreter:
    """A daemon's interpreter, started and loading, which touches nothing until it is let go.

    If it never is, because whoever started it refuses or dies, it ends by itself.
    """

    __slots__ = ("_go", "pid", "told")

    def __init__(self, home: Home, agent_id: str, number: int) -> None:
        """Start it, in a session of its own; nothing else of ours or our user's is inherited. Raises OSError."""
        wait, self._go = os.pipe()
        self.told, tell = os.pipe()
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                [*_INTERPRETER, _program(), agent_id, str(number)],
                daemon_environment(home, Run(home, agent_id, number).mark),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, wait, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_RDWR, 0),
                    (os.POSIX_SPAWN_DUP2, tell, 3),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=_DEFAULT,
            )
        except BaseException:
            os.close(self._go)
            os.close(self.told)
            raise
        finally:
            os.close(wait)
            os.close(tell)
        _launched.add(self.pid)

    def let_go(self) -> None:
        try:
            os.write(self._go, b"g")
        except BrokenPipeError:
            pass  # it has died already: its silence will be noticed
        os.close(self._go)

    def give_up(self) -> None:
        """Let it end without having done anything."""
        os.close(self._go)
        os.close(self.told)


def start_ahead(home: Home, agent_id: str) -> None:
    """Start the interpreter for an agent that is likely to be spawned, while this process still finds out.

    Its Launch takes it from here. Trouble is left for Launch to meet again, and to say.
    """
    try:
        _ahead[agent_id] = Interpreter(home, agent_id, 1)
    except OSError:
        pass


class Launch:
    """A daemon on its way: `wait` for the outcome, here or after others have been launched beside it."""

    def __init__(self, home: Home, agent_id: str, number: int) -> None:
        """Make the run's directory and let its daemon go. Raises CannotStart where either is impossible."""
        reap()
        self.agent_id = agent_id
        self.number = number
        self._run = Run(home, agent_id, number)
        try:
            self._run.make()
            interpreter = _ahead.pop(agent_id, None) or Interpreter(home, agent_id, number)
        except OSError as error:
            raise CannotStart(f"cannot start a daemon: {error.strerror}", "look at disk space and limits") from error
        self._confine(interpreter)
        interpreter.let_go()
        self.is_over = False  # whether the outcome has been waited for
        self.file = interpreter.told
        self._pid = interpreter.pid

    def _confine(self, interpreter: Interpreter) -> None:
        try:
            confine.confine(self._run, interpreter.pid)
        except BaseException:
            interpreter.give_up()
            raise

    def wait(self, timeout: float = HANDSHAKE_SECONDS) -> dict[str, Any]:
        """The identities of daemon and child, once the command is executed. CannotStart gives the reason if not."""
        self.is_over = True
        try:
            poll = select.poll()
            poll.register(self.file, select.POLLIN)
            raw = b""
            while not raw.endswith(b"}"):
                if not poll.poll(timeout * 1000):
                    raise self._silent(f"the daemon did not answer in {HANDSHAKE_SECONDS:g} s")
                got = os.read(self.file, 65536)
                if not got:
                    raise self._silent("the daemon died before it answered")
                raw += got
        finally:
            os.close(self.file)
        outcome: dict[str, Any] = decode(raw.decode("ascii"))
        if "error" in outcome:
            raise CannotStart(outcome["error"], outcome["hint"], outcome["exit_code"])
        return outcome

    def _silent(self, why: str) -> CannotStart:
        try:
            with open(self._run.notes, encoding="utf-8", errors="replace") as notes:
                words = notes.read().strip().splitlines()
        except OSError:
            words = []
        return CannotStart(why, f"its last words: {words[-1]}" if words else "try again; swarmctl doctor may say more")

    def abandon(self) -> None:
        """End what is left of a start that failed before it was in the log: the keeper, which is our own child."""
        with _reaping:
            if self._pid in _launched:  # not reaped yet, so nobody else can have its PID
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                _launched.discard(self._pid)


def adopt(home: Home, agent_ids: list[str], *, each: bool = False) -> int:
    """Launch successors for runs whose daemons are dead, detached from us; a PID, a child of ours to be reaped.

    With `each` every run gets one of its own, and the process ends when each has its run or could not get it. Without,
    it ends the runs itself, one after the other, which is for those whose child is dead too. Raises OSError.
    """
    how = "--adopt-each" if each else "--adopt"
    return detached([*_INTERPRETER, _program(), how, *agent_ids], daemon_environment(home, "successor"))


def detached(command: list[str], environment: dict[str, str] | None = None) -> int:
    """Launch a process that goes on without us, in a session of its own; its PID, see reap. Raises OSError."""
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    pid = os.posix_spawn(
        command[0],
        command,
        dict(os.environ) if environment is None else environment,
        file_actions=nothing,
        setsid=True,
        setsigmask=[],
        setsigdef=_DEFAULT,
    )
    _launched.add(pid)
    return pid


def has_launched() -> bool:
    """Whether anything that this process has launched has not been reaped yet."""
    return bool(_launched)


def reap() -> None:
    """Reap what this process has launched and what has ended, so that a long life gathers no zombies."""
    with _reaping:
        for pid in list(_launched):
            try:
                gone = os.waitpid(pid, os.WNOHANG)[0] == pid
            except ChildProcessError:
                gone = True
            if gone:
                _launched.discard(pid)


def _program() -> str:
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


def daemon_environment(home: Home, mark: str) -> dict[str, str]:
    """The environment of a daemon: where our packages are, and nothing that could reach its interpreter."""
    roots = {os.path.dirname(os.path.dirname(os.path.abspath(path))) for path in (__file__, swarm_store.__file__)}
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "SWARM_HOME": home.path, DAEMON_MARK: mark, "PYTHONPATH": os.pathsep.join(sorted(roots))}
