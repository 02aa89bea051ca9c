"""The truth bench of monitoring: worlds, faults, sides and scores."""
