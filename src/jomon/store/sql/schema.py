"""The tables of the ledger as they are after all migrations.

Times are microseconds since 1970-01-01 UTC; a window is `starts` and `ends` (excluded). Documents are JSON.
"""

from __future__ import annotations

import sqlalchemy as sa

HEAD = "0001"
"""The newest migration; a ledger whose version it is needs no Alembic to be opened."""
VERSION_TABLE = "jomon_ledger_version"

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMES)
_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up by itself in INTEGER only


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    return sa.CheckConstraint(sa.column(column).in_(values), name=column)


incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", _number, primary_key=True, autoincrement=True),
    sa.Column("fleet", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),  # `fleet-number` is its name
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    # Of the windows that still say it:
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("windows", sa.Integer, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    # All that it ever reached; and how far the last closing by a person goes:
    sa.Column("extent", sa.JSON, nullable=False),
    sa.Column("closed_until", sa.BigInteger),
    sa.UniqueConstraint("fleet", "number"),
    _one_of("state", ("open", "acknowledged", "closed")),
)

incident_windows = sa.Table(
    "incident_windows",
    metadata,
    sa.Column("incident", _number, sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("starts", sa.BigInteger, primary_key=True),
    sa.Column("ends", sa.BigInteger, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("withdrawn", sa.Boolean, nullable=False),  # a later check of the window no longer says it
    sa.Column("trouble", sa.JSON, nullable=False),
    sa.Index(None, "starts", "ends"),
)

incident_events = sa.Table(
    "incident_events",
    metadata,
    sa.Column("id", _number, primary_key=True, autoincrement=True),
    sa.Column("incident", _number, sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    _one_of("act", ("opened", "grew", "acknowledged", "closed", "reopened", "noted")),
)

checks = sa.Table(
    "checks",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("starts", sa.BigInteger, primary_key=True),
    sa.Column("ends", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("p", sa.Float),
    sa.Column("level", sa.Float, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
)

notifications = sa.Table(
    "notifications",
    metadata,
    sa.Column("number", _number, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),  # the idempotency key
    sa.Column("incident", _number, sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("fleet", sa.Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.BigInteger, nullable=False),  # when it may be tried, or when the lease ends
    sa.Column("sent_at", sa.BigInteger),
    sa.Column("error", sa.Text, nullable=False),
    _one_of("state", ("waiting", "sending", "sent", "failed", "skipped")),
    sa.Index(None, "fleet", "state"),
)

online = sa.Table(
    "online",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
)
