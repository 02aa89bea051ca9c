"""How good a fleet is on later time, beside its peers."""
