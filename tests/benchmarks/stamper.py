"""The agents of the latency benchmark, as scripts of their own: `stamper.py stamps GATE COUNT` and `stamper.py busy`.

stamps  says "ready" until the file GATE is there, then writes COUNT lines, each the monotonic clock (ns) just before
        its own write, at intervals of 5 to 15 ms, and then "end"
busy    a line of 100 bytes 20 times a second, for an hour at most
"""

import os
import random
import sys
import time

BUSY_SECONDS = 0.05
HOUR = 3600


def stamps(gate: str, count: int) -> None:
    while not os.path.exists(gate):
        os.write(1, b"ready\n")
        time.sleep(0.1)
    dice = random.Random(1)
    for _ in range(count):
        time.sleep(dice.uniform(0.005, 0.015))
        os.write(1, b"%d\n" % time.monotonic_ns())
    time.sleep(0.2)
    os.write(1, b"end\n")
    time.sleep(HOUR)  # whoever follows is not to be woken by our end


def busy() -> None:
    end = time.monotonic() + HOUR
    due = time.monotonic() + random.uniform(0, BUSY_SECONDS)
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        os.write(1, b"x" * 99 + b"\n")
        due += BUSY_SECONDS  # one that was held up does not slow down: it catches up


if __name__ == "__main__":
    if sys.argv[1] == "busy":
        busy()
    else:
        stamps(sys.argv[2], int(sys.argv[3]))
