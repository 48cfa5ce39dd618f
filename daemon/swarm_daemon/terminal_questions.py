"""What programs ask a terminal and wait for, answered in few words where nobody looks at it. Pure."""

from __future__ import annotations

# What programs ask at their start and wait for: what it is, whether it is well, where the cursor is. Where that is
# nobody here knows; a size that is asked for by going to the far corner is told.
_ATTRIBUTES, _MORE_ATTRIBUTES, _WELL = b"\x1b[?62;22c", b"\x1b[>1;10;0c", b"\x1b[0n"
_ANSWERS = {
    b"\x1b[c": _ATTRIBUTES,
    b"\x1b[0c": _ATTRIBUTES,
    b"\x1b[>c": _MORE_ATTRIBUTES,
    b"\x1b[>0c": _MORE_ATTRIBUTES,
    b"\x1b[5n": _WELL,
    b"\x1b[6n": b"",  # see _position
}
_FAR = (b"999H", b"9999H", b"999C", b"999B")


def answers(output: bytes, known: int, size: tuple[int, int]) -> bytes:
    """What a terminal of this size (rows, columns) answers to output, in the order asked.

    `known`: so many bytes of it were looked at before, and a question within them was answered then.
    """
    asked = []
    for question, answer in _ANSWERS.items():
        at = output.find(question)
        while at >= 0:
            if at + len(question) > known:
                asked.append((at, answer or _position(output[:at], size)))
            at = output.find(question, at + 1)
    return b"".join(answer for _, answer in sorted(asked))


def _position(before: bytes, size: tuple[int, int]) -> bytes:
    return b"\x1b[%d;%dR" % (size if before.endswith(_FAR) else (1, 1))
