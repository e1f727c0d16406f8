"""The groups of settings: what there is to set, its defaults, and what each is for."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app import setting_values
from domain.lot_row import LOT_ID


class RunnerKind(StrEnum):
    """Where attempts run."""

    PROCESSES = "processes"


class Group(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(Group):
    """The database."""

    url: Annotated[str, AfterValidator(setting_values.database_url)] = Field(
        "", description="SQLAlchemy URL; empty: the file `plog.db` in the data folder."
    )
    schema_: str = Field("", alias="schema", description="PostgreSQL: the schema to work in; empty: the role's default.")
    app_role: str = Field(
        "", description="PostgreSQL: the role to which `plog migrate` grants what servers need, if they are not the owner."
    )
    pool_size: int = Field(10, ge=1, le=200, description="PostgreSQL: connections of each server at most.")


class RedisSettings(Group):
    """Live events between servers."""

    url: str = Field("", description="`redis://…`; empty: live events stay inside the process.")
    prefix: str = Field("plog", description="Keeps installations on one Redis apart.")
    heartbeat_seconds: float = Field(2.0, gt=0, le=60, description="The longest silence of Redis that goes unnoticed.")


class InfluxdbFeed(StrEnum):
    """Who writes to InfluxDB."""

    RUNNER = "runner"
    K6 = "k6"


class InfluxdbSettings(Group):
    """The figures of load tests in InfluxDB 2, for dashboards, beside PLOG's own database."""

    url: Annotated[str, AfterValidator(setting_values.service_url)] = Field(
        "", description="`http://…` or `https://…`; empty: none."
    )
    org: str = Field("", description="The organisation, by name or ID.")
    bucket: str = Field("plog", description="The bucket that windows are written to; it must exist.")
    token: SecretStr = Field(SecretStr(""), description="A token that may read and write the bucket.")
    feed: InfluxdbFeed = Field(
        InfluxdbFeed.RUNNER, description="`runner`: windows, from PLOG; `k6`: each sample, from k6, which gets the token."
    )


class ChatSettings(Group):
    """The chat model that words the findings of analyses of load tests."""

    url: Annotated[str, AfterValidator(setting_values.chat_url)] = Field(
        "",
        description=(
            "An OpenAI-compatible endpoint, to which `/chat/completions` is added: `https://…/v1`, `http://127.0.0.1:11434/v1` "
            "for Ollama; empty: findings are not worded."
        ),
    )
    model: Annotated[str, AfterValidator(setting_values.model_name)] = Field(
        "", max_length=200, description="The model's name there."
    )
    api_key: Annotated[SecretStr, AfterValidator(setting_values.api_key)] = Field(
        SecretStr(""), description="Sent as a bearer token; empty: none is."
    )
    answer_seconds: float = Field(
        60, gt=0, le=600, description="How long `loadTestAnalyze` waits for the model; after that the findings stand unworded."
    )


class OidcSettings(Group):
    """Sign-in (docs/sign-in.md)."""

    issuer: Annotated[str, AfterValidator(setting_values.issuer)] = Field(
        "", description="An OpenID Connect issuer; empty: the embedded one with demo users, on loopback only."
    )
    audience: str = Field("plog", description="The audience that access tokens must name.")
    groups_claim: str = Field("groups", description="The claim that lists a person's groups, or a dotted path to it.")
    client_id: str = Field("", description="What the issuer knows PLOG by; empty: browsers can't sign in there.")
    client_secret: Annotated[SecretStr, AfterValidator(setting_values.api_key)] = Field(
        SecretStr(""), description="The client's secret; empty: it is a public client."
    )
    scopes: Annotated[str, AfterValidator(setting_values.scopes)] = Field(
        "openid profile", description="What the issuer is asked for, `openid` among it; some have a scope for groups."
    )
    session_hours: float = Field(12, gt=0, le=168, description="How long a browser stays signed in, whatever it does.")


