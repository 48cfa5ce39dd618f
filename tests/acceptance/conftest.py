"""Fixtures of the acceptance tests: see support.homes."""

from support.homes import empty_log, fresh, small, swarm

__all__ = ["empty_log", "fresh", "small", "swarm"]
