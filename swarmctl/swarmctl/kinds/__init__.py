"""Kinds of agents: what --agent names. A kind is data, its profile, and the driver that the profile names.

    plain.py      what all of it is made of: what JSON has too, and words
    profile.py    what a profile may say, checked
    options.py    what it may say to its driver
    finding.py    where profiles are: the user's files, third parties' entry points, builtin.toml; and `extends`
    resolving.py  a name as it is given (codex, acp:COMMAND, api:NAME) → a Kind, ready to be written into a spec
    checking.py   what is here: installed, which version, signed in, and whether it answers

Nothing here is loaded by a verb that was not given a kind: profiles are checked with pydantic.
"""

from .resolving import Kind, look_up, require, resolve

__all__ = ["Kind", "look_up", "require", "resolve"]
