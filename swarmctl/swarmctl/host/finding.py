"""Which driver a name means: one that is built in, or a third party's entry point of the group `swarmctl.drivers`."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from .driver import Driver, DriverError, NotInstalled

GROUP = "swarmctl.drivers"
BUILT_IN = {
    "acp": "swarmctl.host.drivers.acp:AcpDriver",
    "claude": "swarmctl.host.drivers.claude:ClaudeDriver",
    "api": "swarmctl.host.drivers.api.driver:ApiDriver",
}


def find(name: str) -> type[Driver]:
    """The driver of that name. Raises NotInstalled where there is none, MissingExtra where a library of ours is not."""
    if name in BUILT_IN:
        return _load(BUILT_IN[name])
    for point in entry_points(group=GROUP, name=name):
        try:
            found: type[Driver] = point.load()
            return found
        except ImportError as error:
            raise NotInstalled(f"the driver {name!r} cannot be loaded: {error}", "install what it needs") from error
    known = ", ".join([*BUILT_IN, *(point.name for point in entry_points(group=GROUP))])
    raise NotInstalled(f"no driver is called {name!r}", f"there are {known}")


def _load(place: str) -> type[Driver]:
    module, _, name = place.partition(":")
    try:
        found: type[Driver] = getattr(import_module(module), name)
    except ImportError as error:
        if (error.name or "").split(".")[0] == "swarmctl":
            raise
        raise MissingExtra() from error
    return found


class MissingExtra(DriverError):
    """What agents need beside swarmctl itself is not here."""

    def __init__(self) -> None:
        super().__init__("swarmctl[agents] is not installed", "pip install 'swarmctl[agents]'")
