"""Runs of load tests: their state, their append-only history, and what they measured."""

from persistence.migrations.append_only import create

revision = "0004"
down_revision = "0003"

KEYS = {"load_test_run_event": ("run_id", "version")}

TABLES = """
CREATE TABLE load_test_run (
    id {identity},
    uuid {uuid} NOT NULL UNIQUE,
    load_test_id integer NOT NULL REFERENCES load_test (id),
    load_test_version integer NOT NULL,
    target_id integer NOT NULL REFERENCES target (id),
    project_id integer NOT NULL REFERENCES project (id),
    definition {document},
    script text NOT NULL,
    document_sha256 {name} NOT NULL,
    window_seconds integer NOT NULL,
    actor {name} NOT NULL,
    status {name} NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    started_at {instant},
    ended_at {instant},
    message text NOT NULL,
    last_sequence integer NOT NULL,
    summary {document},
    figures {document},
    runner_id {name} REFERENCES runner (id)
)
|
CREATE INDEX load_test_run_of_test ON load_test_run (load_test_id)
|
CREATE INDEX load_test_run_open ON load_test_run (target_id) WHERE ended_at IS NULL
|
CREATE TABLE load_test_run_event (
    run_id integer NOT NULL REFERENCES load_test_run (id),
    version integer NOT NULL,
    status {name} NOT NULL,
    actor {name} NOT NULL,
    recorded_at {instant} NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (run_id, version)
)
|
CREATE TABLE metric_window (
    run_id integer NOT NULL REFERENCES load_test_run (id),
    start bigint NOT NULL,
    scenario {name} NOT NULL,
    revision integer NOT NULL,
    sequence integer NOT NULL,
    requests bigint NOT NULL,
    failed bigint NOT NULL,
    iterations bigint NOT NULL,
    dropped bigint NOT NULL,
    checks_passed bigint NOT NULL,
    checks_failed bigint NOT NULL,
    vus integer,
    max_vus integer,
    times {document},
    PRIMARY KEY (run_id, start, scenario)
)
"""


def upgrade() -> None:
    """Create everything."""
    create(TABLES, KEYS)
