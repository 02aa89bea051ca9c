"""What a check of one window says becomes incidents: opened, grown, reopened, and taken back when it says otherwise.

A check replaces what an earlier check of the same window said. Nothing is deleted: a window that no longer says it is
kept as withdrawn, and an incident without any other window is closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from jomon.core.findings import Span
from jomon.core.incident_matching import (
    SEEN_WITHIN,
    Extent,
    Known,
    assign,
    extent_of,
    growth,
    widened,
)
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment
from jomon.core.trouble_documents import trouble_document, trouble_from_document
from jomon.store.sql.acting import MONITOR, add_event
from jomon.store.sql.schema import incident_windows, incidents

TAKEN_BACK = "a later check of its only window no longer finds it"


def record(
    connection: sa.Connection, fleet: str, window: Span, troubles: Sequence[Trouble], at: int
) -> list[int]:
    """Keep what a check found in a window; gives the incident of each trouble, in their order.

    Raises `ValueError` for a trouble of another window.
    """
    if any(trouble.window != window for trouble in troubles):
        raise ValueError("a trouble belongs to another window than the one that was checked")
    said = [trouble_from_document(trouble_document(trouble)) for trouble in troubles]
    known = _known(connection, fleet, window)
    matched = assign(said, known)
    found = [
        _open(connection, fleet, trouble) if key is None else key
        for key, trouble in zip(matched, said, strict=True)
    ]
    spoken = {one.key for one in known if one.here is not None}
    gone = spoken - set(found)
    _withdraw(connection, window, gone)
    for key, trouble in zip(found, said, strict=True):
        _keep(connection, key, window, trouble)
    for key in {*found, *gone}:
        _summarise(connection, key)
    for key, fresh, trouble in zip(found, matched, said, strict=True):
        _tell(connection, key, window, trouble, at, new=fresh is None)
    for key in sorted(gone):
        _close_if_empty(connection, key, at)
    return found


def _known(connection: sa.Connection, fleet: str, window: Span) -> list[Known]:
    """The incidents of a fleet that were seen in the window or near it, those last seen first."""
    reach = (
        (window.end - window.start) * (2 * SEEN_WITHIN - 1) // 2
    )  # half a window to spare: days have 23 to 25 hours
    at = incident_windows.c
    here = sa.and_(at.starts == window.start, at.ends == window.end)
    near = sa.and_(at.ends > window.start - reach, at.starts < window.end + reach, sa.not_(at.withdrawn))
    query = (
        sa.select(incidents.c.id, incidents.c.state, at.starts, at.ends, at.trouble)
        .join(incidents, incidents.c.id == at.incident)
        .where(incidents.c.fleet == fleet, sa.or_(here, near))
        .order_by(incidents.c.until.desc(), incidents.c.id.desc(), at.starts, at.ends)
    )
    seen: dict[int, list[Trouble]] = defaultdict(list)
    own: dict[int, Trouble] = {}
    closed: dict[int, bool] = {}
    for row in connection.execute(query):
        trouble = trouble_from_document(row.trouble)
        seen[row.id].append(trouble)
        closed[row.id] = row.state == "closed"
        if (row.starts, row.ends) == (window.start, window.end):
            own[row.id] = trouble
    return [Known(key, closed[key], tuple(seen[key]), own.get(key)) for key in seen]


def _open(connection: sa.Connection, fleet: str, trouble: Trouble) -> int:
    """A new incident, without its window yet."""
    newest = sa.select(sa.func.max(incidents.c.number)).where(incidents.c.fleet == fleet)
    made = connection.execute(
        sa.insert(incidents)
        .values(
            fleet=fleet,
            number=(connection.scalar(newest) or 0) + 1,
            state="open",
            owner="",
            since=trouble.window.start,
            until=trouble.window.end,
            windows=0,
            rows=0,
            extent=_extent_document(extent_of(trouble)),
        )
        .returning(incidents.c.id)
    )
    key: int = made.scalar_one()
    return key


def _keep(connection: sa.Connection, key: int, window: Span, trouble: Trouble) -> None:
    """The trouble as what the window says of the incident, in place of what it said before."""
    connection.execute(sa.delete(incident_windows).where(_at(key, window)))
    connection.execute(
        sa.insert(incident_windows).values(
            incident=key,
            starts=window.start,
            ends=window.end,
            rows=trouble.rows,
            withdrawn=False,
            trouble=trouble_document(trouble),
        )
    )


def _withdraw(connection: sa.Connection, window: Span, keys: set[int]) -> None:
    for key in keys:
        connection.execute(sa.update(incident_windows).where(_at(key, window)).values(withdrawn=True))


def _at(key: int, window: Span) -> sa.ColumnElement[bool]:
    at = incident_windows.c
    return sa.and_(at.incident == key, at.starts == window.start, at.ends == window.end)


def _summarise(connection: sa.Connection, key: int) -> None:
    """Since when, until when, how many windows and rows: of the windows that still say it."""
    at = incident_windows.c
    counted = sa.select(
        sa.func.min(at.starts),
        sa.func.max(at.ends),
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(at.rows), 0),
    ).where(at.incident == key, sa.not_(at.withdrawn))
    since, until, windows, rows = connection.execute(counted).one()
    values: dict[str, Any] = {"windows": windows, "rows": int(rows)}
    if windows:
        values |= {"since": since, "until": until}
    connection.execute(sa.update(incidents).where(incidents.c.id == key).values(**values))


def _tell(connection: sa.Connection, key: int, window: Span, trouble: Trouble, at: int, *, new: bool) -> None:
    """The events of an incident that this window brings: that it opened, was seen again after its end, or grew."""
    if new:
        add_event(connection, key, at, "opened", MONITOR, trouble.cause.sentence, tell=True)
        return
    row = connection.execute(sa.select(incidents).where(incidents.c.id == key)).one()
    extent = _extent(row.extent)
    more = growth(trouble, extent)
    if more:
        wider = _extent_document(widened(extent, more))
        connection.execute(sa.update(incidents).where(incidents.c.id == key).values(extent=wider))
    if row.state == "closed":
        if row.closed_until is not None and window.end <= row.closed_until:
            return  # whoever closed it closed what this window shows, too
        connection.execute(sa.update(incidents).where(incidents.c.id == key).values(state="open"))
        note = "seen again" + (f"; {more.sentence}" if more else "")
        add_event(connection, key, at, "reopened", MONITOR, note, tell=True)
    elif more:
        add_event(connection, key, at, "grew", MONITOR, more.sentence, tell=more.severity is not None)


def _close_if_empty(connection: sa.Connection, key: int, at: int) -> None:
    row = connection.execute(sa.select(incidents).where(incidents.c.id == key)).one()
    if row.windows == 0 and row.state != "closed":
        values = {"state": "closed", "closed_until": None}
        connection.execute(sa.update(incidents).where(incidents.c.id == key).values(**values))
        add_event(connection, key, at, "closed", MONITOR, TAKEN_BACK, tell=True)


def _extent_document(extent: Extent) -> dict[str, Any]:
    return {
        "parts": [part.text for part in extent.parts],
        "columns": list(extent.columns),
        "severity": extent.severity,
    }


def _extent(document: dict[str, Any]) -> Extent:
    parts = tuple(Segment.parse(text) for text in document["parts"])
    return Extent(parts, tuple(document["columns"]), document["severity"])