class PermissionSettings(Group):
    """Who decides on permissions."""

    approvers: Annotated[dict[str, list[str]], AfterValidator(setting_values.permission_kinds)] = Field(
        default_factory=dict,
        description=(
            'The subjects of those who decide, as JSON by permission: `{"LOGIC_GENERAL": ["…"]}`; `*` stands for all of them. '
            "Neither set, with the embedded issuer: Chris."
        ),
    )
    approver_groups: Annotated[dict[str, list[str]], AfterValidator(setting_values.permission_kinds)] = Field(
        default_factory=dict, description="The same by groups, as the issuer tells of them."
    )


class SecretSettings(Group):
    """Keys for job tokens and signed links."""

    keys: list[SecretStr] = Field(
        default_factory=list,
        description="`id:base64` entries (JSON list), the first signs and encrypts; empty: a file in the data folder.",
    )


class ArtifactSettings(Group):
    """Where artifacts are kept."""

    url: str = Field("", description="A folder or `s3://bucket/prefix`; empty: `artifacts` in the data folder.")
    options: dict[str, str] = Field(default_factory=dict, description="For S3: endpoint, region, access_key_id … as JSON.")
    link_minutes: float = Field(15, gt=0, le=1440, description="How long a download link is valid.")
    daily_upload_mb: float = Field(
        20_000, gt=0, le=1e9, description="How much one person may upload within 24 hours, in MB (10^6 bytes), finished or not."
    )


class RunnerSettings(Group):
    """Running attempts."""

    kind: RunnerKind = Field(RunnerKind.PROCESSES, description="`processes`: on this machine.")
    capacity: int = Field(2, ge=0, le=1000, description="Attempts at a time on this server; 0: it runs none.")
    cancel_grace_seconds: float = Field(10, ge=0, le=3600, description="Time for a polite end when a job is cancelled.")
    max_log_mb: float = Field(
        50, gt=0, le=2000, description="How much of an attempt's output is kept, in MB (10^6 bytes); the rest is dropped."
    )
    max_reports: int = Field(
        100_000, ge=1, le=10_000_000, description="Reports after which an attempt is ended; more for load tests (docs/steps.md)."
    )
    lost_after_seconds: float = Field(30, ge=1, le=3600, description="Silence after which a runner counts as lost.")


class StepsSettings(Group):
    """What steps may do."""

    templates: str = Field("", description="A TOML file with further step templates (docs/steps.md).")
    folders: list[Path] = Field(
        default_factory=list,
        description="Folders that decks may come from (JSON list), besides the demo's and `decks` in the data folder.",
    )
    functions: Annotated[dict[str, str], AfterValidator(setting_values.places)] = Field(
        default_factory=dict, description="Python functions that may evaluate designs, as JSON: name to `module:function`."
    )
    time_limit_hours: float = Field(
        24,
        ge=0,
        le=8784,
        description="How long an attempt of a built-in step may take, its inputs' fetching included; 0: any time.",
    )
    memory_limit_mb: float = Field(
        8000, ge=0, le=1e9, description="Resident memory that an attempt of a built-in step may use, in MB (10^6 bytes); 0: any."
    )
    allow_private_addresses: bool = Field(False, description="Whether decks may be fetched from private and loopback addresses.")
    buckets: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description=(
            "S3 buckets that decks may come from, as JSON: name to endpoint, region, access_key_id, secret_access_key …;"
            " without keys requests are not signed."
        ),
    )


class TargetsSettings(Group):
    """The APIs that are tested."""

    allow_private_addresses: bool = Field(
        True,
        description="Whether targets may have private and loopback addresses; link-local and metadata addresses never are.",
    )
    allow_remote_references: bool = Field(False, description="Whether an analysis follows references to other documents.")
    analysis_seconds: float = Field(60, gt=0, le=600, description="How long `targetAnalyze` may look for a document.")


