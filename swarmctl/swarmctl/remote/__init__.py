"""The far side of the commands: what they ask of a server instead of the log. Loaded with --server alone.

session     the server of one command: what the command asks of it
waiting     until agents have ended
output      what agents have written, and are writing
sessions    what agents ask to be allowed, and what became of a turn
spawning    agents spawned there from options and files that are here
"""
