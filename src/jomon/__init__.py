"""jomon: a fleet of models run as one thing."""
