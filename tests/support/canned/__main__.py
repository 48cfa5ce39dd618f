"""`python -m support.canned`: the canned API, for trying agents by hand; at its end it says what it served."""

import signal

from support.canned.server import canning

with canning() as server:
    print(server.url, flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(server.served())
