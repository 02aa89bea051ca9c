"""The ledger: incidents with their life, checks, the outbox and the state of the online procedure.

Each method is one transaction: all of it is kept, or nothing, whatever happens to the process. Times (`at`, `now`) are
microseconds since 1970-01-01 UTC and given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jomon.core.checks import CheckResult
from jomon.core.findings import Span
from jomon.core.incidents import Incident, IncidentState, Trouble
from jomon.core.trouble_documents import plain
from jomon.store.sql import acting, outbox, reading, recording
from jomon.store.sql.opening import Database
from jomon.store.sql.outbox import Notification, OutboxCount
from jomon.store.sql.schema import checks, online


class Ledger:
    """An open ledger; several processes may use one at once. As a context manager it is closed at the end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, place: Path | str) -> Ledger:
        """See `jomon.store.ledger.open_ledger`."""
        return cls(Database(place))

    @property
    def name(self) -> str:
        """Where it is, for people: a path, or an address without user and password."""
        return self._database.name

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(
        self,
        fleet: str,
        window: Span,
        troubles: Sequence[Trouble],
        at: int,
        *,
        check: CheckResult | None = None,
        online: Mapping[str, Any] | None = None,
    ) -> list[Incident]:
        """Keep what a check of a window found; gives the incident of each trouble, in their order.

        It replaces what an earlier check of the same window said, and the same said twice changes nothing. `check` (its
        result) and `online` (the state of the online procedure after it) are kept in the same transaction. A check that
        is `unknown` says nothing and takes nothing back. Raises `ValueError` for a trouble of another window, and for
        troubles of an unknown check.
        """
        unknown = check is not None and check.status == "unknown"
        if unknown and troubles:
            raise ValueError("a check that is unknown has no troubles")
        with self._database.writing(fleet) as connection:
            keys = [] if unknown else recording.record(connection, fleet, window, troubles, at)
            found = reading.load(connection, keys)
            if check is not None:
                _keep_check(connection, replace(check, fleet=fleet, window=window), found, at)
            if online is not None:
                _keep_online(connection, fleet, online, at)
        return found

    def acknowledge(self, name: str, who: str, at: int, note: str = "") -> Incident:
        """Let `who` take an incident on. Raises `UnknownNameError`, or `JomonError` for a closed one."""
        with self._database.writing(reading.fleet_of(name)) as connection:
            return reading.load(connection, [acting.acknowledge(connection, name, who, at, note)])[0]

    def close_incident(self, name: str, who: str, at: int, note: str) -> Incident:
        """Close an incident for a reason. Raises `UnknownNameError`, or `JomonError` for one that is closed already
        or a reason without words."""
        with self._database.writing(reading.fleet_of(name)) as connection:
            return reading.load(connection, [acting.close(connection, name, who, at, note)])[0]

    def write_note(self, name: str, who: str, at: int, note: str) -> Incident:
        """Add a note to an incident, in any state. Raises `UnknownNameError`."""
        with self._database.writing(reading.fleet_of(name)) as connection:
            return reading.load(connection, [acting.write_note(connection, name, who, at, note)])[0]

    def incidents(
        self, fleet: str | None = None, states: Sequence[IncidentState] | None = None
    ) -> list[Incident]:
        """Incidents of a fleet (all) in these states (all), those last seen first."""
        with self._database.reading() as connection:
            return reading.listed(connection, fleet, states)

    def incident(self, name: str) -> Incident:
        """The incident with this name; raises `UnknownNameError`."""
        with self._database.reading() as connection:
            return reading.load(connection, [reading.find(connection, name)])[0]

    def troubles(self, name: str) -> tuple[Trouble, ...]:
        """What each window saw of an incident, the oldest first; raises `UnknownNameError`."""
        with self._database.reading() as connection:
            return reading.troubles_of(connection, reading.find(connection, name))

    def checks(self, fleet: str, since: int | None = None, last: int | None = None) -> list[dict[str, Any]]:
        """The documents of checked windows that end after `since`, the oldest first; of them the `last` ones.

        Each is `CheckResult.document()` with the names of its incidents, and `at`, when it was checked.
        """
        query = sa.select(checks.c.document, checks.c.at).where(checks.c.fleet == fleet)
        if since is not None:
            query = query.where(checks.c.ends > since)
        query = query.order_by(checks.c.starts.desc(), checks.c.ends.desc()).limit(last)
        with self._database.reading() as connection:
            found = [{**row.document, "at": row.at} for row in connection.execute(query)]
        return found[::-1]

    def checked(self, fleet: str, since: int | None = None) -> list[tuple[Span, str]]:
        """The windows of a fleet that were checked and end after `since`, the oldest first, each with its status."""
        query = sa.select(checks.c.starts, checks.c.ends, checks.c.status).where(checks.c.fleet == fleet)
        if since is not None:
            query = query.where(checks.c.ends > since)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(checks.c.starts, checks.c.ends))
            return [(Span(row.starts, row.ends), row.status) for row in rows]

    def online(self, fleet: str) -> dict[str, Any] | None:
        """The state of the online procedure of a fleet, as it was recorded last."""
        with self._database.reading() as connection:
            found: dict[str, Any] | None = connection.scalar(
                sa.select(online.c.document).where(online.c.fleet == fleet)
            )
            return found

    def claim(self, fleet: str, now: int) -> Notification | None:
        """Take a notification that is due; nobody else gets it before its lease ends. See `jomon.store.sql.outbox`."""
        with self._database.writing(fleet) as connection:
            return outbox.claim(connection, fleet, now)

    def mark_sent(self, taken: Notification, now: int) -> None:
        """The other side has it: it is never sent again."""
        with self._database.writing(taken.fleet) as connection:
            outbox.mark_sent(connection, taken.id, now)

    def mark_failed(self, taken: Notification, now: int, error: str) -> bool:
        """It did not arrive, because of `error` (without any secret); gives whether it is tried again later."""
        with self._database.writing(taken.fleet) as connection:
            return outbox.mark_failed(connection, taken, now, error)

    def skip_notifications(self, fleet: str) -> int:
        """Let go of all that waits, where nobody is to be told; gives how many."""
        with self._database.writing(fleet) as connection:
            return outbox.skip(connection, fleet)

    def notifications(self, fleet: str) -> OutboxCount:
        """How many notifications of a fleet are in each state."""
        with self._database.reading() as connection:
            return outbox.counts(connection, fleet)


def _keep_check(connection: sa.Connection, check: CheckResult, found: Sequence[Incident], at: int) -> None:
    window = check.window
    same = sa.and_(
        checks.c.fleet == check.fleet, checks.c.starts == window.start, checks.c.ends == window.end
    )
    connection.execute(sa.delete(checks).where(same))
    document = {**replace(check, incidents=()).document(), "incidents": [incident.name for incident in found]}
    connection.execute(
        sa.insert(checks).values(
            fleet=check.fleet,
            starts=window.start,
            ends=window.end,
            at=at,
            status=check.status,
            p=check.p,
            level=check.level,
            rows=check.rows,
            document=plain(document),
        )
    )


def _keep_online(connection: sa.Connection, fleet: str, document: Mapping[str, Any], at: int) -> None:
    connection.execute(sa.delete(online).where(online.c.fleet == fleet))
    connection.execute(sa.insert(online).values(fleet=fleet, at=at, document=plain(document)))
