"""Fixtures of the contract tests: see support.homes."""

from support.homes import empty_log, fresh, swarm

__all__ = ["empty_log", "fresh", "swarm"]
