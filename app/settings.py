"""The settings of PLOG: environment variables with the prefix PLOG_, groups joined by `__`, also from a `.env` file.

This is the only reader of the environment. A wrong value is one sentence that names the variable.
"""

import json
import os
from pathlib import Path
from typing import Any, Self, get_origin
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from app import setting_values
from app.setting_groups import (
    ArtifactSettings,
    ChatSettings,
    DatabaseSettings,
    Group,
    InfluxdbSettings,
    K6Settings,
    LogSettings,
    LotSettings,
    OidcSettings,
    PermissionSettings,
    RedisSettings,
    RunnerSettings,
    SchedulerSettings,
    SecretSettings,
    ServerSettings,
    StepsSettings,
    TargetsSettings,
)

FOR_TESTS = frozenset({"PLOG_ENDURANCE", "PLOG_REQUIRE_SERVICES", "PLOG_SCREENSHOTS", "PLOG_VERSITYGW", "PLOG_INFLUXD"})
ROOT = Path(__file__).resolve().parent.parent
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})


class WrongSetting(Exception):
    """A setting can't be used; the message is one sentence that names it."""


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(env_prefix="PLOG_", env_nested_delimiter="__", env_file=".env", frozen=True, extra="ignore")

    home: Path = Field(Path(".plog"), description="The data folder: database, artifacts, logs, keys.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0: any free one.")
    public_url: str = Field(
        "", description="Where browsers and steps reach the server, behind a proxy say; empty: host and port."
    )
    database: DatabaseSettings = Field(default_factory=lambda: DatabaseSettings())
    redis: RedisSettings = Field(default_factory=lambda: RedisSettings())
    influxdb: InfluxdbSettings = Field(default_factory=lambda: InfluxdbSettings())
    chat: ChatSettings = Field(default_factory=lambda: ChatSettings())
    oidc: OidcSettings = Field(default_factory=lambda: OidcSettings())
    permissions: PermissionSettings = Field(default_factory=lambda: PermissionSettings())
    secrets: SecretSettings = Field(default_factory=lambda: SecretSettings())
    artifacts: ArtifactSettings = Field(default_factory=lambda: ArtifactSettings())
    runner: RunnerSettings = Field(default_factory=lambda: RunnerSettings())
    steps: StepsSettings = Field(default_factory=lambda: StepsSettings())
    targets: TargetsSettings = Field(default_factory=lambda: TargetsSettings())
    k6: K6Settings = Field(default_factory=lambda: K6Settings())
    lots: LotSettings = Field(default_factory=lambda: LotSettings())
    scheduler: SchedulerSettings = Field(default_factory=lambda: SchedulerSettings())
    server: ServerSettings = Field(default_factory=lambda: ServerSettings())
    log: LogSettings = Field(default_factory=lambda: LogSettings())

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        if self.public_url and not self.public_url.startswith(("http://", "https://")):
            raise ValueError("PLOG_PUBLIC_URL must begin with http:// or https://")
        try:
            _ = self.origin
        except ValueError:
            name = "PLOG_PUBLIC_URL" if self.public_url else "PLOG_HOST"
            raise ValueError(f"{name} must name a host, with a valid port if any, and no user") from None
        if not self.public_url and self.host in EVERY_ADDRESS:
            raise ValueError(f"PLOG_PUBLIC_URL must be set where PLOG_HOST is {self.host!r}, which is no address to link to")
        if self.chat.url and not self.chat.model:
            raise ValueError("PLOG_CHAT__MODEL must be set where PLOG_CHAT__URL is")
        return self

    @model_validator(mode="after")
    def _check_sign_in(self) -> Self:
        if self.oidc.client_id and not self.oidc.issuer:
            raise ValueError("PLOG_OIDC__ISSUER must be set where PLOG_OIDC__CLIENT_ID is")
        if self.oidc.client_secret.get_secret_value() and not self.oidc.client_id:
            raise ValueError("PLOG_OIDC__CLIENT_ID must be set where PLOG_OIDC__CLIENT_SECRET is")
        return self

    @property
    def origin(self) -> str:
        """The web origin of the server's own pages."""
        return setting_values.origin("://".join(urlsplit(self.base_url)[:2]))

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the server over https."""
        return self.base_url.startswith("https://")

    @property
    def base_url(self) -> str:
        """Where the server is reached, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def database_url(self) -> str:
        """The database's URL with the default filled in."""
        return self.database.url or f"sqlite+aiosqlite:///{(self.home / 'plog.db').absolute()}"

    @property
    def deck_folders(self) -> tuple[str, ...]:
        """All folders that decks may come from, absolute."""
        return tuple(str(folder.absolute()) for folder in (*self.steps.folders, self.home / "decks", ROOT / "demo"))


def read_settings(**overrides: Any) -> Settings:
    """The settings of the environment; `WrongSetting` names the first that is wrong."""
    try:
        given = {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"The file .env can't be read: {error}.") from None
    for name, text in sorted(given.items()):
        if name.startswith("plog_") and name.upper() not in FOR_TESTS:
            _check_variable(name.upper(), text or "")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise WrongSetting(_sentence(error)) from None


def process_environment() -> dict[str, str]:
    """The environment of this process, for what it starts."""
    return dict(os.environ)


def _check_variable(name: str, text: str) -> None:
    group, _, rest = name.removeprefix("PLOG_").lower().partition("__")
    field, _, entry = rest.partition("__")
    info = Settings.model_fields.get(group)
    if info is not None and field:
        info = _fields_of(info).get(field)
    if info is None:
        raise WrongSetting(f"{name} is not a setting of PLOG; see docs/settings.md.")
    is_document = get_origin(info.annotation) in (list, dict) or bool(_fields_of(info))
    if is_document and not entry:
        try:
            json.loads(text)
        except ValueError:
            raise WrongSetting(f"{name} is wrong: lists and objects must be JSON.") from None


def _fields_of(info: FieldInfo) -> dict[str, FieldInfo]:
    """The settings in a group, by the names that they have in variables; none where it is no group."""
    kind = info.annotation
    if not isinstance(kind, type) or not issubclass(kind, Group):
        return {}
    return {inner.alias or name: inner for name, inner in kind.model_fields.items()}


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = "__".join(str(part).upper() for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        return f"PLOG_{name} is not a setting of PLOG; see docs/settings.md."
    message = first["msg"].removeprefix("Value error, ")
    if not name:
        return f"{message}."
    return f"PLOG_{name} is wrong: {message[0].lower()}{message[1:]}."
