"""The supervisor: reconciles the registry with the machine, after any restart and then whenever something happens.

policy      pure: whether and when an ended agent is started again
decide      pure: (agent, what is seen of it, now) → what to do
observe     what the machine says of an agent
act         does what was decided, and follows it until it is done
supervisor  observe → decide → act, for whom something has happened, and for all at the start
loop        what it sleeps on: files, timers, signals
singleton   one for each log on this machine
notify      what systemd is told

It keeps nothing of its own: what it knows it reads from the log and the machine.
"""
