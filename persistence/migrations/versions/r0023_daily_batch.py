"""The daily batch: assignments of models to lots, its runs, and results."""

from persistence.migrations.append_only import create

revision = "0023"
down_revision = "0022"

KEYS = {"daily_batch_refusal": ("id",), "lot_result": ("id",)}

COUNTS = """considered integer NOT NULL,
    stored integer NOT NULL,
    skipped integer NOT NULL,
    refused integer NOT NULL,
    flagged integer NOT NULL,"""

# A product line has one run at a time, and beside it one dry run; a day has one run.
TABLES = f"""
CREATE TABLE model_assignment (
    id {{identity}},
    model_id integer NOT NULL REFERENCES set_up_model (id),
    product_line smallint NOT NULL,
    scope {{name}} NOT NULL,
    lot_row_id integer REFERENCES lot_row (id),
    product {{name}},
    step {{name}},
    measured_from {{instant}},
    measured_to {{instant}},
    actor {{name}} NOT NULL,
    actor_name {{name}} NOT NULL,
    created_at {{instant}} NOT NULL,
    version integer NOT NULL,
    ended_at {{instant}},
    ended_by {{name}},
    ended_by_name {{name}}
)
|
CREATE UNIQUE INDEX model_assignment_scope ON model_assignment (model_id, scope, actor) WHERE ended_at IS NULL
|
CREATE INDEX model_assignment_rule ON model_assignment (model_id) WHERE ended_at IS NULL AND lot_row_id IS NULL
|
CREATE INDEX model_assignment_in_line ON model_assignment (product_line, id)
|
CREATE INDEX model_assignment_row ON model_assignment (lot_row_id, id) WHERE lot_row_id IS NOT NULL
|
CREATE TABLE daily_batch_run (
    id {{identity}},
    product_line smallint NOT NULL,
    is_dry_run boolean NOT NULL,
    day {{name}},
    due_at {{instant}},
    actor {{name}},
    actor_name {{name}},
    status {{name}} NOT NULL,
    version integer NOT NULL,
    created_at {{instant}} NOT NULL,
    updated_at {{instant}} NOT NULL,
    started_at {{instant}},
    ended_at {{instant}},
    message text NOT NULL,
    is_cancel_requested boolean NOT NULL,
    fence integer NOT NULL,
    is_planned boolean NOT NULL,
    {COUNTS}
    preview {{document}},
    server {{name}},
    heartbeat_at {{instant}}
)
|
CREATE UNIQUE INDEX daily_batch_run_unended ON daily_batch_run (product_line, is_dry_run) WHERE status IN ('QUEUED', 'RUNNING')
|
CREATE UNIQUE INDEX daily_batch_run_day ON daily_batch_run (product_line, day) WHERE day IS NOT NULL
|
CREATE INDEX daily_batch_run_in_line ON daily_batch_run (product_line, id)
|
CREATE TABLE daily_batch_part (
    run_id integer NOT NULL REFERENCES daily_batch_run (id),
    model_id integer NOT NULL REFERENCES set_up_model (id),
    model_version integer NOT NULL,
    status {{name}} NOT NULL,
    {COUNTS}
    after integer NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (run_id, model_id, model_version)
)
|
CREATE TABLE daily_batch_refusal (
    id {{identity}},
    run_id integer NOT NULL REFERENCES daily_batch_run (id),
    model_id integer NOT NULL,
    model_version integer NOT NULL,
    lot_row_id integer NOT NULL REFERENCES lot_row (id),
    lot_row_version integer NOT NULL,
    reason text NOT NULL
)
|
CREATE INDEX daily_batch_refusal_of_run ON daily_batch_refusal (run_id, id)
|
CREATE TABLE lot_result (
    id {{identity}},
    product_line smallint NOT NULL,
    lot_row_id integer NOT NULL REFERENCES lot_row (id),
    lot_row_version integer NOT NULL,
    model_id integer NOT NULL,
    model_version integer NOT NULL,
    targets {{document}},
    outputs {{document}},
    input_sha256 {{name}} NOT NULL,
    out_of_range {{document}},
    is_out_of_range boolean NOT NULL,
    run_id integer NOT NULL REFERENCES daily_batch_run (id),
    recorded_at {{instant}} NOT NULL,
    FOREIGN KEY (model_id, model_version) REFERENCES model_version (model_id, number)
)
|
CREATE UNIQUE INDEX lot_result_key ON lot_result (lot_row_id, model_id, model_version, lot_row_version)
|
CREATE INDEX lot_result_of_row ON lot_result (lot_row_id, id)
|
CREATE INDEX lot_result_in_line ON lot_result (product_line, id)
|
CREATE INDEX lot_result_of_model ON lot_result (model_id, id)
|
CREATE INDEX lot_result_of_run ON lot_result (run_id, id)
"""


def upgrade() -> None:
    """Create the tables."""
    create(TABLES, KEYS)