class K6Settings(Group):
    """Load tests: the program that makes the load, how much it may make, and how many run at once."""

    binary: Annotated[str, AfterValidator(setting_values.program)] = Field(
        "", description="The k6 to run, a path or a name in `PATH`; empty: that of the package `k6`, which PLOG installs."
    )
    max_vus: int = Field(1000, ge=1, le=1_000_000, description="Virtual users of one load test at a time.")
    max_rate: float = Field(10_000, gt=0, le=1e9, description="Iterations a second of one load test.")
    max_minutes: float = Field(240, gt=0, le=44_640, description="How long a load test may last, from its start to its very end.")
    warning_seconds: float = Field(
        60,
        ge=0,
        le=86_400,
        description="How long before a run is ended for taking too long it is warned of that; 0: it is not.",
    )
    capacity: int = Field(1, ge=0, le=100, description="How many load tests this server runs at once; 0: none.")
    runs_per_target: int = Field(1, ge=1, le=100, description="How many load tests may put load on one host and port at once.")
    window_seconds: int = Field(5, ge=1, le=60, description="The length of a window of the figures of a run, in seconds.")
    keep_days: float = Field(
        0,
        ge=0,
        le=36_500,
        description=(
            "How many days after its end a run keeps its windows, resource figures, log and reports; 0: for ever. Its verdict, "
            "figures, thresholds, definition and analyses always stay."
        ),
    )


class LotSettings(Group):
    """Lot tracking."""

    id_pattern: Annotated[str, AfterValidator(setting_values.lot_id_pattern)] = Field(
        LOT_ID,
        description="What a lot id is, from end to end: a regular expression (ECMA 262) without look-behind, references, flags.",
    )
    max_file_mb: float = Field(
        2000, gt=0, le=100_000, description="The largest file that may be uploaded, of lot rows or decks, in MB (10^6 bytes)."
    )


class SchedulerSettings(Group):
    """The interval of each controller, and the time of the daily batch."""

    jobs_seconds: float = Field(
        1.0, gt=0, le=60, description="How often jobs, load tests and imports are looked at, if not woken sooner."
    )
    daily_batch_time: Annotated[str, AfterValidator(setting_values.time_of_day)] = Field(
        "02:00", description="When the daily batch runs, as in `02:00`; empty: only when people start it."
    )
    daily_batch_zone: Annotated[str, AfterValidator(setting_values.time_zone)] = Field(
        "UTC", description="The time zone of that time, as in `Asia/Seoul` (IANA); right through changes of the clocks."
    )
    daily_batch_catch_up_days: int = Field(
        7, ge=0, le=366, description="How many missed days are caught up with after downtime, besides the latest."
    )
    daily_batch_keep_days: float = Field(
        0,
        ge=0,
        le=36_500,
        description=(
            "How many days after its end a run of the daily batch keeps what it has refused; 0: for ever. Its counts and results "
            "always stay."
        ),
    )
    housekeeping_seconds: float = Field(300, gt=0, le=86400, description="How often what has had its time is removed.")


class ServerSettings(Group):
    """The HTTP server."""

    origins: list[Annotated[str, AfterValidator(setting_values.origin)]] = Field(
        default_factory=list, description="Web origins whose pages may use the API (JSON list); `*`: any, with tokens alone."
    )
    introspection: bool = Field(True, description="Whether the schema can be read through the API.")
    graphiql: bool = Field(True, description="Whether a browser gets GraphiQL at /graphql.")
    max_body_mb: float = Field(4, gt=0, le=100, description="The largest GraphQL request, in MB (10^6 bytes).")
    max_batch: int = Field(1, ge=1, le=10, description="Operations in one request at most.")
    max_cost: int = Field(20_000, ge=1, description="The cost that one operation may have at most.")


class LogSettings(Group):
    """Logging."""

    level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`.")
    json_lines: bool = Field(False, description="One JSON object a line in place of text.")
