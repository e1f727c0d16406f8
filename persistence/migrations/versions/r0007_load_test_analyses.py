"""Analyses of runs of load tests, kept for ever."""

from persistence.migrations.append_only import create

revision = "0007"
down_revision = "0006"

KEYS = {"load_test_analysis": ("id",)}

TABLES = """
CREATE TABLE load_test_analysis (
    id {identity},
    project_id integer NOT NULL REFERENCES project (id),
    load_test_id integer NOT NULL REFERENCES load_test (id),
    run_id integer NOT NULL REFERENCES load_test_run (id),
    baseline_run_id integer REFERENCES load_test_run (id),
    kind {name} NOT NULL,
    model {name},
    seconds {double} NOT NULL,
    confidence {double} NOT NULL,
    score {double} NOT NULL,
    actor {name} NOT NULL,
    created_at {instant} NOT NULL,
    details {document}
)
|
CREATE INDEX load_test_analysis_of_run ON load_test_analysis (run_id)
|
CREATE INDEX load_test_analysis_of_project ON load_test_analysis (project_id)
"""


def upgrade() -> None:
    """Create everything."""
    create(TABLES, KEYS)
