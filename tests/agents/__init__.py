"""Real agents: claude, codex, opencode and gemini as npm has them, against the canned API. `make test-agents`."""
