"""Reconciles the registry with the machine. Not built yet: the seams it needs are in swarm_daemon.begin and launch."""
