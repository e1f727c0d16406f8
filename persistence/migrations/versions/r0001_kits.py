"""Kits: definitions, the append-only events, the current state, and what runs them."""

from alembic import op

revision = "0001"
down_revision = None

POSTGRESQL_EVENTS = """
CREATE TABLE kit_event (
    recorded_at timestamptz NOT NULL,
    reported_at timestamptz,
    kit_id integer NOT NULL,
    version integer NOT NULL,
    sequence integer,
    actor integer NOT NULL,
    task integer,
    progress real,
    kind smallint NOT NULL,
    job_type smallint,
    attempt smallint,
    event_order smallint,
    status smallint,
    job_id uuid,
    metadata json,
    PRIMARY KEY (kit_id, version, recorded_at)
) PARTITION BY RANGE (recorded_at)
|
CREATE INDEX kit_event_recorded_at ON kit_event USING brin (recorded_at)
|
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'kit_event is append-only: % is refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$
|
CREATE TRIGGER kit_event_no_change BEFORE UPDATE OR DELETE ON kit_event FOR EACH ROW EXECUTE FUNCTION refuse_change()
|
CREATE TRIGGER kit_event_no_truncate BEFORE TRUNCATE ON kit_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
|
CREATE FUNCTION create_event_partition(month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
    partition text := 'kit_event_' || to_char(month, 'YYYYMM');
    low timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
    high timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        RETURN true;
    END IF;
    LOCK TABLE kit_event IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(quote_ident(partition)) IS NULL THEN
        -- ATTACH needs no more than that lock, under which all read and write; CREATE TABLE ... PARTITION OF would keep them out.
        EXECUTE format('CREATE TABLE %I (LIKE kit_event INCLUDING ALL)', partition);
        EXECUTE format(
            'CREATE TRIGGER kit_event_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
            partition);
        EXECUTE format('ALTER TABLE kit_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, low, high);
    END IF;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END $$
|
SELECT create_event_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date)
FROM generate_series(-1, 3) AS ahead
"""

SQLITE_EVENTS = """
CREATE TABLE kit_event (
    kit_id integer NOT NULL,
    version integer NOT NULL,
    recorded_at integer NOT NULL,
    reported_at integer,
    sequence integer,
    actor integer NOT NULL,
    task integer,
    progress real,
    kind integer NOT NULL,
    job_type integer,
    attempt integer,
    event_order integer,
    status integer,
    job_id char(32),
    metadata text,
    PRIMARY KEY (kit_id, version)
) WITHOUT ROWID
|
CREATE TRIGGER kit_event_no_update BEFORE UPDATE ON kit_event BEGIN
    SELECT RAISE(ABORT, 'kit_event is append-only: UPDATE is refused');
END
|
CREATE TRIGGER kit_event_no_delete BEFORE DELETE ON kit_event BEGIN
    SELECT RAISE(ABORT, 'kit_event is append-only: DELETE is refused');
END
|
CREATE TRIGGER kit_event_no_replace BEFORE INSERT ON kit_event
WHEN EXISTS (SELECT 1 FROM kit_event WHERE kit_id = NEW.kit_id AND version = NEW.version) BEGIN
    SELECT RAISE(ABORT, 'kit_event is append-only: REPLACE is refused');
END
"""

