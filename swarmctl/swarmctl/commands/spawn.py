"""`swarmctl spawn`: start agents, each as a detached daemon."""

from __future__ import annotations

import json as json_text
import os
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Annotated, Any, NamedTuple

import typer

from swarm_daemon import spawn as spawning
from swarm_store import events, registry
from swarm_store.errors import SwarmError, WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log

from .. import beside, elsewhere, entry, home, values
from ..progress import progress
from . import agent_options
from .agent_options import (
    AllowOption,
    ApproveOption,
    DenyOption,
    KindOption,
    ModelOption,
    PromptFileOption,
    QuotaOption,
    SessionOption,
    SpawnCommand,
    StayOption,
    SwarmOption,
    TimeoutOption,
)
from .beside_options import BranchOption, NotifyOption, WorktreeEndOption, WorktreeOption
from .options import HELP, JsonOption, new_verb
from .tree_options import ChildrenOption, DepthOption, TokensOption, UsdOption, tree
from .waiting import FAILED_OURSELVES, ends, in_an_agents_place, status

verb = new_verb()


@verb.command(cls=SpawnCommand, context_settings={**HELP, "allow_interspersed_args": False})
def spawn(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND... | PROMPT", help="What to run, or what to tell it.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="N", help="A name; no two living agents share one.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A label; may be repeated.")] = None,
    cwd: Annotated[str | None, typer.Option(metavar="DIR", help="Run there; by default, here.")] = None,
    env: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A variable; may be repeated.")] = None,
    stdin: Annotated[str | None, typer.Option(metavar="FILE", help="Its standard input; - keeps ours.")] = None,
    input: Annotated[bool, typer.Option("--input", help="Its standard input stays open, for swarmctl send.")] = False,
    tty: Annotated[
        bool, typer.Option("--tty", help="In a terminal of its own, for programs that want one; see swarmctl attach.")
    ] = False,
    restart: Annotated[
        str,
        typer.Option(metavar="no|on-failure|always", help="When a supervisor starts it again."),
    ] = "no",
    max_restarts: Annotated[
        int | None,
        typer.Option(min=0, help="So often in a row, until it is a crash loop; 10 if not said."),
    ] = None,
    timeout: Annotated[str | None, typer.Option(metavar="D", help="End it after this long.")] = None,
    grace: Annotated[str | None, typer.Option(metavar="D", help="Between TERM and KILL; 10s if not said.")] = None,
    silence: Annotated[str | None, typer.Option(metavar="D", help="Mark it when no output comes for so long.")] = None,
    on_silence: Annotated[
        str,
        typer.Option(metavar="mark|restart", help="What to do then; restart ends it, and its policy starts it again."),
    ] = "mark",
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="At most this much memory: 512M, 2G.")] = None,
    cpu: Annotated[str | None, typer.Option(metavar="SHARE", help="At most so much of the CPUs: 50%, 150%.")] = None,
    tasks: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=values.MOST_TASKS, help="At most so many processes, threads too."),
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Many agents: one JSON object a line, - for stdin."),
    ] = None,
    agent: KindOption = None,
    model: ModelOption = None,
    session: SessionOption = None,
    approve: ApproveOption = None,
    allow: AllowOption = None,
    deny: DenyOption = None,
    approval_timeout: TimeoutOption = None,
    stay: StayOption = False,
    resume_after_quota: QuotaOption = False,
    with_swarm: SwarmOption = False,
    prompt_file: PromptFileOption = None,
    budget_usd: UsdOption = None,
    budget_tokens: TokensOption = None,
    max_depth: DepthOption = None,
    max_children: ChildrenOption = None,
    notify: NotifyOption = None,
    worktree: WorktreeOption = False,
    branch: BranchOption = None,
    worktree_end: WorktreeEndOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show its output, and exit as it does.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end, and exit as it does.")] = False,
    json: JsonOption = False,
) -> int:
    """Spawn an agent and print its id, once its command is executed.

    Where it cannot be: status 127 if the command is not found, 126 if it is not executable, and nothing is spawned.
    A line for --from has the same options: {"command": ["make"], "name": "build", "labels": {"team": "web"},
    "cwd": "/src", "env": {"CI": "1"}, "stdin": "in.txt", "timeout": "1h", "grace": "10s", "restart": "on-failure",
    "max_restarts": 3, "silence": "10m", "on_silence": "restart", "memory": "2G", "cpu": "150%", "tasks": 100};
    and in place of "stdin" "input": true or "tty": true; in place of "command" "agent": "claude", "prompt": "fix it".
    And for each: "notify": ["say done"], "worktree": true, "branch": "topic", "worktree_end": "keep".
    Limits are of the agent with all its processes, and are refused where nothing here can enforce them.

    An agent of a kind takes turns: its prompt, and what swarmctl send brings while it lives or after. It ends when no
    turn waits, with 0 if the last one was completed; --stay has it wait. What it asks to be allowed, swarmctl
    approvals shows. Rules are Tool or Tool(glob), over the command, the path or the title. Options may follow its
    prompt; what follows a command is the command's.

    Who is told gets a line on stdin, and SWARM_EVENT (waiting, done, failed), SWARM_AGENT_ID, SWARM_AGENT_NAME,
    SWARM_STATE and SWARM_REASON; a URL is one of Apprise's.

    \b
    Examples:
      swarmctl spawn --name build -- make -j4
      swarmctl spawn --agent claude --allow 'Bash(git *)' "fix the tests"
      swarmctl spawn --agent codex --approval-timeout 30m --prompt-file task.md
      id=$(swarmctl spawn -- sh -c 'sleep 5; exit 3'); swarmctl wait $id
      swarmctl spawn --name calc --input -- bc; swarmctl send calc '2 ^ 100'
      swarmctl spawn --name editor --tty -- vim notes.txt; swarmctl attach editor
      swarmctl spawn --agent claude --budget-usd 5 --max-children 3 "plan it, and have others do it"
      swarmctl spawn --agent claude --worktree --notify 'notify-send "$(cat)"' "fix the tests"
      swarmctl spawn --memory 2G --cpu 150% --tasks 200 -- make -j4
      swarmctl spawn --from jobs.jsonl
    """
    if follow and (wait or json):
        raise WrongUsage("--follow excludes --wait and --json", "leave one out")
    of_kind: dict[str, Any] = {"model": model, "session": session, "approve": approve, "allow": allow, "deny": deny}
    of_kind |= {"approval_timeout": approval_timeout, "stay": stay, "resume_after_quota": resume_after_quota}
    of_kind |= {"with_swarm": with_swarm, "prompt_file": prompt_file}
    of_tree = tree(budget_usd, budget_tokens, max_depth, max_children)
    around = {"notify": notify, "worktree": worktree, "branch": branch, "worktree_end": worktree_end}
    if from_file is not None:
        one_only = (command, name, label, cwd, env, stdin, timeout, grace, max_restarts, silence, agent)
        limits, flags = (memory, cpu, tasks), (follow, input, tty)
        flags = (*flags, *of_kind.values(), *of_tree.values(), *around.values())
        is_said = any(given is not None for given in (*one_only, *limits)) or any(flags)
        if is_said or (restart, on_silence) != ("no", "mark"):
            raise WrongUsage("--from takes its options from the file's lines", "leave the others out")
        from ..jobs import read_jobs  # pydantic: only this form of spawn pays for it

        wishes = read_jobs(from_file)
    else:
        asked = agent_options.asked(agent, command or [], **of_kind)
        if not (command or asked):
            raise WrongUsage("no command to run", "swarmctl spawn -- COMMAND...")
        given: dict[str, Any] = {"name": name, "labels": label or [], "cwd": cwd, "env": env or [], "stdin": stdin}
        given |= {"input": input, "tty": tty, "restart": restart, "max_restarts": max_restarts}
        given |= {"timeout": timeout, "grace": grace, "tree": of_tree}
        given |= {"memory": memory, "cpu": cpu, "tasks": tasks, "silence": silence, "on_silence": on_silence}
        what = {"agent": asked} if asked else {"command": command}
        wishes = [_wish({**what, **beside.check(around)}, **given)]
    said = Said(quiet=follow, as_json=json, many=from_file is not None)
    with in_an_agents_place() if wait or follow else nullcontext():
        if far := elsewhere.far():
            return far.spawn(wishes, said, follow=follow, wait=wait)
        with home.writing() as log:
            outcomes = _spawn(log, wishes, said)
            if follow and not failures(outcomes):
                return _follow(log, next(iter(outcomes)))
            if wait:
                return _wait(log, outcomes)
            return failures(outcomes)


