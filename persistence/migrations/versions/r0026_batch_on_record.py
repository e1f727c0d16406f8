"""The daily batch: rows that a model has left without an answer, and who has cancelled a run."""

from alembic import op

from persistence.migrations.append_only import create

revision = "0026"
down_revision = "0025"

CHANGES = """
ALTER TABLE daily_batch_run ADD COLUMN cancelled_by {name}
|
ALTER TABLE daily_batch_run ADD COLUMN cancelled_by_name {name}
|
ALTER TABLE daily_batch_run ADD COLUMN cancel_requested_at {instant}
|
ALTER TABLE daily_batch_part ADD COLUMN look integer NOT NULL DEFAULT 0
|
ALTER TABLE daily_batch_refusal ADD COLUMN is_unanswered boolean NOT NULL DEFAULT false
|
CREATE INDEX daily_batch_refusal_unanswered ON daily_batch_refusal (lot_row_id, model_id) WHERE is_unanswered {is_so}
|
CREATE INDEX daily_batch_refusal_of_row ON daily_batch_refusal (lot_row_id, run_id)
|
CREATE INDEX lot_result_out_of_range ON lot_result (product_line, id) WHERE is_out_of_range {is_so}
"""


def upgrade() -> None:
    """Add columns, and indexes of few rows with the conditions that queries have in each dialect."""
    create(CHANGES.replace("{is_so}", "" if op.get_bind().dialect.name == "postgresql" else "= 1"), {})
