"""Ways in which a database file is damaged, all of them really done to it."""

from __future__ import annotations

import os
from collections.abc import Callable

PAGE = 4096
JUNK = bytes(range(251)) * 4096


def overwrite(path: str, start: float, share: float) -> None:
    """Overwrite a `share` of the file's pages with junk, from the share `start` of it on."""
    pages = os.path.getsize(path) // PAGE
    with open(path, "r+b") as file:
        file.seek(int(pages * start) * PAGE)
        file.write(JUNK[: max(1, int(pages * share)) * PAGE])


def truncate(path: str) -> None:
    os.truncate(path, os.path.getsize(path) // 2 // PAGE * PAGE)


def header(path: str) -> None:
    with open(path, "r+b") as file:
        file.write(JUNK[:100])


def first_page(path: str) -> None:
    with open(path, "r+b") as file:
        file.write(JUNK[:PAGE])


def scatter(path: str) -> None:
    """Overwrite every eleventh page."""
    with open(path, "r+b") as file:
        for page in range(5, os.path.getsize(path) // PAGE, 11):
            file.seek(page * PAGE)
            file.write(JUNK[:PAGE])


def everything(path: str) -> None:
    with open(path, "r+b") as file:
        file.write(JUNK[: os.path.getsize(path)])


WAYS: dict[str, Callable[[str], None]] = {
    "middle": lambda path: overwrite(path, 0.4, 0.1),
    "end": lambda path: overwrite(path, 0.8, 0.2),
    "truncated": truncate,
    "header": header,
    "first page": first_page,
    "scattered": scatter,
    "everything": everything,
}
