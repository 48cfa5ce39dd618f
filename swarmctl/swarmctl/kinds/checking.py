"""What is here of a kind: its program and version, whether somebody has signed in, and whether it answers.

To look is quick and guesses nothing: where it cannot be told that somebody has signed in, that is unknown. To check
starts the agent as a run would, through its driver: opens a session, and with a prompt takes a turn in which every
permission is denied. Both end by themselves, whatever the agent does.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import tempfile
import time
from typing import Any, NamedTuple, Protocol, runtime_checkable

from swarm_store.errors import SwarmError

from ..host.driver import Driver, SessionSpec
from ..host.facts import Answer, Completed, Message, Opened, Permission, Said
from .profile import Login
from .resolving import Kind, look_up, program, require

LOOK_SECONDS = 10.0  # a program that does not say its version in that time does not say it
CLOSE_SECONDS = 10.0
VERSION = re.compile(r"\d+\.\d+[0-9A-Za-z.+-]*")
REFERENCE = re.compile(r"\$\{(\w+):-([^}]*)\}")


class Looked(NamedTuple):
    """login: yes | no | unknown. `problem`: why it cannot be used as it is, in one line; None where nothing is seen."""

    kind: str
    driver: str | None
    description: str
    installed: bool
    program: str | None
    version: str | None
    login: str
    model: str | None
    source: str | None
    problem: str | None
    hint: str | None


class Checked(NamedTuple):
    """Whether a kind answers. seconds: how long that took. text: what it said, where it was asked."""

    kind: str
    ok: bool
    seconds: float
    version: str | None
    model: str | None
    text: str | None
    problem: str | None
    hint: str | None


def look(name: str) -> Looked:
    """What is to be seen of a kind without starting a session. Of a profile that is wrong, what is wrong."""
    try:
        kind = look_up(name)
    except SwarmError as error:
        return Looked(name, None, "", False, None, None, "unknown", None, None, error.message, error.hint)
    problem, hint = None, None
    try:
        require(kind)
    except SwarmError as error:
        problem, hint = error.message, error.hint
    found = program(kind, os.environ, os.getcwd())
    installed = found is not None if kind.command else problem is None
    login = _login(kind) if problem is None else "unknown"
    if login == "no":
        problem, hint = f"nobody has signed in to {kind.kind}", _how_to_sign_in(kind)
    return Looked(
        kind=kind.kind,
        driver=kind.driver,
        description=kind.profile.description,
        installed=installed,
        program=found,
        version=_version(kind) if found is not None else None,
        login=login,
        model=kind.model,
        source=kind.sources[0],
        problem=problem,
        hint=hint,
    )


def check(name: str, seconds: float, prompt: str | None = None) -> Checked:
    """Start the kind, open a session, take a turn if there is a prompt, and end it again, in `seconds` at most."""
    begun = time.monotonic()
    room = _Room()
    opened, done, error = None, None, None
    try:
        kind = look_up(name)
        require(kind)
        opened, done = asyncio.run(_converse(kind, room, seconds, prompt))
    except SwarmError as raised:
        error = raised
    except TimeoutError:
        error = SwarmError(f"{name} has not answered in {seconds:g} s", "give it longer with --timeout D")
    except Exception as raised:  # a driver, of a third party perhaps, that fails otherwise
        error = SwarmError(f"{type(raised).__name__}: {raised}", f"it is the driver of {name} that failed")
    if error is None and done is not None and done.outcome != "completed":
        error = SwarmError(f"the turn has {done.outcome}: {done.reason or done.stop_reason}")
    return Checked(
        kind=name,
        ok=error is None,
        seconds=round(time.monotonic() - begun, 2),
        version=opened.version if opened else None,
        model=opened.model if opened else None,
        text=room.text or None,
        problem=error.message if error else None,
        hint=(error.hint or None) if error else None,
    )


async def _converse(kind: Kind, room: _Room, seconds: float, prompt: str | None) -> tuple[Opened, Completed | None]:
    """A session in a directory of its own, where no project has anything to say."""
    from ..host.finding import find

    with tempfile.TemporaryDirectory(prefix="swarm-check-") as place:
        driver: Driver = find(kind.driver)(_spec(kind, place), room)
        try:
            async with asyncio.timeout(seconds):
                opened = await driver.open(None)
                if prompt is None and isinstance(driver, Service):
                    await driver.reach()
                return opened, await driver.prompt(prompt) if prompt is not None else None
        finally:
            async with asyncio.timeout(CLOSE_SECONDS):
                await driver.close()


def _spec(kind: Kind, place: str) -> SessionSpec:
    return SessionSpec(
        kind=kind.kind,
        command=kind.command,
        env=kind.env,
        cwd=place,
        model=kind.model,
        options=kind.options,
        with_swarm=False,
        counted={},
        agent_id="check",
        home=place,
        run_path=place,
        allow=(),
        deny=(),
        approve="never",
    )


@runtime_checkable
class Service(Protocol):
    """A driver whose `open` starts no process, and so does not show whether anybody answers."""

    async def reach(self) -> None:
        """Reach the service without asking a model anything. Raises DriverError."""


class _Room:
    """A room without a log: what the agent says is remembered, what it wants is denied."""

    def __init__(self) -> None:
        self.text = ""

    async def say(self, *said: Said) -> None:
        self.text = next((one.text for one in reversed(said) if _is_answer(one)), self.text)

    def live(self, role: str, text: str) -> None:
        pass

    def raw(self, line: bytes) -> None:
        pass

    async def ask(self, wish: Permission) -> Answer:
        rejects = (one.id for one in wish.options if one.kind == "reject_once")
        return Answer(granted=False, message="only whether you answer is being tried", option=next(rejects, None))

    def pending(self, call: str) -> Answer | None:
        return None


def _is_answer(fact: Said) -> bool:
    return isinstance(fact, Message) and fact.role == "assistant"


def _version(kind: Kind) -> str | None:
    if kind.profile.version is None:
        return None
    status, said = _run(kind.profile.version, kind)
    found = VERSION.search(said)
    return found[0] if status == 0 and found else None


def _login(kind: Kind) -> str:
    """Whether somebody has signed in."""
    if kind.driver == "api":
        key = kind.options.get("key_env")
        return "yes" if key is None or _environment(kind).get(key) else "no"
    login: Login = kind.profile.login
    if login.command is not None:
        status, _ = _run(login.command, kind)
        return "unknown" if status is None else "no" if status else "yes"
    environment = _environment(kind)
    seen = any(environment.get(name) for name in login.env)
    return "yes" if seen or any(os.path.exists(_place(one, environment)) for one in login.files) else "unknown"


def _how_to_sign_in(kind: Kind) -> str | None:
    return f"set {kind.options['key_env']}" if kind.driver == "api" else kind.profile.login.how or None


def _place(path: str, environment: dict[str, str]) -> str:
    """A path with `${NAME:-DEFAULT}` and ~ replaced."""
    return os.path.expanduser(REFERENCE.sub(lambda found: environment.get(found[1]) or found[2], path))


def _environment(kind: Kind) -> dict[str, str]:
    return {**os.environ, **kind.env}


def _run(command: list[str], kind: Kind) -> tuple[int | None, str]:
    """The status and stdout of a command that only tells something; no status where it did not end, or start."""
    try:
        process = subprocess.Popen(
            command,
            env=_environment(kind),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None, ""
    with process:
        try:
            said, _ = process.communicate(timeout=LOOK_SECONDS)
            return process.returncode, said.decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, ""


def as_dict(kind: Kind) -> dict[str, Any]:
    """A kind as data, for programs."""
    said = kind._asdict()
    said.pop("profile")
    profile = kind.profile
    return {
        **said,
        "description": profile.description,
        "install": profile.install,
        "version": profile.version,
        "login": profile.login.model_dump(),
    }
