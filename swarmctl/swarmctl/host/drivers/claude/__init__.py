"""Claude Code, by its own protocol, because an approval of it can outlive every process.

driver      the sessions, turns and approvals of one agent; the only part that has state
connection  one process of it: lines in, lines out
command     how that is started
protocol    what its lines are, and ours
reading     what its messages say, as facts
judging     what is answered to a call: by rules, by deferring it, by leaving it to Claude Code
calls       the calls as they come, and which of them can be deferred
asking      which calls a person will be asked about, and how they look
beginning   what it says of itself
ending      how a turn ended, and what it cost
transcript  what its own history of a session knows

What was measured, and what follows from it, is in docs/agents.md.
"""

from .driver import ClaudeDriver

__all__ = ["ClaudeDriver"]
