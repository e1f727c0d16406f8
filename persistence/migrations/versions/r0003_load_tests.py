"""Load tests with their append-only versions."""

from persistence.migrations.append_only import create

revision = "0003"
down_revision = "0002"

KEYS = {"load_test_version": ("load_test_id", "version")}

TABLES = """
CREATE TABLE load_test (
    id {identity},
    project_id integer NOT NULL REFERENCES project (id),
    target_id integer NOT NULL REFERENCES target (id),
    title {name} NOT NULL,
    definition {document},
    owner {name} NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    archived_at {instant}
)
|
CREATE UNIQUE INDEX load_test_title ON load_test (project_id, title) WHERE archived_at IS NULL
|
CREATE INDEX load_test_target ON load_test (target_id)
|
CREATE INDEX endpoint_path ON endpoint (target_id, analysis, path)
|
CREATE TABLE load_test_version (
    load_test_id integer NOT NULL REFERENCES load_test (id),
    version integer NOT NULL,
    title {name} NOT NULL,
    definition {document},
    archived_at {instant},
    actor {name} NOT NULL,
    recorded_at {instant} NOT NULL,
    PRIMARY KEY (load_test_id, version)
)
"""


def upgrade() -> None:
    """Create everything."""
    create(TABLES, KEYS)
