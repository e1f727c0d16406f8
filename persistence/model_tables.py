"""The tables of set-up models and access to them, as queries see them."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, SmallInteger, Table, Text, Uuid

from persistence.codes import PRODUCT_LINE
from persistence.dialect import Code, Document, Instant, Name
from persistence.tables import metadata

set_up_model = Table(
    "set_up_model",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Name, nullable=False),
    Column("product_line", Code(PRODUCT_LINE), nullable=False),
    Column("owner", Name, nullable=False),
    Column("owner_name", Name, nullable=False),
    Column("source_id", Integer),
    Column("attributes", Document),
    Column("description", Text, nullable=False),
    Column("active_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("archived_at", Instant),
    comment="The current state of each set-up model; `source_id` is the one that it was copied from",
)

set_up_model_revision = Table(
    "set_up_model_revision",
    metadata,
    Column("set_up_model_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Name, nullable=False),
    Column("attributes", Document),
    Column("description", Text, nullable=False),
    Column("active_version", Integer, nullable=False),
    Column("archived_at", Instant),
    Column("actor", Name, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="What each set-up model was; append-only",
)

model_version = Table(
    "model_version",
    metadata,
    Column("model_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sha256", Name, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("features", Document),
    Column("targets", Document),
    Column("metrics", Document),
    Column("frameworks", Document),
    Column("origin", Name, nullable=False),
    Column("job_id", Uuid),
    Column("attempt", SmallInteger),
    Column("source_model_id", Integer),
    Column("source_number", Integer),
    Column("actor", Name, nullable=False),
    Column("actor_name", Name, nullable=False),
    Column("created_at", Instant, nullable=False),
    comment="The trained models behind each set-up model; append-only",
)

model_activation = Table(
    "model_activation",
    metadata,
    Column("model_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("before", Integer),
    Column("is_roll_back", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Name, nullable=False),
    Column("actor_name", Name, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="Which version of a set-up model came in use when, and by whom; append-only",
)

model_access_request = Table(
    "model_access_request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", Integer, nullable=False),
    Column("subject", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("until", Instant, nullable=False),
    Column("status", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("decided_by", Name),
    Column("decider_name", Name),
    Column("decision_reason", Text),
    comment="Applications for access to set-up models; of a person and model one is pending and one approved at a time",
)