TABLES = """
CREATE TABLE name (id {identity}, text {name} NOT NULL UNIQUE)
|
CREATE TABLE kit (
    id {identity},
    name {name} NOT NULL,
    owner {name} NOT NULL,
    product_line smallint NOT NULL,
    definition {document} NOT NULL,
    metadata {document},
    created_at {instant} NOT NULL
)
|
CREATE INDEX kit_name ON kit (name, id)
|
CREATE INDEX kit_owner ON kit (owner, id)
|
CREATE TABLE kit_state (
    kit_id integer PRIMARY KEY REFERENCES kit (id),
    version integer NOT NULL,
    status smallint NOT NULL,
    status_version integer NOT NULL,
    is_started boolean NOT NULL,
    updated_at {instant} NOT NULL,
    status_changed_at {instant} NOT NULL,
    started_at {instant},
    ended_at {instant},
    archived_at {instant},
    revision bigint NOT NULL
) {hot}
|
CREATE INDEX kit_state_status ON kit_state (status, kit_id)
|
CREATE INDEX kit_state_status_changed_at ON kit_state (status_changed_at, kit_id)
|
CREATE TABLE job_state (
    kit_id integer NOT NULL REFERENCES kit (id),
    type smallint NOT NULL,
    job_id {uuid} NOT NULL UNIQUE,
    attempt smallint NOT NULL,
    status smallint NOT NULL,
    cancel_requested boolean NOT NULL,
    last_sequence integer NOT NULL,
    version integer NOT NULL,
    status_version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    metadata {document},
    PRIMARY KEY (kit_id, type)
) {hot}
|
CREATE INDEX job_state_status ON job_state (status, kit_id, type)
|
CREATE TABLE attempt_state (
    job_id {uuid} NOT NULL,
    number smallint NOT NULL,
    kit_id integer NOT NULL REFERENCES kit (id),
    status smallint NOT NULL,
    version integer NOT NULL,
    created_at {instant} NOT NULL,
    started_at {instant},
    ended_at {instant},
    cause {name},
    message text,
    exit_code integer,
    PRIMARY KEY (job_id, number)
) {hot}
|
CREATE TABLE task_state (
    kit_id integer NOT NULL REFERENCES kit (id),
    type smallint NOT NULL,
    task_order smallint NOT NULL,
    job_id {uuid} NOT NULL,
    name {name} NOT NULL,
    status smallint NOT NULL,
    progress real NOT NULL,
    version integer NOT NULL,
    status_version integer NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    started_at {instant},
    ended_at {instant},
    progressed_at {instant},
    coalesced_progress real,
    metadata {document},
    PRIMARY KEY (kit_id, type, task_order)
) {hot}
|
CREATE TABLE refused_report (
    job_id {uuid} NOT NULL,
    attempt smallint NOT NULL,
    sequence integer NOT NULL,
    code {name} NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (job_id, attempt, sequence)
)
|
CREATE TABLE runner (
    id {name} PRIMARY KEY,
    kind {name} NOT NULL,
    host {name} NOT NULL,
    heartbeat_at {instant} NOT NULL
)
|
CREATE TABLE attempt_claim (
    job_id {uuid} NOT NULL,
    attempt smallint NOT NULL,
    kit_id integer NOT NULL REFERENCES kit (id),
    runner_id {name} NOT NULL REFERENCES runner (id),
    claimed_at {instant} NOT NULL,
    released_at {instant},
    PRIMARY KEY (job_id, attempt)
)
|
CREATE INDEX attempt_claim_open ON attempt_claim (runner_id) WHERE released_at IS NULL
|
CREATE TABLE idempotency_key (
    person {name} NOT NULL,
    mutation {name} NOT NULL,
    key {name} NOT NULL,
    input_hash {name} NOT NULL,
    outcome {document},
    created_at {instant} NOT NULL,
    PRIMARY KEY (person, mutation, key)
)
|
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at)
|
CREATE TABLE artifact (
    id {uuid} PRIMARY KEY,
    kit_id integer NOT NULL REFERENCES kit (id),
    job_id {uuid} NOT NULL,
    attempt smallint NOT NULL,
    name {name} NOT NULL,
    media_type {name} NOT NULL,
    sha256 {name} NOT NULL,
    size bigint NOT NULL,
    inputs {document},
    created_at {instant} NOT NULL
)
|
CREATE UNIQUE INDEX artifact_name ON artifact (job_id, attempt, name)
|
CREATE INDEX artifact_kit ON artifact (kit_id)
|
CREATE TABLE deck_request (
    id {identity},
    kit_id integer NOT NULL REFERENCES kit (id),
    job_id {uuid} NOT NULL UNIQUE,
    deck {document} NOT NULL,
    created_at {instant} NOT NULL
)
|
CREATE TABLE log_chunk (
    job_id {uuid} NOT NULL,
    attempt smallint NOT NULL,
    start bigint NOT NULL,
    data {bytes} NOT NULL,
    recorded_at {instant} NOT NULL,
    PRIMARY KEY (job_id, attempt, start)
)
"""

