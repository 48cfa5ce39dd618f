"""`swarmctl mcp`: the swarm as an MCP server over stdio, for an agent and the agents that descend from it.

access   the token that opens one agent's tree, and whether it does
config   what an agent's command line is told, so that it starts this server
handing  the swarm in the options of a session that is to have it
kin      which agent of its tree a word means
reading  an agent's output or conversation, a bounded piece at a time
tools    what an agent can do; server puts them on stdin and stdout with the official SDK
"""
