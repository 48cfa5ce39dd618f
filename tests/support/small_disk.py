"""A small file system of its own, for tests of a full disk: root only, because mounting is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs of a few megabytes that can be made larger while it is used."""

    def __init__(self, path: Path, megabytes: int) -> None:
        if os.geteuid() != 0:
            pytest.skip("mounting a small file system needs root")
        self.path = path
        path.mkdir()
        options = f"size={megabytes}m,mode=0700"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=False)
        if done.returncode:
            pytest.skip("this machine does not let us mount a tmpfs")

    def resize(self, megabytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", str(self.path)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.path)], check=True)
