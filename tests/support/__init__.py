"""What tests share: running swarmctl, watching processes, waiting on conditions."""
