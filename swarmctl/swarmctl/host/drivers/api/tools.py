"""The tools that a model is given: a shell, and files. What they give is text, cut in the middle where it is long."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
from typing import Any, NamedTuple

from ...process import LEASH
from .options import Tool

CUT = "\n[{} bytes are left out here]\n"
DEEPEST = 100  # levels of an input: who reads the log is to be able to decode it, wherever in its own calls it stands
READ_MOST = 64 << 20  # bytes of a file that are looked at
GRACE_SECONDS = 0.2  # for what a shell has left in its pipe when it has ended
SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh")


class Result(NamedTuple):
    """What became of a call: completed | failed, and what the model is told."""

    status: str
    output: str


class Bad(Exception):
    """The call makes no sense as it is written; its text tells the model."""


def _text(describes: str) -> dict[str, str]:
    return {"type": "string", "description": describes}


def _number(describes: str) -> dict[str, str]:
    return {"type": "integer", "description": describes}


PARAMETERS: dict[Tool, tuple[str, dict[str, dict[str, str]], list[str]]] = {  # what it does, its input, what it needs
    "bash": (
        "Run a command in a shell, in the working directory. Gives its output and, if not 0, its exit status.",
        {"command": _text("The command."), "timeout": _number("Seconds after which it is ended.")},
        ["command"],
    ),
    "read_file": (
        "Read a text file.",
        {
            "path": _text("The file, from the working directory or absolute."),
            "offset": _number("The first line, from 1."),
            "limit": _number("How many lines."),
        },
        ["path"],
    ),
    "write_file": (
        "Write a text file, in place of the one that is there; directories are made.",
        {"path": _text("The file, from the working directory or absolute."), "content": _text("All of its text.")},
        ["path", "content"],
    ),
}
READS_ONLY = frozenset(["read_file"])


def described(wanted: list[Tool]) -> list[dict[str, Any]]:
    """The tools, as the API takes them."""
    made = []
    for name in wanted:
        describes, properties, required = PARAMETERS[name]
        schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        made.append({"type": "function", "function": {"name": name, "description": describes, "parameters": schema}})
    return made


def decoded(arguments: str) -> Any:
    """The input of a call, as the log can take it too. Raises Bad."""
    try:
        given = json.loads(arguments or "{}", parse_constant=_no_json)
        _check_fits(given, DEEPEST)
    except ValueError as error:
        raise Bad(f"the input is no JSON: {error}") from error
    except RecursionError:
        raise Bad("the input is nested too deep") from None
    return given


def _no_json(constant: str) -> Any:
    raise ValueError(constant)


def _check_fits(value: Any, left: int) -> None:
    """Raises Bad for a number that Python reads as infinite (1e999), RecursionError for what is nested deeper."""
    if isinstance(value, float) and math.isinf(value):
        raise Bad("a number in the input is too great")
    if isinstance(value, dict | list):
        if not left:
            raise RecursionError
        for one in value.values() if isinstance(value, dict) else value:
            _check_fits(one, left - 1)


def check(name: str, given: Any, wanted: list[Tool]) -> dict[str, Any]:
    """The input of a call, if it is one of these tools', without what that does not take. Raises Bad."""
    known = next((one for one in wanted if one == name), None)
    if known is None:
        raise Bad(f"there is no tool {name!r}; there are {', '.join(wanted)}")
    if not isinstance(given, dict):
        raise Bad("the input is no JSON object")
    _, properties, required = PARAMETERS[known]
    for one in required:
        if one not in given:
            raise Bad(f"{one} is missing")
    taken = {one: value for one, value in given.items() if one in properties}
    for one, value in taken.items():
        wanted_type = properties[one]["type"]
        if not isinstance(value, str if wanted_type == "string" else int) or isinstance(value, bool):
            raise Bad(f"{one} is no {wanted_type}")
        if one != "content" and "\0" in str(value):
            raise Bad(f"{one} cannot hold NUL")
    return taken


