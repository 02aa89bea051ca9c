"""Events of incidents, and what people do with them: take them on, close them, write a note."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from jomon.core.errors import JomonError
from jomon.core.incidents import Act, incident_document
from jomon.core.trouble_documents import plain
from jomon.store.sql.reading import find, load
from jomon.store.sql.schema import incident_events, incidents, notifications

MONITOR = "jomon monitor"


def add_event(
    connection: sa.Connection, key: int, at: int, act: Act, who: str, note: str, *, tell: bool = False
) -> None:
    """Write an event down; with `tell` a notification goes into the outbox in the same transaction."""
    connection.execute(sa.insert(incident_events).values(incident=key, at=at, act=act, who=who, note=note))
    if not tell:
        return
    [incident] = load(connection, [key])
    name = uuid.uuid4().hex
    document = {
        "id": name,
        "event": {"at": at, "act": act, "who": who, "note": note},
        "incident": incident_document(incident),
    }
    connection.execute(
        sa.insert(notifications).values(
            id=name,
            incident=key,
            fleet=incident.fleet,
            document=plain(document),
            state="waiting",
            attempts=0,
            next_at=0,
            error="",
        )
    )


def acknowledge(connection: sa.Connection, name: str, who: str, at: int, note: str) -> int:
    """Make `who` the owner of an incident that is not closed; who has it already only adds a note, if any."""
    key = find(connection, name)
    row = connection.execute(sa.select(incidents).where(incidents.c.id == key)).one()
    if row.state == "closed":
        raise JomonError(
            f"The incident {name} is closed: there is nothing to acknowledge; it opens again if it is seen again."
        )
    if (row.state, row.owner) == ("acknowledged", who):
        if note:
            add_event(connection, key, at, "noted", who, note)
        return key
    change = sa.update(incidents).where(incidents.c.id == key)
    connection.execute(change.values(state="acknowledged", owner=who))
    add_event(connection, key, at, "acknowledged", who, note)
    return key


def close(connection: sa.Connection, name: str, who: str, at: int, note: str) -> int:
    """Close an incident, with a reason; windows up to its last one do not open it again."""
    key = find(connection, name)
    if not note.strip():
        raise JomonError(f"The incident {name} is closed with a reason: say with --note what became of it.")
    row = connection.execute(sa.select(incidents).where(incidents.c.id == key)).one()
    if row.state == "closed":
        last = sa.select(incident_events.c.who).where(
            incident_events.c.incident == key, incident_events.c.act == "closed"
        )
        closer = connection.scalars(last.order_by(incident_events.c.id.desc()).limit(1)).one()
        raise JomonError(
            f"The incident {name} is closed already, by {closer}: "
            f"`jomon incidents show {name}` tells when and why."
        )
    change = sa.update(incidents).where(incidents.c.id == key)
    connection.execute(change.values(state="closed", closed_until=row.until))
    add_event(connection, key, at, "closed", who, note, tell=True)
    return key


def write_note(connection: sa.Connection, name: str, who: str, at: int, note: str) -> int:
    """Add a note to an incident in any state."""
    if not note.strip():
        raise JomonError(f"A note on the incident {name} needs words.")
    key = find(connection, name)
    add_event(connection, key, at, "noted", who, note)
    return key
