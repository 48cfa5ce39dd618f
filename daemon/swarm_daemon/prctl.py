"""prctl: who gets a process that has lost its parent, and who ends with it.

The bare `_ctypes` is used because the `ctypes` package costs each daemon 0.3 MB (measured); where it is missing or
has changed, `ctypes` itself serves; where that fails too, orphans go to init and are found by their environment.
"""

from __future__ import annotations

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGKILL = 9


def become_subreaper() -> bool:
    """Make the calling process the parent of every descendant that loses its own; whether that worked."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> bool:
    """Have the calling process killed when its parent ends, also after an exec; whether that worked."""
    return _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def _prctl(option: int, value: int) -> bool:
    arguments = (option, value, 0, 0, 0)
    try:
        import _ctypes

        this_program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        function = _ctypes.dlsym(this_program, "prctl")
        return bool(_ctypes.call_function(function, arguments) == 0)
    except (ImportError, AttributeError, TypeError, OSError):
        pass
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(*arguments) == 0)
    except (ImportError, AttributeError, OSError):
        return False
