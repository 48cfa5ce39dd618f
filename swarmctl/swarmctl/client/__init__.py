"""A swarm elsewhere, for programs: `Swarm`, and `AsyncSwarm` with the same methods as coroutines.

    with Swarm("http://127.0.0.1:4437", token=token) as swarm:
        agent = swarm.spawn(["make", "-j4"], name="build")
        for chunk in swarm.output(agent["id"], follow=True):
            sys.stdout.buffer.write(chunk.bytes)

target      where a server is, and whether a token may go there
types       what comes back: agents and events as the server's JSON has them
errors      what can go wrong: the family of swarm_store.errors, made anew from what the server says
exchange    one question and its answer, and which are asked again
calls       what can be asked, but for what is followed
streams     what is read on and on: output, events, changes of agents
blocking    Swarm: asks with httpx.Client
awaiting    AsyncSwarm: asks with httpx.AsyncClient

What is asked, read and repeated is said once, in generators that do no I/O: they yield requests and are sent answers.
"""

from .awaiting import AsyncSwarm
from .blocking import Swarm
from .errors import NotAllowed, Unreachable
from .types import Agent, Approval, Change, Chunk, Event, NewToken, Session, SpawnOptions, Token

__all__ = [
    "Agent",
    "Approval",
    "AsyncSwarm",
    "Change",
    "Chunk",
    "Event",
    "NewToken",
    "NotAllowed",
    "Session",
    "SpawnOptions",
    "Swarm",
    "Token",
    "Unreachable",
]
