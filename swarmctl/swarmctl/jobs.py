"""Job files for `spawn --from`: a JSON object a line, validated whole before anything is spawned."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from swarm_store.errors import SwarmError, WrongUsage

from . import values, wishes


def _seconds(given: Any) -> Any:
    return values.duration(given) if isinstance(given, str) else given


def _bytes(given: Any) -> Any:
    return None if given is None else values.memory(str(given))


def _cpus(given: Any) -> Any:
    return None if given is None else values.share(str(given))


def _dollars(given: Any) -> Any:
    return values.dollars(given) / values.MICRO if isinstance(given, str) else given


def _tokens(given: Any) -> Any:
    return values.tokens(given) if isinstance(given, str) else given


Seconds = Annotated[wishes.Seconds, BeforeValidator(_seconds)]
Bytes = Annotated[int, BeforeValidator(_bytes)]
Cpus = Annotated[float, BeforeValidator(_cpus)]
Dollars = Annotated[wishes.Dollars, BeforeValidator(_dollars)]
Tokens = Annotated[wishes.Tokens, BeforeValidator(_tokens)]


class Job(wishes.AgentWish):
    """One agent to spawn, with durations, sizes and shares as on the command line too."""

    stdin: str | None = None
    timeout: Seconds | None = None
    grace: Seconds | None = None
    silence: Seconds | None = None
    memory: Bytes | None = None
    cpu: Cpus | None = None
    approval_timeout: Seconds | None = None
    budget_usd: Dollars | None = None
    budget_tokens: Tokens | None = None
    prompt_file: str | None = None

    def options(self) -> dict[str, Any]:
        """As AgentWish.options, with the prompt read from its file."""
        if self.prompt_file is None:
            return super().options()
        if self.agent is None or self.prompt is not None:
            raise WrongUsage("prompt_file is instead of the prompt of an agent of a kind", "leave it out")
        from . import prompting

        self.prompt = prompting.read_file(self.prompt_file)
        return super().options()


def read_jobs(path: str) -> list[dict[str, Any]]:
    """The jobs of a file, or of stdin for `-`; `line` says where each stood. WrongUsage for the first bad line."""
    try:
        if path == "-":
            text = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                text = file.read()
    except OSError as error:
        raise WrongUsage(f"cannot read {path}: {error.strerror}", "name a file of JSON lines, or -") from error
    jobs = [_job(line, f"{path}:{number}") for number, line in enumerate(text.split(b"\n"), 1) if line.strip()]
    _check_names(jobs)
    _check_stdin(jobs, path)
    return jobs


def _job(line: bytes, where: str) -> dict[str, Any]:
    try:
        job = Job.model_validate_json(line, strict=False)
        if "\0" in (job.stdin or ""):
            raise WrongUsage("stdin cannot hold NUL", "leave it out")
        return {**job.options(), "stdin": job.stdin, "line": where}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise WrongUsage(f"{where}: {f'{field}: ' if field else ''}{first['msg']}", "nothing was spawned") from error
    except SwarmError as error:
        raise WrongUsage(f"{where}: {error.message}", f"{error.hint}; nothing was spawned") from error


def _check_stdin(jobs: list[dict[str, Any]], path: str) -> None:
    """Our standard input can be read once."""
    readers = [job["line"] for job in jobs if job["stdin"] == "-"]
    if len(readers) > (0 if path == "-" else 1):
        taken = "the jobs come from it" if path == "-" else f"{readers[0]} has it"
        raise WrongUsage(f"{readers[-1]}: standard input is taken: {taken}", "name a file; nothing was spawned")


def _check_names(jobs: list[dict[str, Any]]) -> None:
    seen: dict[str, str] = {}
    for job in jobs:
        name = job["name"]
        if name is not None and name in seen:
            raise WrongUsage(f"{job['line']}: name {name!r} stands in {seen[name]} too", "nothing was spawned")
        if name is not None:
            seen[name] = job["line"]
