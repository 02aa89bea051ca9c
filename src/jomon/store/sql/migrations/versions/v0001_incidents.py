"""Incidents with their windows and events, checks, notifications, and the state of the online procedure."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_STATES = "state IN ('open', 'acknowledged', 'closed')"
_ACTS = "act IN ('opened', 'grew', 'acknowledged', 'closed', 'reopened', 'noted')"
_SENDING = "state IN ('waiting', 'sending', 'sent', 'failed', 'skipped')"


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "incidents",
        sa.Column("id", _number, autoincrement=True),
        sa.Column("fleet", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("windows", sa.Integer, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("extent", sa.JSON, nullable=False),
        sa.Column("closed_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("fleet", "number", name="uq_incidents_fleet_number"),
        sa.CheckConstraint(_STATES, name="ck_incidents_state"),
    )
    op.create_table(
        "incident_windows",
        sa.Column("incident", _number, nullable=False),
        sa.Column("starts", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("trouble", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("incident", "starts", "ends", name="pk_incident_windows"),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_incident_windows_incident"),
    )
    op.create_index("ix_incident_windows_starts_ends", "incident_windows", ["starts", "ends"])
    op.create_table(
        "incident_events",
        sa.Column("id", _number, autoincrement=True),
        sa.Column("incident", _number, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incident_events"),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_incident_events_incident"),
        sa.CheckConstraint(_ACTS, name="ck_incident_events_act"),
    )
    op.create_index("ix_incident_events_incident", "incident_events", ["incident"])
    op.create_table(
        "checks",
        sa.Column("fleet", sa.Text, nullable=False),
        sa.Column("starts", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("p", sa.Float),
        sa.Column("level", sa.Float, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("fleet", "starts", "ends", name="pk_checks"),
    )
    op.create_table(
        "notifications",
        sa.Column("number", _number, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("incident", _number, nullable=False),
        sa.Column("fleet", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_notifications"),
        sa.UniqueConstraint("id", name="uq_notifications_id"),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_notifications_incident"),
        sa.CheckConstraint(_SENDING, name="ck_notifications_state"),
    )
    op.create_index("ix_notifications_incident", "notifications", ["incident"])
    op.create_index("ix_notifications_fleet_state", "notifications", ["fleet", "state"])
    op.create_table(
        "online",
        sa.Column("fleet", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("fleet", name="pk_online"),
    )
