"""What an agent's command is executed through: it is killed when its host ends, however that ends.

Run as a script by a bare interpreter, `leash.py HOST COMMAND...`: a fork in the host itself, which has threads, may not
run Python before the exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(host: int, command: list[str]) -> None:
    """Become the command. Where the host has died already, end as the signal would have had us."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != host:
        os.kill(os.getpid(), signal.SIGKILL)
    for signum in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; a program expects the default
        signal.signal(signum, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"swarmctl: cannot execute {command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
