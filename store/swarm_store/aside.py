"""A file of the user's that is made whole or not at all: written beside its place, synced, then renamed. Cold."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import SwarmError, WrongUsage
from .home import Home


@contextmanager
def written_aside(path: str, home: Home, *, force: bool) -> Iterator[str]:
    """The name of an empty file, for the user alone, that becomes `path` when the block ends well.

    Raises WrongUsage where `path` is no place for a file, or taken and not to be replaced by `force`; SwarmError where
    it cannot be written.
    """
    place = os.path.abspath(path)
    _check_place(place, home, force)
    aside = f"{place}.{os.getpid()}.part"
    try:
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            yield aside
            _put(aside, place, force)
        except BaseException:
            for left in (aside, aside + "-journal", aside + "-wal", aside + "-shm"):
                if os.path.exists(left):
                    os.unlink(left)
            raise
    except OSError as error:
        raise SwarmError(f"cannot write {path}: {error.strerror}", "name another place, or make room") from error


def _check_place(place: str, home: Home, force: bool) -> None:
    directory = os.path.realpath(os.path.dirname(place))
    if not os.path.isdir(directory):
        raise WrongUsage(f"there is no directory {directory}", "name another file")
    if directory == os.path.realpath(home.path) or directory.startswith(os.path.realpath(home.path) + os.sep):
        raise WrongUsage(f"{place} is in the state directory itself", "what is kept there goes when it goes")
    try:
        info = os.lstat(place)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(info.st_mode):
        raise WrongUsage(f"{place} is no regular file", "name another file")
    if not force:
        raise WrongUsage(f"{place} is there already", "name another file, or replace it with --force")


def _put(aside: str, place: str, force: bool) -> None:
    _sync(aside)
    if force:
        os.rename(aside, place)
    else:
        os.link(aside, place)  # fails where somebody has just made one
        os.unlink(aside)
    _sync(os.path.dirname(place))


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
