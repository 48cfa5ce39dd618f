"""Signals as the daemon loads them: the C module alone, whose constants are plain numbers.

The package around it imports enum, which costs each daemon 0.4 MB (measured, Python 3.11) to give signals names; the
few that need a name import it then.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    try:
        import _signal as signal
    except ImportError:
        import signal

__all__ = ["name_of", "number_of", "signal"]


def name_of(signum: int) -> str:
    """The name, as in SIGTERM; real-time signals by number, as in SIG40."""
    from signal import Signals

    try:
        return Signals(signum).name
    except ValueError:
        return f"SIG{signum}"


def number_of(name: str) -> int:
    """The number of a signal by name (TERM, SIGTERM, SIG40) or number. Raises ValueError where there is none."""
    from signal import NSIG, Signals

    word = name.upper().removeprefix("SIG")
    if word.isdigit() and 0 < int(word) < NSIG:
        return int(word)
    try:
        return Signals["SIG" + word].value
    except KeyError:
        raise ValueError(f"no such signal: {name}") from None
