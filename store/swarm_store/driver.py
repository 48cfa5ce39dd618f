"""SQLite's DB-API as the hot path loads it: the C module alone.

The package around it imports datetime, which costs each daemon 0.4 MB (measured, Python 3.11) and serves only adapters
that we do not use. Where there is no such module, the package itself serves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["sqlite3"]
