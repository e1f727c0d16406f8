"""CPU and memory of what is under test, window by window."""

from persistence.migrations.append_only import create

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE TABLE resource_usage (
    id {identity},
    run_id integer NOT NULL REFERENCES load_test_run (id),
    start bigint NOT NULL,
    pod {name} NOT NULL,
    sampled_at {instant} NOT NULL,
    cpu_millicores double precision,
    memory_bytes bigint,
    cpu_request integer,
    cpu_limit integer,
    memory_request bigint,
    memory_limit bigint,
    UNIQUE (run_id, start, pod)
)
"""


def upgrade() -> None:
    """Create it."""
    create(TABLES, {})
