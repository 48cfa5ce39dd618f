"""The state directory: where it is, whether it may be used, and the paths in it.

It holds what agents were told and what they said, so it is the user's alone (0700), and it must lie on a local
file system: SQLite's WAL corrupts silently where shared memory is not shared (NFS, SMB, sshfs, virtiofs, 9p).
"""

from __future__ import annotations

import os
import stat

from .errors import HomeRefused

# As /proc/self/mountinfo names them. Several hosts can reach these, or shared mappings are not coherent on them.
NETWORK_FILE_SYSTEMS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "ocfs2",
        "gfs2",
        "9p",
        "virtiofs",
        "vboxsf",
        "prl_fs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.cephfs",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.gcsfuse",
        "fuse.smbnetfs",
        "fuse.davfs",
        "davfs",
    ]
)
# How mountinfo writes what would end a field or a line; the backslash last.
_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


class Home:
    """The paths under one state directory. Nothing is touched until `prepare` or `check`."""

    __slots__ = ("agents", "bells", "database", "lock", "path", "suspect")

    def __init__(self, path: str) -> None:
        self.path = "/" + os.path.abspath(path).lstrip("/")  # SQLite takes what follows `//` for a host
        self.database = os.path.join(self.path, "swarm.db")
        self.lock = os.path.join(self.path, "swarm.db.lock")
        self.suspect = self.database + ".suspect"  # a writer has met damage, and nobody has looked yet
        self.bells = os.path.join(self.path, "bells")
        self.agents = os.path.join(self.path, "agents")

    def agent(self, agent_id: str) -> str:
        """The directory of one agent: how to start it, and what its runs need while they last."""
        return os.path.join(self.agents, agent_id)

    def prepare(self) -> None:
        """Create what is missing, for the owner alone. Raises HomeRefused where that cannot be or is not safe."""
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            self.check()
            for path in (self.bells, self.agents):
                os.makedirs(path, mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeRefused(
                f"cannot create the state directory {self.path}: {error.strerror}",
                "name a directory that you can write to in SWARM_HOME",
            ) from error

    def check(self) -> None:
        """Raises HomeRefused where the directory is another user's, open to others, or not on a local disk."""
        try:
            info = os.stat(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise HomeRefused(f"cannot use the state directory {self.path}: {error.strerror}") from error
        if not stat.S_ISDIR(info.st_mode):
            raise HomeRefused(f"{self.path} is not a directory", "name another one in SWARM_HOME")
        if info.st_uid != os.geteuid():
            raise HomeRefused(
                f"the state directory {self.path} belongs to user {info.st_uid}, not to you ({os.geteuid()})",
                "name one of your own in SWARM_HOME",
            )
        if info.st_mode & 0o077:
            raise HomeRefused(
                f"the state directory {self.path} is open to others (mode {stat.S_IMODE(info.st_mode):04o})",
                f"chmod 700 {self.path}",
            )
        kind = file_system(self.path)
        if kind in NETWORK_FILE_SYSTEMS:
            raise HomeRefused(
                f"the state directory {self.path} is on {kind}: SQLite's log would be corrupted there",
                "name a directory on a local disk in SWARM_HOME",
            )


def locate() -> Home:
    """$SWARM_HOME, else swarmctl under $XDG_STATE_HOME (by default ~/.local/state)."""
    named = os.environ.get("SWARM_HOME")
    if named:
        return Home(named)
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Home(os.path.join(state, "swarmctl"))


def file_system(path: str) -> str | None:
    """The type of the file system that `path` is on, by the longest mount point; None where that is not known."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            return mounted_type(os.path.realpath(path), mounts.read())
    except OSError:
        return None


def mounted_type(path: str, mountinfo: str) -> str | None:
    """The type of the mount in `mountinfo` (see proc(5)) that holds `path`; the last of equals is on top."""
    best, kind = -1, None
    for line in filter(None, mountinfo.split("\n")):
        fields, _, after = line.partition(" - ")
        point = fields.split(" ")[4]
        for escape, char in _ESCAPES:
            point = point.replace(escape, char)
        inside = point == "/" or path == point or path.startswith(point + "/")
        if inside and len(point) >= best:
            best, kind = len(point), after.split(" ", 1)[0]
    return kind
