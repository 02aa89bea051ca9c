"""Plan, lineage and fitting of a fleet: stage after stage, slow parts and fast parts."""
