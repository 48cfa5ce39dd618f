"""`python -m swarmctl.notify_url`: send what is on stdin to the URL in the environment, with Apprise."""

from __future__ import annotations

import os
import sys

from .notify import MISSING, URL_VARIABLE, shown


def main() -> int:
    try:
        from apprise import Apprise
    except ModuleNotFoundError:
        print(f"{MISSING.message}; {MISSING.hint}", file=sys.stderr)
        return 1
    url, text = os.environ.pop(URL_VARIABLE), sys.stdin.read().strip()
    apprise = Apprise()
    if apprise.add(url) and apprise.notify(body=text, title=f"swarmctl: {os.environ['SWARM_EVENT']}"):
        return 0
    print(f"{shown(url)} did not take it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
