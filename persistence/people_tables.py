"""The tables of people and what they may do, as queries see them."""

from sqlalchemy import Boolean, Column, Integer, Table, Text

from persistence.dialect import Document, Instant, Name
from persistence.tables import metadata

permission_request = Table(
    "permission_request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("decided_by", Name),
    Column("decider_name", Name),
    Column("decision_reason", Text),
    Column("grant_id", Integer),
    comment="Applications for permissions, each for one kind; one of a kind and person is pending at a time",
)

permission_grant = Table(
    "permission_grant",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("request_id", Integer, nullable=False),
    Column("granted_by", Name, nullable=False),
    Column("granted_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("ended_at", Instant),
    Column("is_revoked", Boolean, nullable=False),
    Column("revoked_by", Name),
    Column("revocation_reason", Text),
    comment="What people are and were permitted; one of a kind and person has no end on record",
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("recorded_at", Instant, nullable=False),
    Column("action", Name, nullable=False),
    Column("kind", Name),
    Column("person", Name, nullable=False),
    Column("person_name", Name, nullable=False),
    Column("actor", Name),
    Column("actor_name", Name),
    Column("reason", Text),
    Column("request_id", Integer),
    Column("grant_id", Integer),
    Column("details", Document),
    Column("model_id", Integer),
    Column("model_access_request_id", Integer),
    comment="Who decided what for whom, when and why; append-only",
)
