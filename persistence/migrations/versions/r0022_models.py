"""Set-up models with their versions, access to them, artifacts that belong to them, and an audit of what is no permission."""

from alembic import op

from persistence.migrations.append_only import create

revision = "0022"
down_revision = "0021"

KEYS = {
    "set_up_model_revision": ("set_up_model_id", "version"),
    "model_version": ("model_id", "number"),
    "model_activation": ("model_id", "number"),
}
TABLES = """
CREATE TABLE set_up_model (
    id {identity},
    name {name} NOT NULL,
    product_line smallint NOT NULL,
    owner {name} NOT NULL,
    owner_name {name} NOT NULL,
    source_id integer REFERENCES set_up_model (id),
    attributes {document},
    description text NOT NULL,
    active_version integer NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    archived_at {instant}
)
|
CREATE UNIQUE INDEX set_up_model_name ON set_up_model (product_line, name) WHERE archived_at IS NULL
|
CREATE INDEX set_up_model_copies ON set_up_model (source_id, id)
|
CREATE TABLE set_up_model_revision (
    set_up_model_id integer NOT NULL REFERENCES set_up_model (id),
    version integer NOT NULL,
    name {name} NOT NULL,
    attributes {document},
    description text NOT NULL,
    active_version integer NOT NULL,
    archived_at {instant},
    actor {name} NOT NULL,
    recorded_at {instant} NOT NULL,
    PRIMARY KEY (set_up_model_id, version)
)
|
CREATE TABLE model_version (
    model_id integer NOT NULL REFERENCES set_up_model (id),
    number integer NOT NULL,
    sha256 {name} NOT NULL,
    size bigint NOT NULL,
    features {document},
    targets {document},
    metrics {document},
    frameworks {document},
    origin {name} NOT NULL,
    job_id {uuid},
    attempt smallint,
    source_model_id integer,
    source_number integer,
    actor {name} NOT NULL,
    actor_name {name} NOT NULL,
    created_at {instant} NOT NULL,
    PRIMARY KEY (model_id, number),
    FOREIGN KEY (source_model_id, source_number) REFERENCES model_version (model_id, number)
)
|
CREATE TABLE model_activation (
    model_id integer NOT NULL,
    number integer NOT NULL,
    version integer NOT NULL,
    before integer,
    is_roll_back boolean NOT NULL,
    reason text NOT NULL,
    actor {name} NOT NULL,
    actor_name {name} NOT NULL,
    recorded_at {instant} NOT NULL,
    PRIMARY KEY (model_id, number),
    FOREIGN KEY (model_id, version) REFERENCES model_version (model_id, number)
)
|
CREATE TABLE model_access_request (
    id {identity},
    model_id integer NOT NULL REFERENCES set_up_model (id),
    subject {name} NOT NULL,
    name {name} NOT NULL,
    purpose text NOT NULL,
    until {instant} NOT NULL,
    status {name} NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    decided_by {name},
    decider_name {name},
    decision_reason text
)
|
CREATE UNIQUE INDEX model_access_pending ON model_access_request (subject, model_id) WHERE status = 'PENDING'
|
CREATE UNIQUE INDEX model_access_approved ON model_access_request (subject, model_id) WHERE status = 'APPROVED'
|
CREATE INDEX model_access_of_model ON model_access_request (model_id, id)
"""
OWNERS = """
    CONSTRAINT artifact_owner CHECK (CASE
        WHEN kit_id IS NOT NULL THEN job_id IS NOT NULL AND attempt IS NOT NULL
            AND target_id IS NULL AND run_id IS NULL AND import_id IS NULL AND model_id IS NULL
        ELSE actor IS NOT NULL AND job_id IS NULL AND attempt IS NULL AND 1 = CASE WHEN target_id IS NULL THEN 0 ELSE 1 END
            + CASE WHEN run_id IS NULL THEN 0 ELSE 1 END + CASE WHEN import_id IS NULL THEN 0 ELSE 1 END
            + CASE WHEN model_id IS NULL THEN 0 ELSE 1 END
    END)"""
ON_POSTGRESQL = f"""
ALTER TABLE artifact
    ADD COLUMN model_id integer REFERENCES set_up_model (id),
    DROP CONSTRAINT artifact_owner,
    ADD {OWNERS}
|
ALTER TABLE audit_entry
    ALTER COLUMN kind DROP NOT NULL,
    ADD COLUMN model_id integer REFERENCES set_up_model (id),
    ADD COLUMN model_access_request_id integer REFERENCES model_access_request (id)
"""
ON_SQLITE = f"""
CREATE TABLE new_artifact (
    id {{uuid}} PRIMARY KEY,
    kit_id integer REFERENCES kit (id),
    job_id {{uuid}},
    attempt smallint,
    name {{name}} NOT NULL,
    media_type {{name}} NOT NULL,
    sha256 {{name}} NOT NULL,
    size bigint NOT NULL,
    inputs {{document}},
    created_at {{instant}} NOT NULL,
    target_id integer REFERENCES target (id),
    run_id integer REFERENCES load_test_run (id),
    analysis_id integer REFERENCES load_test_analysis (id),
    actor {{name}},
    import_id integer REFERENCES lot_import (id),
    model_id integer REFERENCES set_up_model (id),{OWNERS}
)
|
INSERT INTO new_artifact (id, kit_id, job_id, attempt, name, media_type, sha256, size, inputs, created_at, target_id, run_id,
    analysis_id, actor, import_id)
SELECT id, kit_id, job_id, attempt, name, media_type, sha256, size, inputs, created_at, target_id, run_id, analysis_id, actor,
    import_id
FROM artifact
|
DROP TABLE artifact
|
ALTER TABLE new_artifact RENAME TO artifact
|
CREATE UNIQUE INDEX artifact_name ON artifact (job_id, attempt, name)
|
CREATE INDEX artifact_kit ON artifact (kit_id)
|
CREATE INDEX artifact_run ON artifact (run_id)
|
CREATE TABLE new_audit_entry (
    id {{identity}},
    recorded_at {{instant}} NOT NULL,
    action {{name}} NOT NULL,
    kind {{name}},
    person {{name}} NOT NULL,
    person_name {{name}} NOT NULL,
    actor {{name}},
    actor_name {{name}},
    reason text,
    request_id integer REFERENCES permission_request (id),
    grant_id integer REFERENCES permission_grant (id),
    details {{document}},
    model_id integer REFERENCES set_up_model (id),
    model_access_request_id integer REFERENCES model_access_request (id)
)
|
INSERT INTO new_audit_entry (id, recorded_at, action, kind, person, person_name, actor, actor_name, reason, request_id, grant_id,
    details)
SELECT id, recorded_at, action, kind, person, person_name, actor, actor_name, reason, request_id, grant_id, details
FROM audit_entry
|
DROP TABLE audit_entry
|
ALTER TABLE new_audit_entry RENAME TO audit_entry
|
CREATE INDEX audit_entry_of_person ON audit_entry (person, id)
|
CREATE INDEX audit_entry_of_actor ON audit_entry (actor, id)
"""
INDEXES = """
CREATE INDEX artifact_model ON artifact (model_id)
|
CREATE INDEX audit_entry_of_model ON audit_entry (model_id, id)
"""


def upgrade() -> None:
    """Create the tables; SQLite can't change a column, there a new table takes the place of the old one with its guards."""
    create(TABLES, KEYS)
    if op.get_bind().dialect.name == "postgresql":
        create(ON_POSTGRESQL, {})
    else:
        create(ON_SQLITE, {"audit_entry": ("id",)})
    create(INDEXES, {})
