"""Who does something at a terminal, as the log keeps it: user@host."""

from __future__ import annotations

import os
import pwd


def user_at_host() -> str:
    """The user of this process; by its number where it has no name."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"uid{os.geteuid()}"
    return f"{name}@{os.uname().nodename}"
