"""Causes: why a place stands out, from its findings and raw rows."""

from jomon.monitoring.causes.evidence import CalendarFacts, Evidence, PlaceHistory, ReleaseFacts, Rescore
from jomon.monitoring.causes.ranking import cause_of

__all__ = ["CalendarFacts", "Evidence", "PlaceHistory", "ReleaseFacts", "Rescore", "cause_of"]