Outcomes = dict[str, dict[str, Any] | SwarmError]  # id → the identities of daemon and child, or why there are none


class Said(NamedTuple):
    """How it is said what became of wishes: ids on stderr (`quiet`), as JSON, and whether there may be many."""

    quiet: bool
    as_json: bool
    many: bool

    def say(self, outcomes: Outcomes) -> None:
        """Print ids in order, and on stderr why any could not start; raises that where there is only one."""
        started = [{"id": one, **outcome} for one, outcome in outcomes.items() if isinstance(outcome, dict)]
        if self.as_json:
            if self.many:
                print(json_text.dumps(started), flush=True)
            elif started:
                print(json_text.dumps(started[0]), flush=True)
        else:
            for one in started:
                print(one["id"], file=sys.stderr if self.quiet else sys.stdout, flush=True)
        for agent_id, outcome in outcomes.items():
            if isinstance(outcome, SwarmError):
                if not self.many:
                    raise outcome
                who = agent_id if ":" in agent_id else f"agent {agent_id}"  # where it stood, if it was never one
                print(f"swarmctl: {who}: {outcome.message}; {outcome.hint}", file=sys.stderr)


def _wish(what: dict[str, Any], **given: Any) -> dict[str, Any]:
    """What to run and the options of one agent, checked; times in seconds."""
    if given["restart"] not in spawning.RESTART_POLICIES:
        raise WrongUsage(f"no such restart policy: {given['restart']!r}", "it is no, on-failure or always")
    values.check_silence(given["silence"], given["on_silence"], given["restart"])
    return {
        **what,
        "name": values.name(given["name"]),
        "labels": values.labels(given["labels"]),
        "cwd": given["cwd"],
        "env": values.environment(given["env"]),
        "stdin": given["stdin"],
        "input": given["input"],
        "tty": given["tty"],
        "size": _size() if given["tty"] else None,
        "restart": given["restart"],
        "max_restarts": given["max_restarts"],
        "on_silence": given["on_silence"],
        **given["tree"],
        **{key: None if given[key] is None else values.duration(given[key]) for key in ("timeout", "grace", "silence")},
        "limits": values.limits(
            memory=None if given["memory"] is None else values.memory(given["memory"]),
            cpu=None if given["cpu"] is None else values.share(given["cpu"]),
            tasks=given["tasks"],
        ),
    }


