"""The doors to the outside, as protocols: what adapters promise and use cases may rely on.

Methods that reach a service raise `domain.errors.Unavailable` when it does not answer.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from domain.actor import Actor, Generator, Worker
from domain.api_document import FoundDocument
from domain.attempt import AttemptKey
from domain.k6_output import K6Output
from domain.live import Gap, Notice, Topic
from domain.load_test_run import LoadTestRun
from domain.metric_window import MetricWindow
from domain.model_source import InspectedModel
from domain.model_version import ModelContent
from domain.prediction import Prediction
from domain.runner import EndReason, LaunchOrder, LogChunk, Observation
from domain.secret import Sealed
from domain.session import AuthorizationAnswer, Identity, SignIn
from domain.wording import ChatMessage


class Runner(Protocol):
    """Runs attempts on one kind of machine. Every call may be repeated; attempts are named by their key."""

    @property
    def id(self) -> str:
        """The runner's lasting name: the same after a restart on the same data folder."""
        ...

    async def launch(self, order: LaunchOrder) -> None:
        """Start the attempt unless it runs or ran here already; returns as soon as its shim is there.

        `domain.runner.LaunchFailed` where that attempt can't be started now.
        """
        ...

    async def renew_access(self, key: AttemptKey, server_url: str, token: str) -> None:
        """Let the attempt reach PLOG at this address, with this token, from its next call on; a no-op where nothing is here."""
        ...

    async def observe(self, keys: Sequence[AttemptKey]) -> Mapping[AttemptKey, Observation]:
        """What is there of each of these attempts.

        An attempt whose shim died without an exit record has its process group ended first, its reports sent on, and is
        then `ENDED` with cause `RUNNER_LOST`.
        """
        ...

    async def present(self) -> Sequence[AttemptKey]:
        """The attempts that this runner holds anything of (processes, folders, Jobs)."""
        ...

    async def end(self, key: AttemptKey, reason: EndReason, grace_seconds: float) -> None:
        """Ask the attempt to end, firmly after `grace_seconds`; a no-op where it is over. `observe` tells when it is."""
        ...

    async def read_log(self, key: AttemptKey, offset: int, limit: int) -> LogChunk:
        """Up to `limit` bytes of the attempt's output (stdout and stderr, interleaved as written) from `offset` on.

        Output beyond what the runner keeps is dropped; the last line then says so.
        """
        ...

    async def forget(self, key: AttemptKey) -> None:
        """Remove what is left of an attempt that has ended, unsent reports too; a no-op while anything of it runs."""
        ...


class Bus(Protocol):
    """Carries notices between the processes of PLOG. It may lose them: it then yields a `Gap` instead."""

    @property
    def is_linked(self) -> bool:
        """Whether notices of other processes arrive now."""
        ...

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Tell all subscribers, in every process. Never raises: a bus that is down loses notices, and that is allowed."""
        ...

    def subscribe(self, topic: Topic, key: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Notice | Gap]]:
        """Listen to one thing, or to a whole topic where `key` is None.

        The subscription is in force when the context is entered. Pending notices of the same key are merged, the highest version
        stays; the queue is bounded and turns into one `Gap` when it overflows.
        """
        ...


class Samples(Protocol):
    """Where the samples of load tests go on their way to the windows that PLOG keeps, judges and shows."""

    @property
    def k6_output(self) -> K6Output | None:
        """Where the k6 of new runs is to send its samples itself; their generators then tell windows that are elsewhere."""
        ...

    async def take(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[list[MetricWindow]]:
        """What to keep for each of the first of these windows, in PLOG's words: the generator tells the others again.

        It takes some seconds at most, and one window at least. What is told again changes nothing. `Unavailable` where figures
        can't be written or read now.
        """
        ...


class ChatModel(Protocol):
    """A language model that an operator has chosen. It may be slow, wrong or hostile: nothing that it says is taken on trust."""

    @property
    def name(self) -> str:
        """What it is called where it runs."""
        ...

    async def answer(self, messages: Sequence[ChatMessage]) -> str:
        """Its answer, of bounded size and after a bounded time; `domain.wording.ChatFailed` where there is none."""
        ...


class TokenVerifier(Protocol):
    """Checks bearer tokens."""

    async def verify(self, token: str) -> Actor:
        """Who the token speaks for; `Unauthenticated` for anything that is not valid, whatever is wrong with it."""
        ...


class RelyingParty(Protocol):
    """Signs people in with their browsers at an OpenID Connect issuer."""

    async def authorization_url(self, sign_in: SignIn) -> str:
        """Where the browser is sent to sign in."""
        ...

    async def redeem(self, sign_in: SignIn, answer: AuthorizationAnswer) -> Identity:
        """Whom the issuer vouches for; `Unauthenticated` where it refuses, or its answer is not for this sign-in."""
        ...

    async def sign_out_url(self) -> str | None:
        """Where the browser is sent to end what the issuer itself remembers; None where there is nothing of that kind."""
        ...


class AttemptTokens(Protocol):
    """Makes the tokens that workers show."""

    def issue(self, worker: Worker | Generator) -> str:
        """A signed token for this attempt that expires at `worker.expires_at`."""
        ...


class ArtifactStore(Protocol):
    """Holds the content of artifacts by location; content at a location never changes.

    Content arrives in pieces (`append`) that survive a crash of either side, and is seen by `size` and `read` only when
    `complete` has checked it whole. The pieces of an unfinished upload are kept by the server that took them: another server
    says that it has none, and the upload begins anew there.
    """

    async def size(self, location: str) -> int | None:
        """Bytes stored at `location`; None where nothing is, or not all of it."""
        ...

    async def upload_offset(self, location: str) -> int:
        """How many bytes of the upload are here: where it goes on. The whole size where the content is stored."""
        ...

    async def append(self, location: str, offset: int, chunks: AsyncIterator[bytes]) -> int:
        """Take what comes at byte `offset` of the upload; returns the offset after it, all of it on disk then.

        `domain.upload.UploadOffsetMismatch` where the upload stands elsewhere, also where another sender went on with it
        meanwhile. What came before `chunks` broke off is kept.
        """
        ...

    async def complete(self, location: str, *, sha256: str, size: int) -> None:
        """Store the uploaded content; a no-op where the same content is stored already.

        `UploadOffsetMismatch` where bytes are still missing. `ValidationFailed` (field `size` or `sha256`) where the content
        is another; nothing is stored then, and the upload begins anew.
        """
        ...

    async def arrived_since(self, folder: str, moment: datetime) -> int:
        """How many bytes belong to content below `folder` to which something was added since then.

        Of unfinished uploads those count that lie right in the folder, and that this server holds.
        """
        ...

    def read(self, location: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`, as far as there are any; `NotFound` where nothing is stored."""
        ...

    async def remove(self, folder: str) -> None:
        """Remove all content whose location begins with `folder` and a slash; nothing may be there (any more)."""
        ...


