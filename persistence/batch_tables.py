"""The tables of the daily batch, as queries see them: assignments, runs with their parts and refusals, results."""

from sqlalchemy import Boolean, Column, Integer, Table, Text

from persistence.claimed import work_columns
from persistence.codes import PRODUCT_LINE
from persistence.dialect import Code, Document, Instant, Name
from persistence.tables import metadata

model_assignment = Table(
    "model_assignment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", Integer, nullable=False),
    Column("product_line", Code(PRODUCT_LINE), nullable=False),
    Column("scope", Name, nullable=False),
    Column("lot_row_id", Integer),
    Column("product", Name),
    Column("step", Name),
    Column("measured_from", Instant),
    Column("measured_to", Instant),
    Column("actor", Name, nullable=False),
    Column("actor_name", Name, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    Column("ended_at", Instant),
    Column("ended_by", Name),
    Column("ended_by_name", Name),
    comment="Which models predict for which lot rows, one or those of a rule; of a model and person one of a scope has not ended",
)

daily_batch_run = Table(
    "daily_batch_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("product_line", Code(PRODUCT_LINE), nullable=False),
    Column("is_dry_run", Boolean, nullable=False),
    Column("day", Name),
    Column("due_at", Instant),
    Column("actor", Name),
    Column("actor_name", Name),
    Column("cancelled_by", Name),
    Column("cancelled_by_name", Name),
    Column("cancel_requested_at", Instant),
    Column("is_planned", Boolean, nullable=False),
    Column("considered", Integer, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("flagged", Integer, nullable=False),
    Column("preview", Document),
    *work_columns(),
    comment="Runs of the daily batch, how far each has come, and the server that works on it; `day` is that of a scheduled one",
)

daily_batch_part = Table(
    "daily_batch_part",
    metadata,
    Column("run_id", Integer, primary_key=True),
    Column("model_id", Integer, primary_key=True),
    Column("model_version", Integer, primary_key=True),
    Column("status", Name, nullable=False),
    Column("considered", Integer, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("flagged", Integer, nullable=False),
    Column("look", Integer, nullable=False),
    Column("after", Integer, nullable=False),
    Column("message", Text, nullable=False),
    comment="What each run of the daily batch did with each model, and how far it has come with it",
)

daily_batch_refusal = Table(
    "daily_batch_refusal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("model_id", Integer, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("lot_row_id", Integer, nullable=False),
    Column("lot_row_version", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_unanswered", Boolean, nullable=False),
    comment="The rows for which a model predicted nothing in a run of the daily batch, and why; settings may have them removed",
)

lot_result = Table(
    "lot_result",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("product_line", Code(PRODUCT_LINE), nullable=False),
    Column("lot_row_id", Integer, nullable=False),
    Column("lot_row_version", Integer, nullable=False),
    Column("model_id", Integer, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("targets", Document),
    Column("outputs", Document),
    Column("input_sha256", Name, nullable=False),
    Column("out_of_range", Document),
    Column("is_out_of_range", Boolean, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="What versions of models predicted for versions of lot rows, each once; append-only",
)
