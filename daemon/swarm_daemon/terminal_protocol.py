"""What the host of a terminal and its viewers say to each other, by the socket in the run's directory.

Messages are one packet each. From a viewer: who it is, keys, its size, a wish. To it, each from a byte of the output
on: what size the terminal has, whether what programs ask is the viewer's to answer, and the modes that are set.
"""

from __future__ import annotations

import struct

SOCKET = "terminal"
HELLO, KEYS, SIZE, REDRAW, ANSWER, MODES = b"h", b"k", b"s", b"r", b"a", b"m"
HELLO_FORM, SIZE_FORM = struct.Struct("<?HH"), struct.Struct("<HH")  # read-only; rows, columns
SIZED_FORM, ANSWER_FORM, MODES_FORM = struct.Struct("<QHH"), struct.Struct("<Q?"), struct.Struct("<Q")
MOST_KEYS = 4096  # bytes in a message from a viewer
MOST_SAID = 64 * 1024  # bytes in one to a viewer
