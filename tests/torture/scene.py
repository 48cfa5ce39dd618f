"""Where it happens: a home on a small disk of its own and a boot id of its own, in a mount namespace of its own.

All that needs root; without it the home is an ordinary directory, and there are neither full disks nor reboots. The
mounts are gone with the last process of the namespace, however that ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid

from swarm_daemon import process
from swarm_store.home import Home

BOOT_ID = "/proc/sys/kernel/random/boot_id"
INSIDE = "SWARM_TORTURE_NAMESPACE"
DISK_KIB = 2 << 20
SLACK_KIB = 64  # what is left of a full disk


def enter_namespace(module: str, arguments: list[str]) -> None:
    """Become this program in a mount namespace of its own; returns where that is so, or not possible."""
    command = ["unshare", "--mount", "--propagation", "private"]
    if INSIDE in os.environ or os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*command, sys.executable, "-m", module, *arguments])


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


class Scene:
    """The directories, and what can be done to disk and boot."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="torture-")
        self.notes = self._make("notes")
        self.words = self._make("words")  # what commands say on stderr
        self.disk = self._make("disk")
        self.has_disk = INSIDE in os.environ and _mount(
            "-t", "tmpfs", "-o", f"size={DISK_KIB}k,mode=0700", "torture", self.disk
        )
        self._boot = os.path.join(self.path, "boot_id")
        self._write_boot()
        self.has_boot = INSIDE in os.environ and _mount("--bind", self._boot, BOOT_ID)
        process._boot = ""  # what this process knew
        os.mkdir(os.path.join(self.disk, "home"), 0o700)
        self.home = Home(os.path.join(self.disk, "home"))
        self.environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
        } | {"SWARM_HOME": self.home.path}

    def _make(self, name: str) -> str:
        path = os.path.join(self.path, name)
        os.mkdir(path, 0o700)
        return path

    def fill(self) -> bool:
        """Leave next to no room on the disk; whether that was possible."""
        for _ in range(10):  # what is in use grows meanwhile, and a disk cannot be made smaller than that
            info = os.statvfs(self.disk)
            used = (info.f_blocks - info.f_bfree) * info.f_frsize // 1024
            if _mount("-o", f"remount,size={used + SLACK_KIB}k", self.disk):
                return True
        return False

    def free(self) -> None:
        if self.has_disk:
            _mount("-o", f"remount,size={DISK_KIB}k", self.disk)

    def boot(self) -> None:
        """Another boot: what the kernel knew of processes means nothing any more."""
        self._write_boot()
        process._boot = ""

    def _write_boot(self) -> None:
        with open(self._boot, "w", encoding="ascii") as file:
            file.write(f"{uuid.uuid4()}\n")

    def remove(self) -> None:
        if self.has_boot:
            subprocess.run(["umount", BOOT_ID], check=False)
        if self.has_disk:
            subprocess.run(["umount", "--lazy", self.disk], check=False)
        process._boot = ""
        shutil.rmtree(self.path, ignore_errors=True)
