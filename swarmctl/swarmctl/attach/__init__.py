"""`swarmctl attach`: an agent in this terminal (the extra `attach`); nothing but commands/attach.py imports it.

terminal   an agent that was spawned with --tty: the loop that is its terminal
link       the connection to what holds the terminal: keys and sizes to the program, what a viewer must know back
tail       its output from the log, by the byte; what the screen can be drawn from
picture    pure: a screen that output is drawn on, by pyte
redrawing  pure: the bytes that draw a picture again elsewhere
style      pure: colours and the like, from what programs say to what is said again
sequences  pure: modes that are on, questions to a terminal, escape sequences that are not whole yet
keys       pure: the keys that detach
window     this terminal: raw as long as it is attached, and as it was afterwards, whatever happens

conversation  an AI agent: what is known of its session, and what is done about it
screen        the lines at the bottom of the terminal, and keys; all that knows prompt_toolkit
dialogue      pure: what a typed line means, what is shown of a message while it is written
"""
