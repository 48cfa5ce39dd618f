"""A real systemd for tests: PID 1 of fresh namespaces, where an ordinary user can have a manager too, and an end to it.

The box sees the machine's files and its processes are seen by the machine, in cgroups of their own under the machine's,
with the same controllers. What it writes to /etc, /var, /home and /root is gone with it; /run is empty, and so is /tmp
but for what it is given.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.looking import until

SYSTEMD = "/lib/systemd/systemd"
DEADLINE = 30.0  # seconds
# What basic.target wants and a box does not: it would set the machine's kernel up, or empty its directories.
MASKED = """
systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer systemd-sysctl.service
systemd-modules-load.service systemd-binfmt.service systemd-udevd.service systemd-udev-trigger.service
systemd-random-seed.service systemd-remount-fs.service systemd-timesyncd.service systemd-update-utmp.service
systemd-journal-flush.service dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount sys-kernel-debug.mount
sys-kernel-tracing.mount sys-fs-fuse-connections.mount
"""
START = r"""
set -e
umount -lR /sys/fs/cgroup   # the machine's: what systemd does to a mount, it does to all that share it
while read -r place kind options; do    # each of the machine's hierarchies, seen from the box's own cgroup
  if [ "$place" != /sys/fs/cgroup ] && ! mountpoint -q /sys/fs/cgroup; then
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  fi
  mkdir -p "$place"
  mount -t "$kind" -o "$options" swarmctl-box "$place"
done <<END
$MOUNTS
END
mount -t tmpfs run /run
mkdir -p /run/lock /run/systemd/system /run/box/tmp
mount --bind /tmp /run/box/tmp
for place in /etc /var /home /root; do  # /root can be entered inside: the interpreter of these tests may be there
  mkdir -p /run/box/upper$place /run/box/work$place
  mount -t overlay -o "lowerdir=$place,upperdir=/run/box/upper$place,workdir=/run/box/work$place" box $place