class ModelInspector(Protocol):
    """Looks into files that people say are models, without letting them do anything."""

    async def inspect(self, content: AsyncIterator[bytes]) -> InspectedModel:
        """What the content is; it may be anything. It takes bounded time and memory, and none of the server's own."""
        ...


class LoadedModel(Protocol):
    """A model that is ready to predict, for as long as the context lasts that `ModelPredictor.load` gave it out in."""

    async def predict(self, row: Sequence[float | str]) -> Prediction:
        """What it predicts for a row, which has the values of the features in the order of `ModelContent.features`.

        Numbers are given to it as float64; what comes out never depends on other rows. A row that the model refuses is a
        `Prediction` with a problem, and no concern of the others. One for which it broke or took too long `is_unanswered`: the
        model has to be loaded again then, also after a call that was cancelled; `domain.prediction.ModelUnusable` until it is.
        One call at a time.
        """
        ...


class ModelPredictor(Protocol):
    """Has set-up models predict, whose files may have been made by anybody: never in the server's own process."""

    def load(self, content: AsyncIterator[bytes], model: ModelContent) -> AbstractAsyncContextManager[LoadedModel]:
        """The model in that file, which has to have the checksum and size of `model`; nothing of it is left after the context.

        Entering takes seconds, and a process as long as the context lasts: who enters several at a time decides how many.
        `domain.prediction.ModelUnusable` where the model can't be used, now or ever. Errors of `content`, as `Unavailable` is,
        pass through as they are.
        """
        ...


class UrlSigner(Protocol):
    """Makes links that need no sign-in for a while."""

    def sign(self, method: str, path: str, expires_at: datetime) -> str:
        """The query string that makes `path` valid for `method` until then."""
        ...


class SecretCipher(Protocol):
    """Encrypts what must not be readable at rest. Values are bound to a context, as in `target 3 secret key`."""

    def seal(self, value: str, context: str) -> Sealed:
        """The value, encrypted with the newest key; another ciphertext each time."""
        ...

    def unseal(self, sealed: Sealed, context: str) -> str | None:
        """The value; None where its key is not there any more, or it was sealed in another context."""
        ...

    def has_key(self, key_id: str) -> bool:
        """Whether that key is still there."""
        ...

    def digest(self, value: str) -> str:
        """What tells two values apart and can't be guessed from by trying values, as it needs the key."""
        ...


class ApiDocuments(Protocol):
    """Finds the OpenAPI documents of APIs."""

    async def find(self, url: str) -> FoundDocument:
        """The document that `url` is or leads to, with all that is followed of its references to others; some seconds may pass.

        `ValidationFailed` of the field `url` where there is none or it must not be reached; it lists what was tried and what
        answered.
        """
        ...

    def read(self, content: bytes) -> Mapping[str, Any]:
        """What the text of a document that was found says; large ones take a second."""
        ...


class AddressGuard(Protocol):
    """Knows which addresses that users type must not be reached from here (`domain.remote_address`)."""

    @property
    def refused_networks(self) -> Sequence[str]:
        """The networks that nothing may be sent to, each as in `10.0.0.0/8`, for who connects by itself."""
        ...

    async def problem(self, url: str) -> str | None:
        """Why nothing may be sent to the http address by where its host is now, or None where it may.

        A host that can't be found is not refused: what is there later has to be held when the connection is made.
        """
        ...