POSTGRESQL = {
    "identity": "integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
    "name": 'text COLLATE "C"',
    "document": "json",
    "instant": "timestamptz",
    "uuid": "uuid",
    "bytes": "bytea",
    "double": "double precision",
    "hot": "WITH (fillfactor = 50)",
}
SQLITE = {
    "identity": "integer PRIMARY KEY AUTOINCREMENT",
    "name": "text",
    "document": "text",
    "instant": "integer",
    "uuid": "char(32)",
    "bytes": "blob",
    "double": "double",
    "hot": "",
}

STATUS_NAME = (
    "CASE {} WHEN 1 THEN 'PENDING' WHEN 2 THEN 'QUEUED' WHEN 3 THEN 'RUNNING' "
    "WHEN 4 THEN 'SUCCEEDED' WHEN 5 THEN 'FAILED' WHEN 6 THEN 'CANCELLED' END"
)
JOB_TYPE_NAME = "CASE {} WHEN 1 THEN 'DECK_COLLECTION' WHEN 2 THEN 'DOE' WHEN 3 THEN 'ML' WHEN 4 THEN 'OPTIMIZE' END"
LINE_NAME = "CASE {} WHEN 1 THEN 'LOGIC' WHEN 2 THEN 'DRAM' END"

TOTAL_STATE_VIEW = f"""
CREATE VIEW mlops_totalstate_table AS
SELECT kit.id AS kit_number, kit.name AS kit_name, kit.owner, {LINE_NAME.format("kit.product_line")} AS product_line,
       kit_state.version, {STATUS_NAME.format("kit_state.status")} AS status,
       {JOB_TYPE_NAME.format("task_state.type")} AS job_type, task_state.job_id,
       job_state.attempt, {STATUS_NAME.format("job_state.status")} AS job_status,
       task_state.task_order, task_state.name AS task_name, {STATUS_NAME.format("task_state.status")} AS task_status,
       task_state.progress AS task_progress, task_state.created_at, task_state.updated_at, task_state.started_at,
       task_state.ended_at, task_state.metadata
FROM task_state
JOIN job_state ON job_state.kit_id = task_state.kit_id AND job_state.type = task_state.type
JOIN kit_state ON kit_state.kit_id = task_state.kit_id
JOIN kit ON kit.id = task_state.kit_id
"""
STEP_VIEWS = {"deck_collection": 1, "doe_step": 2, "ml_step": 3, "optimize_step": 4}
STEP_VIEW = f"""
CREATE VIEW {{view}} AS
SELECT kit_event.kit_id AS kit_number, kit_event.version, kit_event.recorded_at, kit_event.reported_at, kit_event.job_id,
       kit_event.attempt, kit_event.event_order AS step_order, task.text AS task_name, actor.text AS actor,
       CASE kit_event.kind WHEN 5 THEN 'STATUS' WHEN 6 THEN 'CANCEL_REQUESTED' WHEN 7 THEN 'PROGRESS' WHEN 8 THEN 'TRIAL'
           WHEN 9 THEN 'POINT' WHEN 10 THEN 'NOTE' WHEN 11 THEN 'ARTIFACT' END AS kind,
       {STATUS_NAME.format("kit_event.status")} AS status, kit_event.progress, kit_event.metadata
FROM kit_event
JOIN name AS actor ON actor.id = kit_event.actor
LEFT JOIN name AS task ON task.id = kit_event.task
WHERE kit_event.job_type = {{code}}
"""


def upgrade() -> None:
    """Create everything."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    types = POSTGRESQL if is_postgresql else SQLITE
    statements = TABLES.format(**types).split("|") + (POSTGRESQL_EVENTS if is_postgresql else SQLITE_EVENTS).split("\n|\n")
    views = [TOTAL_STATE_VIEW, *(STEP_VIEW.format(view=view, code=code) for view, code in STEP_VIEWS.items())]
    for statement in (*statements, *views):
        op.get_bind().exec_driver_sql(statement.strip())
