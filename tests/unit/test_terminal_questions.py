"""What a terminal that nobody looks at answers."""

from __future__ import annotations

import pytest

from swarm_daemon.terminal_questions import answers

SIZE = (24, 80)


def test_questions_are_answered_in_the_order_asked() -> None:
    """Each question has its answer, between whatever else is written."""
    assert answers(b"a\x1b[5nb\x1b[cc\x1b[>c\x1b[5n", 0, SIZE) == b"\x1b[0n\x1b[?62;22c\x1b[>1;10;0c\x1b[0n"
    assert answers(b"no question \x1b[31m", 0, SIZE) == b""


@pytest.mark.parametrize("known", range(8))
def test_a_question_in_two_pieces_is_answered_once(known: int) -> None:
    """It is answered when its last byte has come, and not again with what comes after."""
    output = b"ab\x1b[5ncd"
    assert answers(output[:known], 0, SIZE) + answers(output, known, SIZE) == b"\x1b[0n"


def test_a_size_that_is_asked_for_at_the_far_corner() -> None:
    """Where the cursor is, nobody knows; after a move to the far corner it is the size."""
    assert answers(b"\x1b[999;999H\x1b[6n", 0, SIZE) == b"\x1b[24;80R"
    assert answers(b"\x1b[6n", 0, SIZE) == b"\x1b[1;1R"
