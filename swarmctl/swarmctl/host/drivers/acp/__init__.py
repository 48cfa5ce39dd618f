"""Agents that speak the Agent Client Protocol: codex-acp, opencode, gemini, claude-agent-acp, and any `acp:COMMAND`.

driver    the session, from open to close: what the host calls
opening   a session opened, resumed, and set up
peer      the agent's process and the connection to it
wire      lines from and to that process, as messages
updates   what the agent tells, as facts; pure
history   what a loaded session tells again; pure
calls     a call of a tool, as it becomes known; pure
places    the files that a call is about; pure
asking    a permission that it asks for, and the answer it can take; pure
counting  tokens and cost, of a turn's end; pure
failing   what an error means: gone, not logged in, a quota; pure
traits    in what the agents differ
gemini, opencode    what two of them need done beside the protocol
"""

from .driver import AcpDriver

__all__ = ["AcpDriver"]
