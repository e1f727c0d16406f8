"""Lot rows with their versions, imports of them, and artifacts that belong to an import."""

from alembic import op

from persistence.migrations.append_only import create
from persistence.migrations.versions.r0001_kits import SQLITE

revision = "0021"
down_revision = "0020"

KEYS = {"lot_row_version": ("lot_row_id", "version")}

SAID = """product_line smallint NOT NULL,
    lot_id {name} NOT NULL,
    product {name} NOT NULL,
    step {name} NOT NULL,
    equipment {name} NOT NULL,
    measured_at {instant} NOT NULL,
    quantity integer NOT NULL,
    attributes {document},
    actor {name} NOT NULL,"""

# Lists are read product line by product line, in each along an index that begins with it.
TABLES = f"""
CREATE TABLE lot_import (
    id {{identity}},
    file_name {{name}} NOT NULL,
    sha256 {{name}} NOT NULL,
    size bigint NOT NULL,
    actor {{name}} NOT NULL,
    actor_name {{name}} NOT NULL,
    product_lines {{document}} NOT NULL,
    status {{name}} NOT NULL,
    version integer NOT NULL,
    created_at {{instant}} NOT NULL,
    updated_at {{instant}} NOT NULL,
    started_at {{instant}},
    ended_at {{instant}},
    encoding {{name}},
    bytes_read bigint NOT NULL,
    row_number integer NOT NULL,
    rows_read integer NOT NULL,
    rows_added integer NOT NULL,
    rows_refused integer NOT NULL,
    message text NOT NULL,
    is_cancel_requested boolean NOT NULL,
    fence integer NOT NULL,
    result_id {{uuid}},
    server {{name}},
    heartbeat_at {{instant}}
)
|
CREATE INDEX lot_import_of_actor ON lot_import (actor, id)
|
CREATE INDEX lot_import_unended ON lot_import (id) WHERE status IN ('QUEUED', 'RUNNING')
|
CREATE TABLE lot_import_refusal (
    import_id integer NOT NULL REFERENCES lot_import (id),
    row_number integer NOT NULL,
    fields {{document}},
    reason text NOT NULL,
    PRIMARY KEY (import_id, row_number)
)
|
CREATE TABLE lot_row (
    id {{identity}},
    {SAID}
    import_id integer REFERENCES lot_import (id),
    version integer NOT NULL,
    created_at {{instant}} NOT NULL,
    updated_at {{instant}} NOT NULL
)
|
CREATE UNIQUE INDEX lot_row_key ON lot_row (product_line, lot_id, step)
|
CREATE INDEX lot_row_in_line ON lot_row (product_line, id)
|
CREATE INDEX lot_row_measured ON lot_row (product_line, measured_at, id)
|
CREATE INDEX lot_row_product ON lot_row (product_line, product, id)
|
CREATE INDEX lot_row_step ON lot_row (product_line, step, id)
|
CREATE INDEX lot_row_equipment ON lot_row (product_line, equipment, id)
|
CREATE TABLE lot_row_version (
    lot_row_id integer NOT NULL REFERENCES lot_row (id),
    version integer NOT NULL,
    {SAID}
    reason text,
    recorded_at {{instant}} NOT NULL,
    PRIMARY KEY (lot_row_id, version)
)
"""
OWNERS = """
    CONSTRAINT artifact_owner CHECK (CASE
        WHEN kit_id IS NOT NULL THEN job_id IS NOT NULL AND attempt IS NOT NULL
            AND target_id IS NULL AND run_id IS NULL AND import_id IS NULL
        ELSE actor IS NOT NULL AND job_id IS NULL AND attempt IS NULL
            AND CASE WHEN target_id IS NULL THEN 0 ELSE 1 END + CASE WHEN run_id IS NULL THEN 0 ELSE 1 END
                + CASE WHEN import_id IS NULL THEN 0 ELSE 1 END = 1
    END)"""
POSTGRESQL_CHANGES = f"""
ALTER TABLE artifact
    ADD COLUMN import_id integer REFERENCES lot_import (id),
    DROP CONSTRAINT artifact_owner,
    ADD {OWNERS}
"""
KEPT = "id, kit_id, job_id, attempt, name, media_type, sha256, size, inputs, created_at, target_id, run_id, analysis_id, actor"
SQLITE_CHANGES = f"""
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
    import_id integer REFERENCES lot_import (id),{OWNERS}
)
|
INSERT INTO new_artifact ({KEPT}) SELECT {KEPT} FROM artifact
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
"""


def upgrade() -> None:
    """Create the tables, then let artifacts have an import as their owner."""
    create(TABLES, KEYS)
    connection = op.get_bind()
    changes = POSTGRESQL_CHANGES if connection.dialect.name == "postgresql" else SQLITE_CHANGES.format(**SQLITE)
    for statement in changes.split("|"):
        connection.exec_driver_sql(statement.strip())