done
mount -t tmpfs -o mode=1777 tmp /tmp
for place in $GIVEN; do
  case $place in /tmp/*) mkdir -p "$place"; mount --bind "/run/box$place" "$place" ;; esac
done
umount -l /run/box/tmp
for unit in $MASKED; do ln -s /dev/null "/run/systemd/system/$unit"; done
mkdir -p /var/lib/systemd/linger
touch "/var/lib/systemd/linger/$LINGERING"
exec env -i container=swarmctl-test PATH="$PATH" \
  "$SYSTEMD" --system --unit=basic.target --log-target=console --show-status=0
"""
JOIN = 'for place in $CGROUPS; do echo 0 >"$place/cgroup.procs" || exit 1; done; exec unshare --cgroup sh -c "$START"'
HELD_BY_ALL = {"cpuset"}  # a new cgroup of it takes nobody before it is told its CPUs; systemd does not use it here


ROOT = Path(__file__).parents[2]


class NoBox(Exception):
    """Why no box can be started here."""


class Hierarchy:
    """One of the machine's cgroup hierarchies, with a cgroup in it for the box."""

    def __init__(self, place: str, kind: str, options: str) -> None:
        self.place = place
        self.kind = kind
        self.options = ",".join(word for word in options.split(",") if word not in ("rw", "relatime", "nsdelegate"))
        self.cgroup = Path(place, f"swarmctl-box-{os.getpid()}")

    def remove(self) -> bool:
        """Remove the box's cgroups; whether none is left."""
        if not self.cgroup.exists():
            return True
        for place, _, _ in os.walk(self.cgroup, topdown=False):
            try:
                os.rmdir(place)
            except OSError:
                pass
        return not self.cgroup.exists()


def hierarchies() -> list[Hierarchy]:
    """The machine's cgroup mounts that a box takes part in."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [
        Hierarchy(place, kind, options)
        for _, place, kind, options, *_ in lines
        if kind in ("cgroup", "cgroup2") and not HELD_BY_ALL & set(options.split(","))
    ]


class Box:
    """A running systemd, whose PID outside is `init`. `user` is an ordinary user of the machine, who lingers."""

    def __init__(self, *given: Path, unified: bool = False) -> None:
        """Start it; `given` are the paths under /tmp that are to be seen inside. Raises NoBox.

        `unified`: with version 2 of cgroups alone, whatever the machine has beside it.
        """
        _check()
        self.user = _some_user()
        self.log = ""
        self._hierarchies = hierarchies()
        for one in self._hierarchies:
            one.cgroup.mkdir()
        seen = {one.place: f"{one.kind} {one.options or 'defaults'}" for one in self._hierarchies}
        mounts = {"/sys/fs/cgroup": "cgroup2 defaults"} if unified else seen
        environment = {
            "PATH": os.environ["PATH"],
            "START": START,
            "SYSTEMD": SYSTEMD,
            "MASKED": " ".join(MASKED.split()),
            "MOUNTS": "\n".join(f"{place} {how}" for place, how in mounts.items()),
            "CGROUPS": " ".join(str(one.cgroup) for one in self._hierarchies),
            "GIVEN": " ".join(map(str, given)),
            "LINGERING": self.user.pw_name,
        }
        namespaces = ["--fork", "--pid", "--mount", "--mount-proc", "--uts", "--ipc", "--kill-child=KILL"]
        self._outer = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "unshare", *namespaces, "sh", "-c", JOIN],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            self.init = until(self._first, "the box's first process")
            until(self._is_up, "systemd is up in the box", seconds=DEADLINE)
        except BaseException as error:
            self.close()
            if isinstance(error, AssertionError):
                raise NoBox(f"{error}: {self.log[-2000:]}") from None
            raise

    def run(self, *command: str, user: bool = False, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end, as root or as the user, in an environment of its own."""
        return subprocess.run(
            self.command(*command, user=user, **env), capture_output=True, text=True, timeout=DEADLINE, check=False
        )

    def command(self, *command: str, user: bool = False, **env: str) -> list[str]:
        """The words by which a command runs inside."""
        join = 'for one in $CGROUPS; do mkdir -p "$one/outside" && echo 0 >"$one/outside/cgroup.procs"; done; exec "$@"'
        cgroups = " ".join(str(one.cgroup) for one in self._hierarchies)
        inside = ["env", f"CGROUPS={cgroups}", "sh", "-c", join, "sh"]
        inside += ["nsenter", f"--target={self.init}", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--wd=/"]
        path = f"PATH={os.path.dirname(sys.executable)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        words = [path, "LANG=C.UTF-8", *(f"{name}={value}" for name, value in env.items())]
        if user:
            who = self.user
            inside += ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]
            words += [f"HOME={who.pw_dir}", f"USER={who.pw_name}", f"XDG_RUNTIME_DIR=/run/user/{who.pw_uid}"]
        else:
            words += ["HOME=/root", "USER=root"]
        return [*inside, "env", "-i", *words, *command]

    def ok(self, *command: str, user: bool = False, **env: str) -> str:
        """What a command that must succeed prints."""
        got = self.run(*command, user=user, **env)
        assert got.returncode == 0, f"{' '.join(command)}: {got.stdout}{got.stderr}"
        return got.stdout.strip()

    def cgroup_of(self, pid: int) -> str:
        """Where systemd has a process that is inside."""
        lines = self.ok("cat", f"/proc/{pid}/cgroup").splitlines()
        (path,) = (line.removeprefix("0::") for line in lines if line.startswith("0::"))
        return path

    def close(self) -> None:
        """End all that runs inside, and leave nothing."""
        self._outer.kill()
        self.log += (self._outer.stdout.read() if self._outer.stdout else b"").decode(errors="replace")
        self._outer.wait()
        if self._outer.stdout:
            self._outer.stdout.close()
        for one in self._hierarchies:
            until(one.remove, f"the box's cgroups below {one.place} are gone")

    def _first(self) -> int:
        if self._outer.poll() is not None:
            raise AssertionError(f"the box ended with status {self._outer.returncode}")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _is_up(self) -> bool:
        self._first()
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")


@contextmanager
def opened(*, unified: bool) -> Iterator[Box]:
    """A box with this checkout and its interpreter in it; the test is skipped, with the reason, where there is none."""
    try:
        box = Box(ROOT, Path(sys.prefix), unified=unified)
    except NoBox as error:
        pytest.skip(str(error))
    try:
        yield box
    finally:
        box.close()


def _check() -> None:
    if os.geteuid() != 0:
        raise NoBox("only root can start a systemd in namespaces of its own")
    for tool in (SYSTEMD, "unshare", "nsenter", "setpriv"):
        if shutil.which(tool) is None:
            raise NoBox(f"there is no {tool} on this machine")
    if not any(one.kind == "cgroup2" for one in hierarchies()):
        raise NoBox("no cgroup2 hierarchy is mounted")


def _some_user() -> pwd.struct_passwd:
    """An ordinary user of this machine."""
    for one in pwd.getpwall():
        if 1000 <= one.pw_uid < 60000 and os.path.isdir(one.pw_dir):
            return one
    raise NoBox("no ordinary user is on this machine")
