"""The torture: tens of agents write numbered lines while everything around them is killed, stopped and filled.

    make torture [SEED=N] [MINUTES=N | SECONDS=N] [AGENTS=N]

writer    the agent: it notes beside the home what it has really written, and how it ends
scene     where it happens: a home on a disk of its own, a boot id of its own, in a mount namespace of its own (root)
machine   which processes the home has, who holds its write lock, and what was done to whom
commands  swarmctl in the middle of things: started, watched, sometimes killed
faults    what is done to all of them, and how often
runs      what the registry says of each run, as it happens
checks    whether that is true, against what the writer has noted
closing   the end: faults over, all quiet, nothing left
report    what is printed

The check is exact, but for what is known to be the price: where both the daemon and the keeper of a run were killed, or
the machine was rebooted, the exit status may be unknown (never a guess), and what the kernel's pipes held may be gone:
such a run must have a prefix of what was written, short of at most a pipe's buffer for each stream.
"""
