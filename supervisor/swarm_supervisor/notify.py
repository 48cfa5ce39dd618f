"""The supervisor's word to the service manager: the sd_notify protocol, which is a datagram to $NOTIFY_SOCKET.

Telling is a courtesy: without a manager it is nothing, and what cannot be told is not told. It never raises or waits.
"""

from __future__ import annotations

import os
import socket


class Notify:
    """What the manager is told. Without NOTIFY_SOCKET every call does nothing."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def ready(self, status: str) -> None:
        """The start is over: reconciled, and listening."""
        self._tell("READY=1", f"MAINPID={os.getpid()}", _status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._tell(_status(text))

    def watchdog(self) -> None:
        """Still alive and well; owed more often than WATCHDOG_USEC, see `watchdog_seconds`."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun on purpose."""
        self._tell("STOPPING=1")

    @property
    def watchdog_seconds(self) -> float | None:
        """How often to call `watchdog`: half of what the manager grants; None where it does not watch this process."""
        try:
            watched = int(os.environ.get("WATCHDOG_PID") or os.getpid())
            granted = int(os.environ.get("WATCHDOG_USEC", "0"))
        except ValueError:
            return None
        return granted / 2e6 if granted > 0 and watched == os.getpid() else None

    def _tell(self, *lines: str) -> None:
        if self._address[:1] not in ("/", "@"):
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(errors="replace"), address)
        except (OSError, ValueError):
            pass  # the manager is gone, or too busy to listen


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())
