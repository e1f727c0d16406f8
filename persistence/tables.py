"""The tables of kits, and those shared with load tests (`load_test_tables`), as queries see them.

The migrations create them; a test holds the two against each other.
"""

from sqlalchemy import Boolean, Column, Integer, LargeBinary, MetaData, SmallInteger, Table, Text
from sqlalchemy.types import BigInteger, Uuid

from persistence.codes import EVENT_KIND, JOB_TYPE, PRODUCT_LINE, STATUS
from persistence.dialect import Code, Document, Instant, Name, Share

metadata = MetaData()

name = Table(
    "name",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Name, nullable=False, unique=True),
    comment="Names that events repeat (tasks, actors), stored once",
)

kit = Table(
    "kit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Name, nullable=False),
    Column("owner", Name, nullable=False),
    Column("product_line", Code(PRODUCT_LINE), nullable=False),
    Column("definition", Document, nullable=False),
    Column("metadata", Document),
    Column("created_at", Instant, nullable=False),
    comment="What of a kit never changes",
)

kit_state = Table(
    "kit_state",
    metadata,
    Column("kit_id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", Code(STATUS), nullable=False),
    Column("status_version", Integer, nullable=False),
    Column("is_started", Boolean, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("status_changed_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("archived_at", Instant),
    Column("revision", BigInteger, nullable=False),
    comment="The current state of each kit; its row is the lock that the kit's writers take",
)

job_state = Table(
    "job_state",
    metadata,
    Column("kit_id", Integer, primary_key=True),
    Column("type", Code(JOB_TYPE), primary_key=True),
    Column("job_id", Uuid, nullable=False, unique=True),
    Column("attempt", SmallInteger, nullable=False),
    Column("status", Code(STATUS), nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status_version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("metadata", Document),
    comment="The current state of each job",
)

attempt_state = Table(
    "attempt_state",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("kit_id", Integer, nullable=False),
    Column("status", Code(STATUS), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("cause", Name),
    Column("message", Text),
    Column("exit_code", Integer),
    comment="Every attempt of every job",
)

task_state = Table(
    "task_state",
    metadata,
    Column("kit_id", Integer, primary_key=True),
    Column("type", Code(JOB_TYPE), primary_key=True),
    Column("task_order", SmallInteger, primary_key=True),
    Column("job_id", Uuid, nullable=False),
    Column("name", Name, nullable=False),
    Column("status", Code(STATUS), nullable=False),
    Column("progress", Share, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status_version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("progressed_at", Instant),
    Column("coalesced_progress", Share),
    Column("metadata", Document),
    comment="The current state of each task",
)

kit_event = Table(
    "kit_event",
    metadata,
    Column("kit_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("recorded_at", Instant, primary_key=True),
    Column("reported_at", Instant),
    Column("sequence", Integer),
    Column("actor", Integer, nullable=False),
    Column("task", Integer),
    Column("progress", Share),
    Column("kind", Code(EVENT_KIND), nullable=False),
    Column("job_type", Code(JOB_TYPE)),
    Column("attempt", SmallInteger),
    Column("event_order", SmallInteger),
    Column("status", Code(STATUS)),
    Column("job_id", Uuid),
    Column("metadata", Document),
    comment="The append-only history; PostgreSQL keeps it in a partition a month",
)

refused_report = Table(
    "refused_report",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("attempt", SmallInteger, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("code", Name, nullable=False),
    Column("message", Text, nullable=False),
    comment="Reports that were refused and used up their number, so that a repeat gets the first answer",
)

attempt_claim = Table(
    "attempt_claim",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("attempt", SmallInteger, primary_key=True),
    Column("kit_id", Integer, nullable=False),
    Column("runner_id", Name, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("released_at", Instant),
    comment="Which runner runs an attempt; claimed before anything is started",
)

runner = Table(
    "runner",
    metadata,
    Column("id", Name, primary_key=True),
    Column("kind", Name, nullable=False),
    Column("host", Name, nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
    comment="The runners that have ever been there and when each was last seen",
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("person", Name, primary_key=True),
    Column("mutation", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("input_hash", Name, nullable=False),
    Column("outcome", Document),
    Column("created_at", Instant, nullable=False),
    comment="What became of a mutation sent with an idempotency key; kept for seven days",
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kit_id", Integer),
    Column("job_id", Uuid),
    Column("attempt", SmallInteger),
    Column("name", Name, nullable=False),
    Column("media_type", Name, nullable=False),
    Column("sha256", Name, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("inputs", Document),
    Column("created_at", Instant, nullable=False),
    Column("target_id", Integer),
    Column("run_id", Integer),
    Column("analysis_id", Integer),
    Column("actor", Name),
    Column("import_id", Integer),
    Column("model_id", Integer),
    comment="What attempts (of a kit), targets, runs, imports and models have, each of one; the content is in the artifact store",
)

deck_request = Table(
    "deck_request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kit_id", Integer, nullable=False),
    Column("job_id", Uuid, nullable=False, unique=True),
    Column("deck", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    comment="Each collection of decks with its source and options as sent",
)

log_chunk = Table(
    "log_chunk",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("attempt", SmallInteger, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="The output of attempts, in pieces; `start` is the byte offset of each",
)

sign_in = Table(
    "sign_in",
    metadata,
    Column("state", LargeBinary, primary_key=True),
    Column("issuer", Name, nullable=False),
    Column("next_path", Text, nullable=False),
    Column("begun_at", Instant, nullable=False),
    comment="Sign-ins of browsers under way, by the SHA-256 of their state; the row goes when the issuer has answered",
)

session = Table(
    "session",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("token", LargeBinary, nullable=False, unique=True),
    Column("issuer", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("groups", Document),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    comment="Browsers that are or were signed in, by the SHA-256 of the token in their cookie",
)
