"""Special events: much of the fleet behaves otherwise for a few days, in more than one respect."""

from __future__ import annotations

from collections.abc import Mapping

from jomon.monitoring.causes.candidate import Candidate
from jomon.monitoring.causes.evidence import Evidence

MOST_WINDOWS = 4
LEAST_FACET = 3.0
"""Nats that each respect must show by itself."""
NO_OCCASION = 3.0
"""The price of an event that the calendar does not know."""


def special_event(evidence: Evidence, facets: Mapping[str, Candidate]) -> Candidate | None:
    """One cause of all `facets` (`volume`, `outcomes`, `score`, `inputs`: the best ordinary change of each).

    An occasion of the calendar needs one of them; without one the number of rows and another must differ together.
    """
    shown = {name: c for name, c in facets.items() if c.score >= LEAST_FACET}
    occasion = evidence.calendar.occasion
    enough = len(shown) >= (1 if occasion else 2) and (occasion is not None or "volume" in shown)
    if not enough or not evidence.whole or evidence.history.windows > MOST_WINDOWS:
        return None
    what = ", ".join(shown)
    name = occasion if occasion else "An event that the calendar does not name"
    history = evidence.history
    columns = tuple(dict.fromkeys(column for c in shown.values() for column in c.columns))
    return Candidate(
        "special_event",
        columns,
        sum(c.gain for c in shown.values()),
        sum(c.price for c in shown.values())
        + (0.0 if occasion else NO_OCCASION)
        - (NO_OCCASION if occasion else 0.0),
        f"{name}: {what} differ in {history.members} of {history.fleet} members at once, for {history.windows}"
        f" window{'s' if history.windows != 1 else ''} so far.",
        {
            "occasion": occasion,
            "facets": {facet: c.evidence | {"kind": c.kind, "nats": c.score} for facet, c in shown.items()},
            "windows": history.windows,
            "members": history.members,
        },
    )
