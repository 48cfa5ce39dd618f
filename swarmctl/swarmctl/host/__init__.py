"""The session host: the child of an agent's run that is of a kind.

It starts the agent's own command line through a driver, begins the turns of the inbox in order, writes what the agent
says into the log as typed events, and gives its permission requests to whoever may answer them. The daemon knows
nothing of it: to that it is a command like any other. How it works is in docs/agents.md.

`driver.py` is the interface between the two, `facts.py` what is said over it, `drivers/` those that are built in.
"""
