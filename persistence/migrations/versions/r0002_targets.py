"""Projects and targets of load tests: current state, append-only versions, analyses with their endpoints."""

from alembic import op

from persistence.migrations.append_only import create

revision = "0002"
down_revision = "0001"

KEYS = {
    "project_version": ("project_id", "version"),
    "target_version": ("target_id", "version"),
    "target_analysis": ("target_id", "number"),
    "endpoint": ("target_id", "analysis", "place"),
    "endpoint_tag": ("target_id", "analysis", "tag", "place"),
}

TABLES = """
CREATE TABLE project (
    id {identity},
    name {name} NOT NULL,
    description text NOT NULL,
    members {document},
    owner {name} NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    archived_at {instant}
)
|
CREATE UNIQUE INDEX project_name ON project (name) WHERE archived_at IS NULL
|
CREATE TABLE project_version (
    project_id integer NOT NULL REFERENCES project (id),
    version integer NOT NULL,
    name {name} NOT NULL,
    description text NOT NULL,
    members {document},
    archived_at {instant},
    actor {name} NOT NULL,
    recorded_at {instant} NOT NULL,
    PRIMARY KEY (project_id, version)
)
|
CREATE TABLE target (
    id {identity},
    project_id integer NOT NULL REFERENCES project (id),
    name {name} NOT NULL,
    url text NOT NULL,
    analysis integer NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    archived_at {instant}
)
|
CREATE UNIQUE INDEX target_name ON target (project_id, name) WHERE archived_at IS NULL
|
CREATE TABLE target_version (
    target_id integer NOT NULL REFERENCES target (id),
    version integer NOT NULL,
    name {name} NOT NULL,
    url text NOT NULL,
    analysis integer NOT NULL,
    archived_at {instant},
    actor {name} NOT NULL,
    recorded_at {instant} NOT NULL,
    PRIMARY KEY (target_id, version)
)
|
CREATE TABLE target_analysis (
    target_id integer NOT NULL REFERENCES target (id),
    number integer NOT NULL,
    actor {name} NOT NULL,
    recorded_at {instant} NOT NULL,
    url text NOT NULL,
    document_url text NOT NULL,
    strategy {name} NOT NULL,
    media_type {name} NOT NULL,
    sha256 {name} NOT NULL,
    size bigint NOT NULL,
    endpoint_count integer NOT NULL,
    details {document},
    PRIMARY KEY (target_id, number)
)
|
CREATE TABLE endpoint (
    target_id integer NOT NULL,
    analysis integer NOT NULL,
    place integer NOT NULL,
    method {name} NOT NULL,
    path {name} NOT NULL,
    is_deprecated boolean NOT NULL,
    search text NOT NULL,
    operation {document},
    PRIMARY KEY (target_id, analysis, place),
    FOREIGN KEY (target_id, analysis) REFERENCES target_analysis (target_id, number)
)
|
CREATE TABLE endpoint_tag (
    target_id integer NOT NULL,
    analysis integer NOT NULL,
    tag {name} NOT NULL,
    place integer NOT NULL,
    PRIMARY KEY (target_id, analysis, tag, place),
    FOREIGN KEY (target_id, analysis, place) REFERENCES endpoint (target_id, analysis, place)
)
"""

POSTGRESQL_GUARD = """
CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def upgrade() -> None:
    """Create everything."""
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(POSTGRESQL_GUARD)
    create(TABLES, KEYS)
