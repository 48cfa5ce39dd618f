"""A daemon that SIGKILLs itself at one step of its life: run in place of the real program, by the same interpreter.

SWARM_DIE names the step as `module:attribute:when[:count]`, `when` being before or after the `count`-th call.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any


def arm(step: str) -> None:
    """Make the named function deadly."""
    module, path, when, *count = step.split(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    real = getattr(owner, name)
    left = int(count[0]) if count else 1

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **named)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    arm(os.environ["SWARM_DIE"])
    from swarm_daemon.main import main

    sys.argv[0] = "swarm_daemon"
    main()
