"""The bundle of ports that a use case may touch."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from domain.approver import Approvers
from domain.executor import LoadLimits
from domain.lot_row import LOT_ID, LotIds
from domain.ports import (
    AddressGuard,
    ApiDocuments,
    ArtifactStore,
    AttemptTokens,
    Bus,
    ChatModel,
    ModelInspector,
    ModelPredictor,
    RelyingParty,
    Samples,
    SecretCipher,
    UrlSigner,
)
from domain.step_template import StepTemplate
from domain.storage import Database
from resolvers.report_intake import ReportIntake


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSettings:
    """What the server allows and tells its steps."""

    templates: Mapping[str, StepTemplate]
    folders: tuple[str, ...]
    functions: Mapping[str, str]
    allow_private_addresses: bool
    buckets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything outside, behind its port; `public_url` is where browsers, steps and pods reach this server.

    `load_generator` is the command of the program that runs k6, `window_seconds` the length of a window of its figures,
    `warning_seconds` how long before a run is ended for taking too long that is told (0: not at all), `runs_per_target` how many
    runs put load on one host and port at once, by whatever targets and wherever they run. `approvers` decide on permissions.
    `chat` words the findings of analyses, where there is one. `issuer` is whose people sign in: sessions of any other are none.
    `relying_party` signs browsers in, where they can; their sessions last for `session_lifetime`. `lot_ids` tells ids of lots,
    `max_upload_bytes` is the size of the largest file that people may upload, `daily_upload_bytes` how much one of them may
    within 24 hours.
    """

    database: Database
    bus: Bus
    artifacts: ArtifactStore
    documents: ApiDocuments
    address_guard: AddressGuard
    samples: Samples
    attempt_tokens: AttemptTokens
    url_signer: UrlSigner
    secrets: SecretCipher
    model_inspector: ModelInspector
    model_predictor: ModelPredictor
    reports: ReportIntake
    steps: StepSettings
    load_limits: LoadLimits
    load_generator: tuple[str, ...]
    public_url: str
    issuer: str
    approvers: Approvers = field(default_factory=Approvers)
    chat: ChatModel | None = None
    relying_party: RelyingParty | None = None
    session_lifetime: timedelta = timedelta(hours=12)
    lot_ids: LotIds = field(default_factory=lambda: LotIds(LOT_ID))
    max_upload_bytes: int = 2 * 10**9
    daily_upload_bytes: int = 20 * 10**9
    window_seconds: int = 5
    warning_seconds: float = 60
    runs_per_target: int = 1
    download_lifetime: timedelta = timedelta(minutes=15)
    uploads_to_come: Counter[str] = field(default_factory=Counter)  # bytes that uploads under way still bring, by subject
    pasts: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))  # reads of whole histories at once
