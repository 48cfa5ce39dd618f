"""prctl(PR_SET_CHILD_SUBREAPER): orphans of the tree become ours instead of init's, so that none gets lost.

The bare `_ctypes` is used because the `ctypes` package costs each daemon 0.3 MB (measured); where it is missing or
has changed, `ctypes` itself serves; where that fails too, orphans go to init and are found by their environment.
"""

from __future__ import annotations

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> bool:
    """Make the calling process the parent of every descendant that loses its own; whether that worked."""
    arguments = (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
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
