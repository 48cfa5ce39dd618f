"""What a driver is made with, from what the run was started from and what the log has counted. Pure."""

from __future__ import annotations

from typing import Any

from swarm_daemon.run import Run
from swarm_store.conversation import COUNTED, Session

from .driver import SessionSpec
from .facts import Usage


def config(run: Run, spec: dict[str, Any], known: Session) -> SessionSpec:
    """Of a run whose spec this is. `known`: its session, as the log has it."""
    session = spec["session"]
    return SessionSpec(
        kind=session["kind"],
        command=session["command"],
        env=session["env"],
        cwd=spec["cwd"],
        model=session["model"],
        options=session["options"],
        with_swarm=session["with_swarm"],
        counted={model: _usage(model, sums) for model, sums in known["usage"].items()},
        agent_id=run.agent_id,
        home=run.home.path,
        run_path=run.path,
        allow=tuple(session["allow"]),
        deny=tuple(session["deny"]),
        approve=session["approve"],
        said=known["said"],
    )


def _usage(model: str, sums: dict[str, int]) -> Usage:
    return Usage(model or None, **{name: sums[name] for name in COUNTED}, cost=sums["cost"])
