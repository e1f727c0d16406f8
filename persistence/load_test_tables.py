"""The tables of load testing as queries see them, from projects to what runs measured."""

from sqlalchemy import Boolean, Column, Double, Integer, LargeBinary, Table, Text
from sqlalchemy.types import BigInteger, Uuid

from persistence.dialect import Document, Instant, Name
from persistence.tables import metadata

project = Table(
    "project",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Name, nullable=False),
    Column("description", Text, nullable=False),
    Column("members", Document),
    Column("owner", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("archived_at", Instant),
    comment="The current state of each project of load tests",
)

project_member = Table(
    "project_member",
    metadata,
    Column("project_id", Integer, primary_key=True),
    Column("subject", Name, primary_key=True),
    Column("role", Name, nullable=False),
    comment="Who works on each project now, as what; the same as the members in its row",
)

project_version = Table(
    "project_version",
    metadata,
    Column("project_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Name, nullable=False),
    Column("description", Text, nullable=False),
    Column("members", Document),
    Column("archived_at", Instant),
    Column("actor", Name, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="What each project was, and who made it so; append-only",
)

target = Table(
    "target",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("name", Name, nullable=False),
    Column("url", Text, nullable=False),
    Column("analysis", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("archived_at", Instant),
    comment="The current state of each target; `analysis` is the number of its latest analysis, 0 for none",
)

target_version = Table(
    "target_version",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Name, nullable=False),
    Column("url", Text, nullable=False),
    Column("analysis", Integer, nullable=False),
    Column("archived_at", Instant),
    Column("actor", Name, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="What each target was, and who made it so; append-only",
)

target_analysis = Table(
    "target_analysis",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("actor", Name, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("url", Text, nullable=False),
    Column("document_url", Text, nullable=False),
    Column("strategy", Name, nullable=False),
    Column("media_type", Name, nullable=False),
    Column("sha256", Name, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("endpoint_count", Integer, nullable=False),
    Column("details", Document),
    comment="What each look at a target's document found; append-only",
)

endpoint = Table(
    "endpoint",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("analysis", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("method", Name, nullable=False),
    Column("path", Name, nullable=False),
    Column("is_deprecated", Boolean, nullable=False),
    Column("search", Text, nullable=False),
    Column("operation", Document),
    comment="The endpoints of each analysis, in the document's order; append-only",
)

endpoint_tag = Table(
    "endpoint_tag",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("analysis", Integer, primary_key=True),
    Column("tag", Name, primary_key=True),
    Column("place", Integer, primary_key=True),
    comment="The endpoints of each tag; append-only",
)

load_test = Table(
    "load_test",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("target_id", Integer, nullable=False),
    Column("title", Name, nullable=False),
    Column("definition", Document),
    Column("owner", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("archived_at", Instant),
    comment="The current state of each load test",
)

load_test_version = Table(
    "load_test_version",
    metadata,
    Column("load_test_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("title", Name, nullable=False),
    Column("definition", Document),
    Column("archived_at", Instant),
    Column("actor", Name, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="What each load test was, and who made it so; append-only",
)

load_test_run = Table(
    "load_test_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("load_test_id", Integer, nullable=False),
    Column("load_test_version", Integer, nullable=False),
    Column("target_id", Integer, nullable=False),
    Column("project_id", Integer, nullable=False),
    Column("definition", Document),
    Column("script", Text, nullable=False),
    Column("document_sha256", Name, nullable=False),
    Column("window_seconds", Integer, nullable=False),
    Column("label", Name),
    Column("actor", Name, nullable=False),
    Column("status", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("deadline", Instant),
    Column("warned_at", Instant),
    Column("unheard_since", Instant),
    Column("windows_removed_at", Instant),
    Column("cleared_at", Instant),
    Column("message", Text, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("summary", Document),
    Column("figures", Document),
    Column("runner_id", Name),
    Column("origin", Name, nullable=False),
    comment="The current state of each run of a load test, with the definition and script that were frozen at its start; what it "
    "measured is removed from `windows_removed_at` on, and all gone by `cleared_at`",
)

load_test_run_event = Table(
    "load_test_run_event",
    metadata,
    Column("run_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", Name, nullable=False),
    Column("actor", Name, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("message", Text, nullable=False),
    comment="Where each run stood since when, and who or what brought it there; append-only",
)

metric_window = Table(
    "metric_window",
    metadata,
    Column("run_id", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("scenario", Name, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("iterations", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("checks_passed", BigInteger, nullable=False),
    Column("checks_failed", BigInteger, nullable=False),
    Column("vus", Integer),
    Column("vus_least", Integer),
    Column("vus_total", BigInteger, nullable=False),
    Column("vus_count", Integer, nullable=False),
    Column("max_vus", Integer),
    Column("times", Document),
    comment="What was measured of each scenario in each window (`start`: seconds since 1970): its last revision, by which report",
)

resource_usage = Table(
    "resource_usage",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("pod", Name, nullable=False),
    Column("sampled_at", Instant, nullable=False),
    Column("cpu_millicores", Double),
    Column("memory_bytes", BigInteger),
    Column("cpu_request", Integer),
    Column("cpu_limit", Integer),
    Column("memory_request", BigInteger),
    Column("memory_limit", BigInteger),
    comment="CPU and memory of each pod under test at the end of each window, with the requests and limits then in force",
)

target_secret = Table(
    "target_secret",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("origin", Name, nullable=False),
    Column("key_id", Name, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("actor", Name, nullable=False),
    Column("updated_at", Instant, nullable=False),
    comment="The secrets of each target, encrypted with the server's key `key_id`; they are sent to `origin` alone",
)

load_test_analysis = Table(
    "load_test_analysis",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("load_test_id", Integer, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("baseline_run_id", Integer),
    Column("kind", Name, nullable=False),
    Column("model", Name),
    Column("seconds", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("score", Double, nullable=False),
    Column("actor", Name, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("details", Document),
    comment="What each analysis of a run came to; append-only",
)
