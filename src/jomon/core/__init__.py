"""Values and rules of a fleet: no disk, no network, no clock."""
