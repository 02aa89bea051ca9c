"""Incidents as the ledger has them, from rows to values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from jomon.core.errors import UnknownNameError
from jomon.core.incidents import Event, Incident, IncidentState, Trouble
from jomon.core.suggest import ending
from jomon.core.trouble_documents import trouble_from_document
from jomon.store.sql.schema import incident_events, incident_windows, incidents


def name_of(fleet: str, number: int) -> str:
    """The name of an incident: `flights-7`."""
    return f"{fleet}-{number}"


def fleet_of(name: str) -> str:
    """The fleet in the name of an incident; raises `UnknownNameError` where it cannot be one."""
    fleet, dash, number = name.rpartition("-")
    if not fleet or not dash or not (number.isascii() and number.isdigit()):
        raise UnknownNameError(
            f"{name!r} is not the name of an incident: write it as flights-7; `jomon incidents list` shows them."
        )
    return fleet


def find(connection: sa.Connection, name: str) -> int:
    """The id of the incident with this name; raises `UnknownNameError`."""
    fleet = fleet_of(name)
    number = int(name.rpartition("-")[2])
    same = (incidents.c.fleet == fleet) & (incidents.c.number == number) if number < 2**31 else sa.false()
    found: int | None = connection.scalar(sa.select(incidents.c.id).where(same))
    if found is None:
        rows = connection.execute(sa.select(incidents.c.fleet, incidents.c.number)).all()
        known = ending(name, [name_of(*row) for row in rows], "`jomon incidents list --all` shows them")
        raise UnknownNameError(f"There is no incident {name!r}{known}")
    return found


def load(connection: sa.Connection, ids: Iterable[int]) -> list[Incident]:
    """The incidents with these ids, in their order, with all events."""
    wanted = list(ids)
    if not wanted:
        return []
    made = {row.id: row for row in connection.execute(sa.select(incidents).where(incidents.c.id.in_(wanted)))}
    events: dict[int, list[Event]] = defaultdict(list)
    told = sa.select(incident_events).where(incident_events.c.incident.in_(wanted))
    for row in connection.execute(told.order_by(incident_events.c.id)):
        events[row.incident].append(Event(row.at, row.act, row.who, row.note))
    last = _last(connection, wanted)
    return [
        Incident(
            name=name_of(made[key].fleet, made[key].number),
            fleet=made[key].fleet,
            state=made[key].state,
            since=made[key].since,
            until=made[key].until,
            windows=made[key].windows,
            rows=made[key].rows,
            last=last[key],
            events=tuple(events[key]),
            owner=made[key].owner,
        )
        for key in wanted
    ]


def listed(
    connection: sa.Connection, fleet: str | None, states: Sequence[IncidentState] | None
) -> list[Incident]:
    """Incidents of a fleet (all) in these states (all), those last seen first."""
    query = sa.select(incidents.c.id).order_by(incidents.c.until.desc(), incidents.c.id.desc())
    if fleet is not None:
        query = query.where(incidents.c.fleet == fleet)
    if states is not None:
        query = query.where(incidents.c.state.in_(states))
    return load(connection, connection.scalars(query).all())


def troubles_of(connection: sa.Connection, key: int) -> tuple[Trouble, ...]:
    """What every window that still says it saw of an incident, the oldest first."""
    query = (
        sa.select(incident_windows.c.trouble)
        .where(incident_windows.c.incident == key, sa.not_(incident_windows.c.withdrawn))
        .order_by(incident_windows.c.starts, incident_windows.c.ends)
    )
    return tuple(trouble_from_document(document) for document in connection.scalars(query))


def _last(connection: sa.Connection, wanted: Sequence[int]) -> dict[int, Trouble]:
    """The newest window of each incident, one that was withdrawn only where there is no other."""
    at = incident_windows.c
    place = sa.func.row_number().over(
        partition_by=at.incident, order_by=(at.withdrawn, at.starts.desc(), at.ends.desc())
    )
    ranked = (
        sa.select(at.incident, at.trouble, place.label("place")).where(at.incident.in_(wanted)).subquery()
    )
    rows = connection.execute(sa.select(ranked.c.incident, ranked.c.trouble).where(ranked.c.place == 1))
    return {row.incident: trouble_from_document(row.trouble) for row in rows}
