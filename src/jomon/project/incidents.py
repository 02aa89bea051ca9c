"""The incidents of a home: which there are, what is known of one, and what people do with them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jomon.core.errors import UnknownNameError
from jomon.core.incidents import Incident, IncidentState, Trouble, incident_document
from jomon.core.spec import ProjectSpec
from jomon.core.trouble_documents import plain
from jomon.project.home import Home
from jomon.store.ledger import LEDGER_FILE, exists, open_ledger

if TYPE_CHECKING:
    from jomon.project.notifying import DeliveryReport
    from jomon.store.sql.ledger import Ledger

LEDGER_VARIABLE = "JOMON_LEDGER"
"""The URL of a PostgreSQL database, or a file, that is used instead of the home's own `ledger.db`."""
UNCLOSED: tuple[IncidentState, ...] = ("open", "acknowledged")


def ledger_place(home: Home) -> Path | str:
    """Where the ledger of a home is: what JOMON_LEDGER says, else a file of the home."""
    return os.environ.get(LEDGER_VARIABLE) or home.root / LEDGER_FILE


def ledger_of(home: Home) -> Ledger:
    """The ledger of a home, made if it is not there; a context manager. Raises `StoreError`."""
    return open_ledger(ledger_place(home))


def list_incidents(
    home: Home, fleet: str | None = None, states: Sequence[IncidentState] | None = UNCLOSED
) -> list[Incident]:
    """Incidents of a fleet (all of the ledger) in these states (all), those last seen first."""
    if not exists(ledger_place(home)):
        return []
    with ledger_of(home) as ledger:
        return ledger.incidents(fleet, states)


def show_incident(home: Home, name: str) -> tuple[Incident, tuple[Trouble, ...]]:
    """An incident, and what each window saw of it, the oldest first; raises `UnknownNameError`."""
    with _ledger_with(home, name) as ledger:
        return ledger.incident(name), ledger.troubles(name)


def acknowledge(home: Home, name: str, who: str, note: str = "") -> Incident:
    """Let `who` take an incident on; raises `UnknownNameError`, or `JomonError` for a closed one."""
    with _ledger_with(home, name) as ledger:
        return ledger.acknowledge(name, who, _now(), note)


def close(
    home: Home, name: str, who: str, note: str, spec: ProjectSpec | None = None
) -> tuple[Incident, DeliveryReport | None]:
    """Close an incident for a reason, and tell the webhook of its fleet, if `spec` is that of the fleet.

    Raises `UnknownNameError`, or `JomonError` for one that is closed already.
    """
    with _ledger_with(home, name) as ledger:
        incident = ledger.close_incident(name, who, _now(), note)
        if spec is None or spec.fleet != incident.fleet:
            return incident, None
        from jomon.project.notifying import deliver

        return incident, deliver(ledger, incident.fleet, spec.monitor.webhook)


def document(incident: Incident, seen: Sequence[Trouble] | None = None) -> dict[str, Any]:
    """The JSON of an incident; with `seen` also what each window saw of it, in short."""
    made = incident_document(incident)
    if seen is not None:
        made["seen"] = [
            {
                "start": trouble.window.start,
                "end": trouble.window.end,
                "severity": trouble.severity,
                "segments": [part.text for part in trouble.parts],
                "columns": list(trouble.columns),
                "cause": trouble.cause.kind,
                "members": trouble.members,
                "rows": trouble.rows,
                "loss": trouble.loss,
            }
            for trouble in seen
        ]
    shown: dict[str, Any] = plain(made)
    return shown


def _ledger_with(home: Home, name: str) -> Ledger:
    """The ledger that may have this incident; a home without one is left without one."""
    if not exists(ledger_place(home)):
        raise UnknownNameError(f"There is no incident {name!r}; nothing was monitored here yet.")
    return ledger_of(home)


def _now() -> int:
    return time.time_ns() // 1000