def title(name: str, given: dict[str, Any]) -> str:
    """What the call does, in a line, for a person."""
    return " ".join(str(given.get("command") or given.get("path") or name).split())


class Tools:
    """The tools in one directory, with one environment. `seconds`: what a command may take; `most`: bytes of output."""

    def __init__(self, cwd: str, env: dict[str, str], seconds: float, most: int) -> None:
        self._cwd, self._env, self._seconds, self._most = cwd, env, seconds, most

    async def run(self, name: str, given: dict[str, Any]) -> Result:
        """Run a call that was checked. Cancelled, it leaves nothing running."""
        try:
            if name == "bash":
                return await self._bash(given["command"], given.get("timeout"))
            if name == "read_file":
                read = await asyncio.to_thread(self._read, given)
                return Result("completed", read)
            return Result("completed", await asyncio.to_thread(self._write, given["path"], given["content"]))
        except OSError as error:
            return Result("failed", f"{error.strerror}: {error.filename or given.get('path', '')}")
        except (Bad, ValueError) as error:  # a path or a command may be text that no system call takes
            return Result("failed", str(error))

    async def _bash(self, command: str, timeout: int | None) -> Result:
        seconds = self._seconds if timeout is None else max(0, min(timeout, self._seconds))
        shell = next(filter(os.path.exists, SHELLS))
        ours, theirs = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", LEASH, str(os.getpid()), shell, "-c", command),
                cwd=self._cwd,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        output = Output(self._most)
        reading = asyncio.ensure_future(_read_all(ours, output))
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
            await asyncio.wait([reading], timeout=GRACE_SECONDS)  # what it has left running may hold the pipe open
        except TimeoutError:
            return Result("failed", f"{output.text()}\n[ended after {seconds:g} s]".lstrip())
        finally:
            _kill(process)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await process.wait()
        return _shell_result(process.returncode or 0, output.text())

    def _read(self, given: dict[str, Any]) -> str:
        where = self._path(given["path"])
        _check_regular(where)
        with open(where, "rb") as file:
            text = file.read(READ_MOST)
        if b"\0" in text[:8192]:
            raise Bad("it is no text")
        first = max(1, given.get("offset", 1)) - 1
        if first or "limit" in given:
            lines = text.splitlines(keepends=True)
            text = b"".join(lines[first : first + max(0, given.get("limit", len(lines)))])
        output = Output(self._most)
        output.take(text)
        return output.text()

    def _write(self, path: str, content: str) -> str:
        where = self._path(path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        _check_regular(where)
        data = content.encode(errors="surrogatepass")
        with open(where, "wb") as file:
            file.write(data)
        return f"{len(data)} bytes are in {path}"

    def _path(self, path: str) -> str:
        return os.path.join(self._cwd, os.path.expanduser(path))


def _check_regular(path: str) -> None:
    """Raises Bad for what may hold a reader or a writer for ever: a FIFO, a device."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise Bad(f"{path} is no file")


def _shell_result(status: int, output: str) -> Result:
    if status == 0:
        return Result("completed", output)
    ended = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
    return Result("failed", f"{output}\n[{ended}]".lstrip())


def _kill(process: asyncio.subprocess.Process) -> None:
    """End a shell that has not ended by itself, with all of its group. What a command leaves running goes on."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


async def _read_all(fd: int, output: Output) -> None:
    """All that comes through a pipe; it is closed at the end."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0))
    try:
        while piece := await reader.read(65536):
            output.take(piece)
    finally:
        transport.close()


class Output:
    """The beginning and the end of what a command has written, `most` bytes together."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._head = b""
        self._tail = b""
        self._left_out = 0

    def take(self, piece: bytes) -> None:
        room = self._half - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:] if room < len(piece) else b""
        if len(self._tail) > self._half:
            self._left_out += len(self._tail) - self._half
            self._tail = self._tail[-self._half :]

    def text(self) -> str:
        cut = CUT.format(self._left_out).encode() if self._left_out else b""
        return (self._head + cut + self._tail).decode(errors="replace")