def _size() -> tuple[int, int] | None:
    """Rows and columns of the terminal that we are called from, if it is one."""
    for file in (0, 1, 2):
        try:
            columns, rows = os.get_terminal_size(file)
        except OSError:
            continue
        return (rows, columns) if rows and columns else None
    return None


def _spawn(log: Log, wishes: list[dict[str, Any]], said: Said) -> Outcomes:
    """Spawn all, and say what became of them."""
    requests = _requests(log, wishes)
    outcomes: Outcomes = {request.agent_id: {} for request in requests}
    with progress("spawning", len(requests)) as advance:
        for agent_id, outcome in spawning.spawn(log, requests):
            outcomes[agent_id] = outcome
            advance()
    said.say(outcomes)
    return outcomes


def _requests(log: Log, wishes: list[dict[str, Any]]) -> list[spawning.Request]:
    """The requests of all wishes, or of none."""
    requests: list[spawning.Request] = []
    try:
        for wish in wishes:
            requests.append(_request(log, wish, None if requests else entry.ahead))
    except BaseException:
        spawning.discard(log.home, requests)
        raise
    return requests


def _request(log: Log, wish: dict[str, Any], agent_id: str | None) -> spawning.Request:
    """The request of a wish, for which a daemon may be loading; what is wrong is said with the line's number."""
    given = dict(wish)
    line = given.pop("line", None)
    try:
        return beside.request(log.home, given, agent_id=agent_id)
    except SwarmError as error:
        if line is not None:
            raise WrongUsage(f"{line}: {error.message}", f"{error.hint}; nothing was spawned") from error
        raise


def failures(outcomes: Outcomes) -> int:
    """The status of a spawn that waits for nothing."""
    return int(any(isinstance(outcome, SwarmError) for outcome in outcomes.values()))


def _wait(log: Log, outcomes: Outcomes) -> int:
    agents = [agent for one in outcomes if (agent := registry.get(log, one))]
    return status_of_all(outcomes, agents, ends(log, agents, None))


def status_of_all(outcomes: Outcomes, agents: list[Agent], ending: Iterable[Agent]) -> int:
    """Wait for all, and give the status of the first, in the order spawned, that is not 0."""
    ended = {}
    try:
        with progress("running", len(agents)) as advance:
            for one in ending:
                ended[one["id"]] = status(one)
                advance()
    except KeyboardInterrupt:
        say_going_on([agent["id"] for agent in agents if agent["id"] not in ended] or list(outcomes))
        raise
    return next((code for one in outcomes if (code := ended.get(one, FAILED_OURSELVES))), 0)


def say_going_on(ids: list[str]) -> None:
    """An interrupt ends this command, not what it has spawned."""
    print(f"swarmctl: still running: {' '.join(ids)}; swarmctl logs -f {ids[0]}", file=sys.stderr)


def _follow(log: Log, agent_id: str) -> int:
    """Show the agent's output until it ends; leaving does not end it."""
    from ..output import Chosen  # what who does not follow need not load
    from .logs import Shown, Views, follow_output

    agent = registry.get(log, agent_id)
    assert agent is not None
    views = Views([agent], Chosen(list(events.OUTPUT_TYPES.values())), Shown())
    try:
        follow_output(log, views, [agent], {events.agent_stream(agent_id): 0})
    except KeyboardInterrupt:
        say_going_on([agent_id])
        raise
    ended = registry.get(log, agent_id)
    return status(ended) if ended else FAILED_OURSELVES
