"""The outbox: news of incidents that somebody has to be told, each taken by one sender at a time.

A sender takes the oldest one that is due (a lease), sends it, and marks it. One that died in between leaves a lease
that ends: the next sender sends the same document with the same id again, and the other side may drop it. News of one
incident go out in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jomon.store.sql.schema import notifications

SECOND = 1_000_000
LEASE = 300 * SECOND
"""How long a sender may take: far longer than its timeouts allow."""
FIRST_PAUSE, LONGEST_PAUSE = 30 * SECOND, 6 * 3600 * SECOND
MOST_ATTEMPTS = 20
"""About three days of pauses; then the notification is given up, and stays in the ledger as failed."""
_PENDING = ("waiting", "sending")


@dataclass(frozen=True)
class Notification:
    """News to be sent: `id` is the idempotency key, `attempts` counts this one."""

    id: str
    fleet: str
    attempts: int
    document: dict[str, Any]


@dataclass(frozen=True)
class OutboxCount:
    """Notifications of a fleet by state."""

    waiting: int
    sending: int
    sent: int
    failed: int
    skipped: int


def claim(connection: sa.Connection, fleet: str, now: int) -> Notification | None:
    """Take the oldest notification that is due at `now`, for `LEASE`; None where there is none."""
    earlier = notifications.alias()
    blocked = sa.exists().where(
        earlier.c.incident == notifications.c.incident,
        earlier.c.number < notifications.c.number,
        earlier.c.state.in_(_PENDING),
    )
    due = (
        sa.select(notifications)
        .where(
            notifications.c.fleet == fleet,
            notifications.c.state.in_(_PENDING),
            notifications.c.next_at <= now,
            sa.not_(blocked),
        )
        .order_by(notifications.c.number)
        .limit(1)
    )
    row = connection.execute(due).one_or_none()
    if row is None:
        return None
    change = sa.update(notifications).where(notifications.c.number == row.number)
    connection.execute(change.values(state="sending", attempts=row.attempts + 1, next_at=now + LEASE))
    return Notification(row.id, row.fleet, row.attempts + 1, row.document)


def mark_sent(connection: sa.Connection, name: str, now: int) -> None:
    """The other side has it: it is never sent again."""
    change = sa.update(notifications).where(notifications.c.id == name)
    connection.execute(change.values(state="sent", sent_at=now, error=""))


def mark_failed(connection: sa.Connection, taken: Notification, now: int, error: str) -> bool:
    """It did not arrive: due again after a pause that doubles, or given up; gives whether it is tried again."""
    given_up = taken.attempts >= MOST_ATTEMPTS
    change = sa.update(notifications).where(
        notifications.c.id == taken.id,
        notifications.c.state == "sending",
        notifications.c.attempts == taken.attempts,  # nobody took it over meanwhile
    )
    state = "failed" if given_up else "waiting"
    connection.execute(change.values(state=state, next_at=now + pause_after(taken.attempts), error=error))
    return not given_up


def pause_after(attempts: int) -> int:
    """Microseconds between attempt number `attempts` and the next: doubling, up to `LONGEST_PAUSE`.

    >>> [pause_after(n) // 1_000_000 for n in (1, 2, 3, 11, 20)]
    [30, 60, 120, 21600, 21600]
    """
    return min(FIRST_PAUSE << (attempts - 1), LONGEST_PAUSE)


def skip(connection: sa.Connection, fleet: str) -> int:
    """Let go of all that waits, where nobody is to be told; gives how many."""
    change = sa.update(notifications).where(
        notifications.c.fleet == fleet, notifications.c.state == "waiting"
    )
    return connection.execute(change.values(state="skipped")).rowcount


def counts(connection: sa.Connection, fleet: str) -> OutboxCount:
    """How many notifications of a fleet are in each state."""
    query = (
        sa.select(notifications.c.state, sa.func.count())
        .where(notifications.c.fleet == fleet)
        .group_by(notifications.c.state)
    )
    found = {row[0]: row[1] for row in connection.execute(query)}
    return OutboxCount(**{name: found.get(name, 0) for name in OutboxCount.__dataclass_fields__})
