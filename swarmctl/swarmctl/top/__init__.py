"""`swarmctl top`: the swarm live in a terminal, on Textual (the extra `top`); nothing but commands/top.py imports it.

source    what is asked of a swarm, as an interface; local.py is the log of this machine, remote.py a server
watch     what goes on in threads: following the registry, the last lines, one agent's output
picture   pure: which agents are shown, in which order, in which words
window    pure: the piece of an agent's output that is held, as rows of a screen; ansi.py makes them harmless
listing   a list of which only what is on the screen is drawn; agents, events and about are ones
steering  what is done to agents: asked by dialogs, done by verbs, which are processes
app       the screen, the keys, what follows what
"""
