"""Applications for permissions, what was granted, and the audit of both."""

from persistence.migrations.append_only import create

revision = "0018"
down_revision = "0017"

KEYS = {"audit_entry": ("id",)}

TABLES = """
CREATE TABLE permission_request (
    id {identity},
    kind {name} NOT NULL,
    subject {name} NOT NULL,
    name {name} NOT NULL,
    reason text NOT NULL,
    status {name} NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    decided_by {name},
    decider_name {name},
    decision_reason text,
    grant_id integer
)
|
CREATE UNIQUE INDEX permission_request_pending ON permission_request (subject, kind) WHERE status = 'PENDING'
|
CREATE INDEX permission_request_inbox ON permission_request (kind, id) WHERE status = 'PENDING'
|
CREATE INDEX permission_request_of_subject ON permission_request (subject, id)
|
CREATE TABLE permission_grant (
    id {identity},
    kind {name} NOT NULL,
    subject {name} NOT NULL,
    name {name} NOT NULL,
    request_id integer NOT NULL REFERENCES permission_request (id),
    granted_by {name} NOT NULL,
    granted_at {instant} NOT NULL,
    version integer NOT NULL,
    updated_at {instant} NOT NULL,
    expires_at {instant},
    ended_at {instant},
    is_revoked boolean NOT NULL,
    revoked_by {name},
    revocation_reason text
)
|
CREATE UNIQUE INDEX permission_grant_unended ON permission_grant (subject, kind) WHERE ended_at IS NULL
|
CREATE INDEX permission_grant_expiring ON permission_grant (expires_at) WHERE ended_at IS NULL AND expires_at IS NOT NULL
|
CREATE INDEX permission_grant_of_subject ON permission_grant (subject, id)
|
CREATE TABLE audit_entry (
    id {identity},
    recorded_at {instant} NOT NULL,
    action {name} NOT NULL,
    kind {name} NOT NULL,
    person {name} NOT NULL,
    person_name {name} NOT NULL,
    actor {name},
    actor_name {name},
    reason text,
    request_id integer REFERENCES permission_request (id),
    grant_id integer REFERENCES permission_grant (id),
    details {document}
)
|
CREATE INDEX audit_entry_of_person ON audit_entry (person, id)
|
CREATE INDEX audit_entry_of_actor ON audit_entry (actor, id)
"""


def upgrade() -> None:
    """Create everything."""
    create(TABLES, KEYS)
